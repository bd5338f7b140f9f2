"""Profiles: every golden bundle keeps what it claims, and each profile finds the fault that it is there to find."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fhir_profiles.compose import compose, compose_report
from fhir_profiles.fhir_json import decode
from fhir_profiles.profiles import PROFILES
from fhir_profiles.render import render
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import AS_OF, CONTEXT, FIGURES, HEADING, INDICATORS, case, whole_file

BY_NAME = {profile.name: profile for profile in PROFILES.values()}


def _document() -> Json:
    return decode(render(compose("handover", whole_file(), CONTEXT, AS_OF).bundle, "fhir-document", HEADING).body)


def _gp_copy() -> Json:
    return decode(render(compose("gp-copy", whole_file(), CONTEXT, AS_OF).bundle, "fhir-document", HEADING).body)


def _persons_handover() -> Json:
    written = compose("persons-handover", whole_file(), CONTEXT, AS_OF)
    return decode(render(written.bundle, "fhir-document", HEADING).body)


def _persons_transfer() -> Json:
    written = compose("persons-transfer", whole_file(), CONTEXT, AS_OF)
    return decode(render(written.bundle, "fhir-document", HEADING).body)


def _transfer() -> Json:
    return decode(render(compose("transfer", whole_file(), CONTEXT, AS_OF).bundle, "fhir-document", HEADING).body)


def _referral() -> Json:
    return decode(render(compose("referral", *case("referral"), AS_OF).bundle, "fhir-message", HEADING).body)


def _message() -> Json:
    return decode(
        render(compose("prescription-copy", whole_file(), CONTEXT, AS_OF).bundle, "fhir-message", HEADING).body
    )


def _notice(letter: str) -> Json:
    written = compose(letter, *case(letter), AS_OF)
    return _first(decode(render(written.bundle, "fhir-message", HEADING).body), "Communication")


def _report() -> Json:
    return decode(render(compose_report(FIGURES).bundle, "fhir-collection", HEADING).body)


def _indicators() -> Json:
    return decode(render(compose_report(INDICATORS).bundle, "fhir-collection", HEADING).body)


def _first(bundle: Json, resource_type: str) -> Json:
    return next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == resource_type)


GOOD: dict[str, Callable[[], Json]] = {
    "handover-document": _document,
    "handover-composition": lambda: _first(_document(), "Composition"),
    "gp-copy-composition": lambda: _first(_gp_copy(), "Composition"),
    "persons-handover-composition": lambda: _first(_persons_handover(), "Composition"),
    "persons-transfer-composition": lambda: _first(_persons_transfer(), "Composition"),
    "transfer-composition": lambda: _first(_transfer(), "Composition"),
    "prescription-copy": lambda: _first(_message(), "MedicationRequest"),
    "correction": lambda: _notice("correction"),
    "reception-notice": lambda: _notice("reception-notice"),
    "write-back": lambda: _notice("write-back"),
    "notice-of-withdrawal": lambda: _notice("notice-of-withdrawal"),
    "harm-disclosure": lambda: _notice("harm-disclosure"),
    "probation-summary": lambda: _notice("probation-summary"),
    "acct-contribution": lambda: _notice("acct-contribution"),
    "assessment": lambda: _notice("assessment"),
    "care-plan-update": lambda: _notice("care-plan-update"),
    "community-record": lambda: _notice("community-record"),
    "engagement": lambda: _notice("engagement"),
    "mandatory-test-referral": lambda: _notice("mandatory-test-referral"),
    "referral": lambda: _first(_referral(), "ServiceRequest"),
    "notice": lambda: _first(_message(), "Communication"),
    "letter-header": lambda: _first(_message(), "MessageHeader"),
    "security-report": lambda: _first(_report(), "MeasureReport"),
    "indicators": lambda: _first(_indicators(), "MeasureReport"),
}


def test_every_profile_has_a_good_example() -> None:
    assert set(GOOD) == set(BY_NAME)


@pytest.mark.parametrize("name", GOOD)
def test_a_golden_resource_keeps_and_claims_its_profile(name: str) -> None:
    resource = GOOD[name]()
    assert BY_NAME[name].check(resource) == ()
    assert BY_NAME[name].url in resource["meta"]["profile"]


def test_everything_that_is_claimed_is_kept() -> None:
    for bundle in (_document(), _gp_copy(), _transfer(), _message(), _report()):
        for resource in (bundle, *(entry["resource"] for entry in bundle["entry"])):
            for url in resource.get("meta", {}).get("profile", ()):
                assert PROFILES[url].check(resource) == ()


def _drop(*path: Any) -> Callable[[Json], None]:
    def change(resource: Json) -> None:
        at: Any = resource
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]

    return change


def _set(value: Any, *path: Any) -> Callable[[Json], None]:
    def change(resource: Json) -> None:
        at: Any = resource
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


SABOTAGE: list[tuple[str, str, Callable[[Json], None]]] = [
    ("handover-document", "another type", _set("collection", "type")),
    ("handover-document", "no identifier", _drop("identifier")),
    ("handover-document", "another identifier", _set("urn:x", "identifier", "system")),
    ("handover-document", "no time", _drop("timestamp")),
    ("handover-document", "no Composition first", _drop("entry", 0)),
    ("handover-document", "a reference outwards", _drop("entry", 1)),
    ("handover-document", "no fullUrl", _drop("entry", 1, "fullUrl")),
    ("handover-document", "another resource", _set("Basic", "resourceType")),
    ("handover-composition", "no risk", lambda r: r["section"].pop(1)),
    ("handover-composition", "a section without text", _drop("section", 0, "text")),
    ("handover-composition", "no subject", _drop("subject")),
    ("handover-composition", "another letter", _set("correction", "type", "coding", 0, "code")),
    ("handover-composition", "a section with nothing", _drop("section", 1, "entry")),
    ("persons-handover-composition", "no last dose", lambda r: r["section"].pop(2)),
    ("persons-handover-composition", "a risk in the person's hands", _set("risk-information", "section", 0, "code", "coding", 0, "code")),
    ("persons-transfer-composition", "no last dose", lambda r: r["section"].pop(2)),
    ("persons-transfer-composition", "a journey in the person's hands", _set("appointment", "section", 1, "code", "coding", 0, "code")),
    ("gp-copy-composition", "no risk", lambda r: r["section"].pop(1)),
    ("gp-copy-composition", "the provider's own results", lambda r: r["section"][0]["code"]["coding"][0].update(code="test-result")),
    ("transfer-composition", "no allergies", lambda r: r["section"].pop(8)),
    ("transfer-composition", "another letter", _set("handover", "type", "coding", 0, "code")),
    ("prescription-copy", "no mark", _set("Take it", "note", 0, "text")),
    ("prescription-copy", "no note", _drop("note")),
    ("prescription-copy", "the number of an order", _set([{"system": "https://fhir.nhs.uk/Id/prescription-order-item-number"}], "identifier")),
    ("prescription-copy", "a reason", _set([{"text": "why"}], "reasonCode")),
    ("prescription-copy", "no substitution", _drop("substitution")),
    ("probation-summary", "another letter", _set("engagement", "category", 0, "coding", 0, "code")),
    ("probation-summary", "what it may be used for", _drop("payload", 1)),
    ("probation-summary", "what its silence means", _set("Nothing was found.", "payload", 2, "contentString")),
    ("acct-contribution", "routine", _set("routine", "priority")),
    ("acct-contribution", "what its silence means", _drop("payload", 1)),
    ("acct-contribution", "another letter", _set("assessment", "category", 0, "coding", 0, "code")),
    ("assessment", "what it may be used for", _drop("payload", 1)),
    ("assessment", "another letter", _set("engagement", "category", 0, "coding", 0, "code")),
    ("assessment", "about what is not there", _set([{"display": "a form"}], "about")),
    ("care-plan-update", "another letter", _set("assessment", "category", 0, "coding", 0, "code")),
    ("care-plan-update", "a note", _set([{"text": "said in a session"}], "note")),
    ("community-record", "that it is no prescription", _drop("payload", 1)),
    ("community-record", "no person", _drop("subject")),
    ("engagement", "what it may be used for", _drop("payload", 1)),
    ("engagement", "a reason", _set([{"text": "why"}], "reasonCode")),
    ("mandatory-test-referral", "that it is no clinical result", _drop("payload", 1)),
    ("mandatory-test-referral", "that nothing goes back", _set("Tell security.", "payload", 2, "contentString")),
    ("referral", "an order", _set("order", "intent")),
    ("referral", "no use case of ours", _drop("category", 0, "coding", 1)),
    ("referral", "a use case of Booking and Referral", lambda r: r["category"][0]["coding"].append(
        {"system": "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars", "code": "a1t1"})),
    ("notice", "no kind of letter", _set("urn:x", "category", 0, "coding", 0, "system")),
    ("notice", "nothing said", _drop("payload", 0, "contentString")),
    ("notice", "no priority", _drop("priority")),
    ("correction", "another letter", _set("handover", "category", 0, "coding", 0, "code")),
    ("correction", "about a record", _set([{"reference": "MedicationRequest/a"}], "about")),
    ("correction", "a reason", _set([{"text": "why"}], "reasonCode")),
    ("reception-notice", "another letter", _set("handover", "category", 0, "coding", 0, "code")),
    ("reception-notice", "about what is not there", _set([{"display": "a record"}], "about")),
    ("write-back", "another letter", _set("correction", "category", 0, "coding", 0, "code")),
    ("write-back", "nothing said", _drop("payload")),
    ("notice-of-withdrawal", "another letter", _set("correction", "category", 0, "coding", 0, "code")),
    ("harm-disclosure", "another letter", _set("correction", "category", 0, "coding", 0, "code")),
    ("letter-header", "an event of electronic prescribing", _set("https://fhir.nhs.uk/CodeSystem/message-event", "eventCoding", "system")),
    ("letter-header", "no destination", _drop("destination")),
    ("indicators", "an exact number", _set({"text": "about 12"}, "group", 0, "stratifier", 0, "stratum", 0, "value")),
    ("indicators", "a column is missing", lambda r: r["group"][0]["stratifier"].pop()),
    ("indicators", "another order", lambda r: r["group"][0]["stratifier"].reverse()),
    ("indicators", "another indicator", _set("started", "group", 0, "code", "coding", 0, "code")),
    ("indicators", "a count", _set([{"count": 3}], "group", 0, "population")),
    ("indicators", "a person", _set({"reference": "Patient/patient"}, "subject")),
    ("indicators", "a date", _set("2026-04-08", "date")),
    ("indicators", "no quarter", _set({"start": "2026-02", "end": "2026-04"}, "period")),
    ("indicators", "a month", _set({"start": "2026-01", "end": "2026-01"}, "period")),
    ("indicators", "two years", _set({"start": "2026-01", "end": "2027-03"}, "period")),
    ("security-report", "a group is missing", lambda r: r["group"].pop()),
    ("security-report", "another order", lambda r: r["group"].reverse()),
    ("security-report", "a count", _set([{"count": 3}], "group", 0, "population")),
    ("security-report", "a score", _set({"value": 3}, "group", 0, "measureScore")),
    ("security-report", "a person", _set({"reference": "Patient/patient"}, "subject")),
    ("security-report", "a finer time", _set({"start": "2026-01-15", "end": "2026-01-15"}, "period")),
    ("security-report", "a date", _set("2026-02-08", "date")),
    ("security-report", "an individual report", _set("individual", "type")),
    ("security-report", "one text only", lambda r: r["group"][0]["stratifier"].pop()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fault", "change"), SABOTAGE, ids=[f"{row[0]}: {row[1]}" for row in SABOTAGE])
def test_a_profile_finds(name: str, fault: str, change: Callable[[Json], None]) -> None:
    resource = copy.deepcopy(GOOD[name]())
    change(resource)
    issues = BY_NAME[name].check(resource)
    assert issues
    assert all(issue.path and issue.text for issue in issues)


def test_a_resource_that_keeps_no_profile_claims_none() -> None:
    bundle = compose("prescription-copy", whole_file(), CONTEXT, AS_OF).bundle
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "MedicationRequest":
            entry["resource"]["note"] = []
            entry["resource"]["meta"]["profile"] = ["urn:somebody-else"]
    written = decode(render(bundle, "fhir-message", HEADING).body)
    assert "profile" not in _first(written, "MedicationRequest").get("meta", {})
