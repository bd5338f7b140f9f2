"""`try` says what the line would do: about letters that had left, and about whose consents it was given."""

import json
from typing import Any

import pytest

from gateway import trying
from tests.builders import PERSON, adt_a03, adt_a13, consent, nhs_number, synthetic_person

Json = dict[str, Any]
AS_OF = "2026-01-16T12:00:00Z"
LONG_AGO = "2026-01-02T09:00:00+00:00"
PROVIDER = {"ZA": "northfell-recovery", "ZB": "southfell-recovery"}
NHS = "https://fhir.nhs.uk/Id/nhs-number"
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"


def tried(body: bytes, *, history: tuple[bytes, ...] = (), consents: tuple[Json, ...] = ()) -> Json:
    """What `try --json` answers; of its decisions those about the treatment provider (the practice's copy comes with each)."""
    said = tuple(json.dumps(each).encode() for each in consents)
    found = trying.try_message(body, history=history, consents=said, as_of=AS_OF)
    return {**found, "decisions": [each for each in found["decisions"] if each["class"] != "gp"]}


@pytest.mark.parametrize("area", ["ZA", "ZB"])
def test_a_release_of_the_history_that_is_cancelled_is_corrected(area: str) -> None:
    """What came before had left: whoever had the handover (by wire, or from a mailbox) gets the correction, once."""
    person = synthetic_person(1, postcode=f"{area}1 1AA")
    release, cancelled = adt_a03(person), adt_a13(person)
    (decision,) = tried(cancelled, history=(release,))["decisions"]
    assert (decision["letter"], decision["outcome"], decision["recipient"]) == ("correction", "release", PROVIDER[area])
    assert tried(adt_a13(person, message_id="A13-2"), history=(release, cancelled))["decisions"] == []


def test_a_cancellation_of_nothing_makes_nothing() -> None:
    """No release was told, so nobody is corrected."""
    assert tried(adt_a13())["decisions"] == []


def bundle(word: Json, *others: Json, url: str = "") -> Json:
    """A collection with a Consent and what it refers to; `url` is the fullUrl of the first of the others."""
    entries: list[Json] = [{"resource": word}, *({"resource": each} for each in others)]
    if url:
        entries[1]["fullUrl"] = url
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def about(number: str) -> Json:
    """A Patient with this NHS number."""
    return {"resourceType": "Patient", "id": "p9", "identifier": [{"system": NHS, "value": number}]}


def refusal(**more: Any) -> Json:
    """A refusal of everybody."""
    return {**consent(resource_id="w", at=LONG_AGO, decision="deny"), **more}


def test_a_consent_of_a_bundle_about_somebody_else_does_not_count() -> None:
    """Its Patient has another NHS number: it is said and left out, and one about the person beside it still counts."""
    of_another = refusal(patient={"reference": "Patient/p9"})
    found = tried(adt_a03(), consents=(bundle(of_another, about(nhs_number(9))),))
    assert [each["outcome"] for each in found["decisions"]] == ["release"]
    assert any("another person" in each["text"] for each in found["message"]["issues"])
    both = bundle(of_another, about(nhs_number(9)), refusal(id="own"))
    assert [each["outcome"] for each in tried(adt_a03(), consents=(both,))["decisions"]] == ["withhold"]
    by_number = refusal(patient={"identifier": {"system": NHS, "value": nhs_number(9)}})
    assert [
        each["outcome"] for each in tried(adt_a03(), consents=(bundle(by_number, refusal(id="own")),))["decisions"]
    ] == ["withhold"]


def test_a_consent_of_a_bundle_about_the_person_counts() -> None:
    """The same, with the person's own number written with spaces."""
    number = PERSON.nhs_number
    spaced = f"{number[:3]} {number[3:6]} {number[6:]}"
    found = tried(adt_a03(), consents=(bundle(refusal(patient={"reference": "Patient/p9"}), about(spaced)),))
    assert [each["outcome"] for each in found["decisions"]] == ["withhold"]


@pytest.mark.parametrize(
    "url", ["urn:uuid:22222222-2222-4222-8222-222222222222", "https://directory.example/fhir/Organization/o1"]
)
def test_what_a_consent_of_a_bundle_refers_to_is_found_by_its_full_url(url: str) -> None:
    """A refusal of this provider, named by a reference to an entry of the same Bundle."""
    word = consent(resource_id="w", at=LONG_AGO, decision="deny", recipient_reference=url)
    provider = {
        "resourceType": "Organization",
        "id": "o1",
        "identifier": [{"system": ODS, "value": "ZZC01"}],
        "name": "Northfell",
    }
    found = tried(adt_a03(), consents=(bundle(word, provider, url=url),))
    assert [each["outcome"] for each in found["decisions"]] == ["withhold"]


def test_a_refusal_is_the_answer_and_no_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever tries a message reads what is wrong with it in the answer; nothing was refused to anybody."""
    found = tried(b"MSH|^~\\&|X|Y|||20260115||ADT^A03|R-1|P|2.4\r", history=(b"no message",))
    assert found["message"]["outcome"] == "rejected"
    assert capsys.readouterr().err == ""
