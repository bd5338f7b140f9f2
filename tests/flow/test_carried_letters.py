"""What a message brings goes on to whom it concerns inside the prison, or to whom a person is referred: at once, once, and to nobody else."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.systems import BARS_SERVICE, COMMUNICATION_KIND, LOCAL_ID, ODS
from gateway.clients import add_client
from tests.builders import (
    METHADONE,
    OPIATES,
    Assay,
    SyntheticPerson,
    adt_a01,
    adt_a03,
    care_plan,
    fhir_message,
    medication_request,
    oru_r01,
    synthetic_person,
)
from tests.line import RECIPIENTS, Got, Line, RecipientOfTests, running
from tests.world import check_world

SECURITY, OUTSIDE, WING = "security-system", "northfell-system", "team-system"
TEAM = ("mandatory-test-referral", "engagement", "community-record", "assessment", "care-plan-update")
OTHER = [{"system": LOCAL_ID + "referral", "value": "REF-2"}]
ALL: dict[str, RecipientOfTests] = {
    **RECIPIENTS,
    "northfell": (*RECIPIENTS["northfell"][:3], {**RECIPIENTS["northfell"][3], "referral": "fhir-message"}),
    "westfell": ("community-provider", "ZZC03", 'postcode_areas = ["ZC"]', {"referral": "fhir-message"}),
    "team": ("care-team", "ZZT02", 'establishments = ["ZFG"]', dict.fromkeys(TEAM, "fhir-message")),
    "safety": ("safer-custody", "ZZT03", 'establishments = ["ZFG"]', {"acct-contribution": "fhir-message"}),
}  # fmt: skip


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path, recipients=ALL) as made:
        add_client(made.gateway, name=SECURITY, kinds=("fhir-message",), establishments=("ZFG",), recipient="security")
        add_client(made.gateway, name=OUTSIDE, kinds=("fhir-message",), establishments=("ZFG",), recipient="northfell")
        add_client(made.gateway, name=WING, kinds=("fhir-message",), establishments=("ZFG",), recipient="team")
        yield made


def had(line: Line, letter: str, recipient: str) -> list[Got]:
    """These letters that a neighbour has, as it got them."""
    return [
        got
        for got in line.neighbours[recipient].effects
        if json.loads(got.body)["entry"][0]["resource"]["eventCoding"]["code"] == letter
    ]


def sent(line: Line, letter: str, recipient: str) -> list[str]:
    """Their bodies."""
    return [got.body.decode() for got in had(line, letter, recipient)]


def talked(line: Line, letter: str, recipient: str) -> int:
    """How many conversations these letters are of (Booking and Referral: X-Correlation-ID)."""
    heads = (each.head.decode() for each in had(line, letter, recipient))
    return len({re.findall(r"X-Correlation-ID', b'([^']+)'", head)[0] for head in heads})


def lately(letters: list[str]) -> list[str]:
    """When each referral that left was last changed."""
    every = (entry["resource"] for body in letters for entry in json.loads(body)["entry"])
    return [each["meta"]["lastUpdated"] for each in every if each["resourceType"] == "ServiceRequest"]


def states(line: Line, letter: str) -> list[tuple[str | None, str]]:
    return [(row.recipient, row.state) for row in line.deliveries(letter=letter)]


def referral(
    status: str = "active", *, hour: str, ods: str = "", words: str = "release in two weeks"
) -> dict[str, Any]:
    """A referral as its system has it at that hour."""
    asked = {"performer": [{"identifier": {"system": ODS, "value": ods}}]} if ods else {}
    return {
        "resourceType": "ServiceRequest",
        "id": "ref",
        "meta": {"lastUpdated": f"2026-01-15T{hour}:00Z"},
        "identifier": [{"system": LOCAL_ID + "referral", "value": "REF-1"}],
        "status": status,
        "intent": "plan",
        "category": [{"coding": [{"system": BARS_SERVICE, "code": "referral"}]}],
        "subject": {"reference": PATIENT_REFERENCE},
        "authoredOn": "2026-01-15",
        "reasonCode": [{"text": words}],
        **asked,
    }


def contact(status: str, resource_id: str) -> dict[str, Any]:
    who = [{"actor": {"reference": PATIENT_REFERENCE}, "status": "accepted"}]
    times = {"start": "2026-01-20T10:00:00Z", "end": "2026-01-20T10:30:00Z"}
    return {"resourceType": "Appointment", "id": resource_id, "status": status, **times, "participant": who}


def says(person: SyntheticPerson, mark: str, *resources: dict[str, Any]) -> bytes:
    return fhir_message(person, resources=list(resources), message_id=mark)


async def test_a_positive_mandatory_test_is_a_referral_for_the_team_and_nothing_goes_back(line: Line) -> None:
    """INVARIANT: security's result stays the prison's own: in one referral, in no clinical letter, and nobody answers security."""
    person = synthetic_person(1)
    await line.play(adt_a01(person))
    await line.play(oru_r01(person, purpose="mandatory", message_id="MDT"))
    await line.play(oru_r01(person, purpose="mandatory", message_id="MDT-AGAIN"))
    negative = (Assay(code=OPIATES[0], text=OPIATES[1], result="negative"),)
    await line.play(oru_r01(synthetic_person(2), assays=negative, purpose="mandatory", message_id="NEG"))
    (letter,) = sent(line, "mandatory-test-referral", "team")
    for said in (person.prison_number, "mandatory-test-to-treatment", "Nothing goes back to security", '"mandatory"'):
        assert said in letter
    assert person.nhs_number not in letter
    assert states(line, "assessment") == [], "no clinical letter holds a mandatory test"
    # A clinical test of the same person goes to the same team as what it is.
    await line.play(oru_r01(person, message_id="CLINICAL"))
    (clinical,) = sent(line, "assessment", "team")
    assert "mandatory" not in clinical.replace("as a mandatory test", "").replace("as mandatory drug tests", ""), (
        "but for what it may never be"
    )
    assert "Presumptive" in clinical
    # The plan, for everybody but whoever wrote it.
    plan = care_plan(start="2026-01-02", description="Methadone maintenance.")
    await line.play(says(person, "PLAN", plan), says(person, "PLAN-AGAIN", plan))
    assert len(sent(line, "care-plan-update", "team")) == 1
    await line.play(says(person, "PLAN-2", {**plan, "description": "Reduce slowly."}), client=WING)
    assert len(sent(line, "care-plan-update", "team")) == 1, "never an echo"
    # A clinician's words for an ACCT review reach safer custody alone.
    words = {
        "resourceType": "Communication", "id": "words", "status": "completed", "subject": {"reference": PATIENT_REFERENCE},
        "category": [{"coding": [{"system": COMMUNICATION_KIND, "code": "acct-contribution"}]}],
        "payload": [{"contentString": "Friday is a trigger"}],
    }  # fmt: skip
    await line.play(says(person, "ACCT", words))
    (told,) = sent(line, "acct-contribution", "safety")
    assert "Friday is a trigger" in told
    assert "ethadone" not in told
    assert person.nhs_number not in told
    assert not line.neighbours["security"].got
    assert not line.neighbours["northfell"].got
    check_world(line)


async def test_a_referral_its_update_and_its_end_and_what_the_provider_says_after(line: Line) -> None:
    """BaRS in style: by the provider that it names, in the order of its own clock; then whether the person came, for the prison's service."""
    person, named = synthetic_person(1), synthetic_person(2)
    await line.play(adt_a01(person), adt_a01(named, message_id="IN-2"))
    await line.play(
        says(named, "NAMED", referral(hour="09:00", ods="ZZC03")),
        says(named, "NOBODY", {**referral(hour="09:00", ods="ZZX99"), "id": "other", "identifier": OTHER}),
    )
    assert states(line, "referral") == [("westfell", "delivered"), (None, "held")]
    assert "no-recipient" in line.told_codes()
    await line.play(
        says(person, "R1", referral(hour="09:00")),
        says(person, "R3", referral(hour="11:00", words="release tomorrow")),
        says(person, "R2", referral(hour="10:00", words="release in a week")),
        says(person, "R4", referral("revoked", hour="12:00")),
    )
    letters = sent(line, "referral", "northfell")
    reasons = [json.loads(body)["entry"][0]["resource"]["reason"]["coding"][0]["code"] for body in letters]
    assert reasons == ["new", "update", "update"], "what was overtaken on its way says nothing any more"
    assert "release tomorrow" in letters[1]
    assert "is taken back" in letters[2]
    assert "MedicationRequest" not in letters[2]
    assert talked(line, "referral", "northfell") == 1, (
        "an update and an end are of the conversation that the referral began"
    )
    assert lately(letters) == sorted(set(lately(letters))), "each says that it is newer than the one before"
    # Outside and in custody: what the provider has is for the prison's health care.
    rx = medication_request(METHADONE, resource_id="rx", authored="2026-01-10", text="60 mg once a day, supervised")
    await line.play(says(person, "RX", rx), client=OUTSIDE)
    (record,) = sent(line, "community-record", "team")
    assert "60 mg once a day, supervised" in record
    assert "Told by northfell" in record
    assert states(line, "care-plan-update") == [], "a provider's word goes on as its own"
    # Released: whether the person came is told to the prison's service.
    line.clock.advance(days=1)
    await line.play(adt_a03(person, message_id="OUT", at="20260116120000+0000"))
    await line.play(
        says(person, "CAME", contact("fulfilled", "a1")),
        says(person, "MISSED", contact("noshow", "a2")),
        client=OUTSIDE,
    )
    came, missed = sent(line, "engagement", "team")
    assert "Appointments that were kept: 1" in came
    assert "did not come: 1" in missed
    assert states(line, "write-back") == []
    check_world(line)


async def test_a_released_person_of_whom_nobody_tells_is_told_to_the_clinical_lead_once(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever came, is back in custody, or has a provider that cannot tell makes no work, and stands before nobody."""
    monkeypatch.setattr("gateway.steps.unengaged.AT_ONCE", 1)
    silent, came, back = (synthetic_person(number) for number in (1, 2, 3))
    for number, person in enumerate((back, came, silent)):
        await line.play(adt_a01(person, message_id=f"IN-{number}"), adt_a03(person, message_id=f"OUT-{number}"))
    line.clock.advance(days=3)
    await line.play(says(came, "CAME", contact("fulfilled", "a1")), client=OUTSIDE)
    await line.play(adt_a01(back, message_id="BACK", at="20260118120000+0000"))
    for _ in range(12):
        line.clock.advance(days=1)
        await line.gateway.sweep()
        await line.settle()
    (row,) = line.tasks(code="not-engaged")
    (handover,) = (each for each in line.deliveries(letter="handover") if each.id == row.delivery_id)
    assert handover.sequence == line.deliveries(letter="handover")[2].sequence, "the last who was released"
    assert line.told_codes().count("not-engaged") == 1
    check_world(line)


async def test_a_referral_sent_in_error_is_said_to_be_one_and_holds_nothing_clinical(line: Line) -> None:
    """INVARIANT: an end is never told as a beginning, and the end of what nobody heard of is told to nobody."""
    person, unheard = synthetic_person(1), synthetic_person(2)
    await line.play(adt_a01(person), adt_a01(unheard, message_id="IN-2"))
    rx = medication_request(METHADONE, resource_id="rx", authored="2026-01-10", text="60 mg once a day, supervised")
    await line.play(
        says(person, "RX", rx),
        says(person, "R1", referral(hour="09:00")),
        says(person, "R2", referral("entered-in-error", hour="10:00")),
        says(unheard, "R3", {**referral("entered-in-error", hour="10:00"), "id": "ref-3"}),
        says(unheard, "R4", {**referral("revoked", hour="10:00"), "id": "ref-4"}),
    )
    assert states(line, "referral") == [("northfell", "delivered"), ("northfell", "delivered")]
    first, end = sent(line, "referral", "northfell")
    assert "A new referral" in first
    assert "60 mg" in first
    assert "Sent in error: there is no such referral" in end
    assert "REF-1" in end
    assert json.loads(end)["entry"][0]["resource"]["reason"]["coding"][0]["code"] == "delete"
    for clinical in ("60 mg", "MedicationRequest", "A new referral"):
        assert clinical not in end
    check_world(line)


async def test_an_update_goes_as_one_to_whom_it_was_told_and_its_end_too(line: Line) -> None:
    """Asked of another provider later: to that one it is new. Its end goes to whom it stood with, also where it names nobody any more."""
    person, several = synthetic_person(1), synthetic_person(2)
    await line.play(adt_a01(person), adt_a01(several, message_id="IN-2"))
    two = [{"identifier": {"system": ODS, "value": code}} for code in ("ZZC01", "ZZC03")]
    await line.play(
        says(person, "R1", referral(hour="09:00")),
        says(person, "R2", referral(hour="10:00", ods="ZZC03")),
        says(person, "R3", referral("revoked", hour="11:00")),
        says(several, "R4", {**referral(hour="09:00"), "id": "both", "performer": two}),
    )
    assert states(line, "referral") == [
        ("northfell", "delivered"),
        ("westfell", "delivered"),
        ("northfell", "delivered"),
        ("westfell", "delivered"),
        (None, "held"),
    ]
    new, end = sent(line, "referral", "westfell")
    assert "A new referral" in new
    assert "is taken back" in end
    # Who is not asked any more hears that, and neither whom it asks now nor what it says now.
    _, over = sent(line, "referral", "northfell")
    assert "is taken back" in over
    assert '"revoked"' in over
    for unknown in ("ZZC03", "westfell", "release in two weeks"):
        assert unknown not in over.replace(line.gateway.recipients["northfell"].name, "")
    check_world(line)


async def test_what_was_entered_in_error_is_told_to_nobody_as_new(line: Line) -> None:
    """INVARIANT: nobody learns of a risk or an appointment because somebody took back words, a form or a result."""
    person = synthetic_person(1)
    words = {
        "resourceType": "Communication",
        "id": "words",
        "status": "entered-in-error",
        "category": [{"coding": [{"system": COMMUNICATION_KIND, "code": "acct-contribution"}]}],
        "subject": {"reference": PATIENT_REFERENCE},
        "payload": [{"contentString": "never said"}],
    }
    form = {
        "resourceType": "QuestionnaireResponse",
        "id": "form",
        "status": "entered-in-error",
        "authored": "2026-01-15",
    }
    await line.play(adt_a01(person), says(person, "WORDS", words), says(person, "FORM", form))
    assert {row.state for row in line.messages()} == {"released"}
    assert states(line, "acct-contribution") == []
    assert states(line, "assessment") == []
    check_world(line)
