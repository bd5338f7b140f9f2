"""Coded entries of consent become the Consents that they mean; a no always counts, a doubtful yes and "unable" never permit."""

from typing import Any

import pytest

from consent.lint import widens
from consent.privacy_notice import is_notice
from fhir_profiles import systems, terminology
from fhir_profiles.mappings.fhir_coded_consents import LINEAGE, WITHDRAWN_EXTENSION
from fhir_profiles.shapes import Event, Fate
from fhir_profiles.validate import invalid, validate
from tests.fhir_profiles.fhir_message.messages import ABOUT, Json, bundle, carried, consent, header, leaves, read

CTV3, READ = "http://read.info/ctv3", "http://read.info/readv2"
GIVEN = (systems.SNOMED, "319951000000105")
DECLINED = (systems.SNOMED, "320011000000108")
WITHDRAWN = (CTV3, "XaNwU")
UNABLE = (READ, "9NdR.")
NDTMS = (systems.SNOMED, "505091000000102")


def entry(code: tuple[str, str], kind: str = "Observation", **changes: Any) -> Json:
    status = {"Observation": {"status": "final"}, "Procedure": {"status": "completed"}, "Condition": {}}[kind]
    time = {"Observation": "effectiveDateTime", "Procedure": "performedDateTime", "Condition": "recordedDate"}[kind]
    return {
        "resourceType": kind,
        "id": "said1",
        **status,
        "code": {"coding": [{"system": code[0], "code": code[1]}]},
        "subject": ABOUT,
        time: "2026-01-14T09:00:00Z",
    } | changes


NOTICE = (systems.LOCAL_CODE + "consent-state", "privacy-notice-given")


def made(*entries: Json) -> list[Json]:
    return carried(read(bundle(*entries)), "Consent")


def test_every_row_has_a_topic_with_purposes() -> None:
    topics = {row["topic"] for row in terminology.lookup("consent_topics").rows}
    rows = terminology.lookup("consent_codes").rows
    assert {row["topic"] for row in rows} == topics
    assert all(
        row["system"].startswith("https://throughgate.example/") for row in rows if row["confidence"] in ("A", "U")
    )


def test_a_privacy_notice_is_a_consent_of_its_category_and_permits_nothing() -> None:
    message = bundle(entry(NOTICE))
    meaning = read(message)
    (given,) = carried(meaning, "Consent")
    (none,) = made(entry(NOTICE, valueBoolean=False))
    assert (given["status"], none["status"]) == ("active", "rejected")
    assert given["identifier"] == none["identifier"], "the newest word counts"
    for found in (given, none):
        assert is_notice(found)
        assert not {"policyRule", "provision"} & found.keys()
    assert not invalid(validate(meaning.bundle))
    assert sorted(field.source for field in meaning.fields) == sorted(leaves(message, "Bundle"))
    assert made(entry(NOTICE, status="preliminary")) == []


@pytest.mark.parametrize("kind", ["Observation", "Procedure", "Condition"])
@pytest.mark.parametrize(
    ("code", "status", "rule"),
    [
        (GIVEN, "active", "OPTIN"),
        (DECLINED, "rejected", "OPTOUT"),
        (WITHDRAWN, "inactive", "OPTOUT"),
        ((systems.SNOMED, "425691002"), "active", "OPTIN"),
        ((CTV3, "XaNwR"), "active", "OPTIN"),
        ((READ, "9NdH."), "rejected", "OPTOUT"),
        ((READ, "9NdJ."), "inactive", "OPTOUT"),
        ((systems.LOCAL_CODE + "consent-state", "third-party-withdrawn"), "inactive", "OPTOUT"),
    ],
)
def test_an_entry_is_the_consent_that_it_means(kind: str, code: tuple[str, str], status: str, rule: str) -> None:
    message = bundle(entry(code, kind))
    meaning = read(message)
    (found,) = carried(meaning, "Consent")
    assert carried(meaning, kind) == []
    assert (found["status"], found["policyRule"]["coding"][0]["code"]) == (status, rule)
    assert found["dateTime"] == "2026-01-14T09:00:00Z"
    assert Event.CONSENT in meaning.events
    assert widens(found) is (status == "active")
    assert not invalid(validate(meaning.bundle))
    assert sorted(field.source for field in meaning.fields) == sorted(leaves(message, "Bundle"))
    where = {field.source: field.path for field in meaning.fields if field.fate is Fate.MAPPED}
    assert where["Bundle.entry[2].resource.code.coding[0].code"] == "Consent.category"


def test_a_yes_covers_care_only_and_a_no_everything_but_ndtms() -> None:
    purposes = {
        code: [(one["system"], one["code"]) for one in made(entry(code))[0]["provision"]["purpose"]]
        for code in (GIVEN, DECLINED, NDTMS)
    }
    assert purposes[GIVEN] == [(systems.ACT_REASON, "TREAT")]
    assert purposes[DECLINED] == [(systems.ACT_REASON, "PurposeOfUse")]
    assert purposes[NDTMS] == [(systems.LOCAL_CODE + "purpose", "ndtms")]


def test_a_withdrawal_is_the_persons_act_and_says_so() -> None:
    (found,) = made(entry((READ, "9NdJ.")))
    assert found["extension"] == [{"url": WITHDRAWN_EXTENSION, "valueBoolean": True}]


@pytest.mark.parametrize(
    ("code", "changes", "status"),
    [
        (GIVEN, {"valueBoolean": True}, "active"),
        (GIVEN, {"valueString": "Yes"}, "active"),
        (GIVEN, {"valueBoolean": False}, "rejected"),
        (GIVEN, {"valueCodeableConcept": {"text": "No"}}, "rejected"),
        (GIVEN, {"valueString": "for the pharmacy, but not on Sundays"}, None),
        (GIVEN, {"dataAbsentReason": {"text": "asked, declined to say"}}, None),
        (GIVEN, {"status": "preliminary"}, None),
        (GIVEN, {"status": "registered"}, None),
        (GIVEN, {"status": "cancelled"}, None),
        (GIVEN, {"status": "entered-in-error"}, "entered-in-error"),
        (DECLINED, {"status": "preliminary"}, "rejected"),
        (DECLINED, {"status": "unknown"}, "rejected"),
        (DECLINED, {"valueString": "very much so"}, "rejected"),
        (DECLINED, {"valueBoolean": False}, None),
        (DECLINED, {"status": "cancelled"}, None),
        (DECLINED, {"status": "entered-in-error"}, "entered-in-error"),
        (UNABLE, {}, None),
        (UNABLE, {"valueBoolean": True}, None),
    ],
)
def test_a_no_counts_and_a_doubtful_yes_does_not(code: tuple[str, str], changes: Json, status: str | None) -> None:
    meaning = read(bundle(entry(code, **changes)))
    assert [found["status"] for found in carried(meaning, "Consent")] == ([status] if status else [])
    if status is None:
        assert len(carried(meaning, "Observation")) == 1
        expected = "unable-to-consent" if code == UNABLE else "consent-unclear"
        assert [task.code for task in meaning.tasks] == [expected]


def test_two_codes_of_one_entry_that_differ_are_the_refusal() -> None:
    both = {"coding": [{"system": system, "code": code} for system, code in (GIVEN, DECLINED)]}
    assert [found["status"] for found in made(entry(GIVEN) | {"code": both})] == ["rejected"]


def test_whom_it_names_is_the_actor_and_nobody_else_is_guessed() -> None:
    organisation = {"resourceType": "Organization", "id": "o1", "name": "Pharmacy"}
    named = read(bundle(entry(GIVEN, focus=[{"reference": "Organization/o1"}]), organisation))
    (found,), (party,) = carried(named, "Consent"), carried(named, "Organization")
    assert [actor["reference"]["reference"] for actor in found["provision"]["actor"]] == [f"Organization/{party['id']}"]
    assert "actor" not in made(entry(GIVEN))[0]["provision"]


def lineage(found: Json) -> str:
    return str(next(one["value"] for one in found["identifier"] if one["system"] == LINEAGE))


def test_entries_about_the_same_thing_from_one_sender_are_one_lineage() -> None:
    given, declined = made(entry(GIVEN), entry(DECLINED, id="said2"))
    assert lineage(given) == lineage(declined)
    assert given["id"] != declined["id"]
    (other,) = carried(read(bundle(entry(GIVEN), head=header(source={"endpoint": "https://other.example"}))), "Consent")
    (ndtms,) = made(entry(NDTMS))
    assert len({lineage(given), lineage(other), lineage(ndtms)}) == 3


def test_what_no_row_knows_stays_an_observation_and_a_consent_stays_a_consent() -> None:
    meaning = read(bundle(entry((systems.SNOMED, "1")), consent()))
    assert len(carried(meaning, "Observation")) == len(carried(meaning, "Consent")) == 1
    assert carried(read(bundle(entry((systems.SNOMED, "1"), "Procedure"))), "Procedure") == []
