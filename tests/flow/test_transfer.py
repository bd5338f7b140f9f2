"""A person is moved to another prison: its health care has the handover at once, whichever word of it came, and a correction if there was no move."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pypdf
import pytest

from gateway.clients import add_client
from tests.builders import (
    METHADONE,
    SyntheticPerson,
    adt_a01,
    adt_a03,
    adt_a13,
    fhir_message,
    medication_request,
    synthetic_person,
)
from tests.fhir_profiles.hmpps.test_domain_events import AT_ONCE, LATE
from tests.flow.test_hmpps_events import FEED, at, told
from tests.line import RECIPIENTS, Line, RecipientOfTests, running
from tests.world import check_world

WITH_A_PRISON: dict[str, RecipientOfTests] = {
    **RECIPIENTS,
    "westgate": (
        "receiving-prison",
        "ZZW01",
        'establishments = ["ZWG"]',
        {"transfer": "fhir-document", "correction": "fhir-message"},
    ),
}


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path, recipients=WITH_A_PRISON) as made:
        add_client(made.gateway, name=FEED, kinds=("hmpps-event",), establishments=("ZFG", "ZWG"))
        yield made


def moved(person: SyntheticPerson, to: str, **more: str) -> bytes:
    """ADT^A03 of a transfer (PV1-36) with the prison in PV1-37."""
    return adt_a03(person, message_id=f"OUT-{person.prison_number}", disposition="INT", **more).replace(
        b"|INT||||||||", f"|INT|{to}|||||||".encode()
    )


def out(person: SyntheticPerson, feed: str) -> bytes:
    return told(f"{feed}prisoner.released", person, reason="TRANSFERRED", prisonId="ZFG")


def received(person: SyntheticPerson, prison: str, hour: str, feed: str = AT_ONCE) -> bytes:
    return told(f"{feed}prisoner.received", person, at=hour, reason="TRANSFERRED", prisonId=prison)


def of_person(line: Line, person: SyntheticPerson) -> list[tuple[str, str | None, str]]:
    """(letter, recipient, state) of the letters of movements about one person, in order."""
    people = {row.person_id for row in line.messages() if row.id in _messages_of(line, person)}
    rows = (row for row in line.deliveries() if row.person_id in people and row.letter != "prescription-copy")
    return [(row.letter, row.recipient, row.state) for row in rows]


def _messages_of(line: Line, person: SyntheticPerson) -> set[str]:
    number = person.prison_number.encode()
    accepted = zip(line.messages(), line.accepted, strict=True)
    return {row.id for row, body in accepted if number in body}


def got(line: Line, person: SyntheticPerson) -> list[str]:
    bodies = (each.body.decode() for each in line.neighbours["westgate"].effects)
    return [body for body in bodies if person.prison_number in body]


async def test_the_receiving_prison_has_the_handover_at_once_and_a_correction_when_there_was_no_move(
    line: Line,
) -> None:
    named, unnamed, recorded, back, refuser, freed = people = [synthetic_person(number) for number in range(1, 7)]
    rx = medication_request(METHADONE, resource_id="rx", authored="2026-01-10", text="40 mg once a day, supervised")
    for person in people:
        await line.play(adt_a01(person, message_id=f"IN-{person.prison_number}"))

    # The message names the prison.
    await line.play(fhir_message(named, resources=[rx], message_id="RX"), moved(named, "ZWG"))
    (letter,) = got(line, named)
    for said in ("Moved to another prison", "not released", "40 mg once a day, supervised", "missing-last-dose"):
        assert said in letter
    assert json.loads(letter)["entry"][0]["resource"]["status"] == "final"
    assert not line.tasks(code="transfer"), "the letter is made: nobody hands over by hand"
    await line.play(adt_a13(named, message_id="BACK"))
    correction = got(line, named)[-1]
    assert "The transfer from HMP Fellgate" in correction
    assert line.deliveries(letter="transfer")[0].id in correction

    # No word says to which prison: it waits for that, a person is told, and whoever receives the person gets it.
    await at(line, "12:00", out(unnamed, AT_ONCE))
    assert of_person(line, unnamed) == [("transfer", None, "held")]
    assert line.told_codes().count("no-recipient") == 1
    await at(line, "13:00", out(unnamed, LATE))
    assert of_person(line, unnamed) == [("transfer", None, "held")], "another word that knows no more"
    await at(line, "15:00", received(unnamed, "ZWG", "15:00"))
    arrived = [("transfer", None, "recalled"), ("transfer", "westgate", "delivered")]
    assert of_person(line, unnamed) == arrived
    (letter,) = got(line, unnamed)
    assert "from HMP Fellgate (example) at 2026-01-15T12:00:00+00:00" in letter
    assert not line.tasks(code="no-recipient", ended_at=None), "nobody has to name a prison any more"
    await at(line, "16:00", received(unnamed, "ZWG", "15:00", LATE))
    assert of_person(line, unnamed) == arrived

    # The record names the prison after the feed that cannot, and takes its place.
    await at(line, "12:00", out(recorded, AT_ONCE))
    await line.play(moved(recorded, "ZWG"))
    await at(line, "13:00", out(recorded, LATE))
    assert of_person(line, recorded) == arrived
    assert "rovisional" not in got(line, recorded)[0]

    # Received where they left within the window: there was no move.
    await line.play(moved(back, "ZWG"))
    await at(line, "12:20", received(back, "ZFG", "12:20"))
    assert of_person(line, back) == [("transfer", "westgate", "delivered"), ("correction", "westgate", "delivered")]
    assert "The person is in custody" in got(line, back)[-1]

    # A recorded dissent stops it, and a person is told.
    await line.play(fhir_message(refuser, resources=[refusal()], message_id="NO"), moved(refuser, "ZWG"))
    assert of_person(line, refuser) == [("transfer", "westgate", "withheld")]
    assert "withheld-by-consent" in line.told_codes()
    assert got(line, refuser) == []

    # A release after it is one.
    await line.play(moved(freed, "ZWG"), adt_a03(freed, message_id="FREE", at="20260118120000+0000"))
    assert of_person(line, freed) == [("transfer", "westgate", "delivered"), ("handover", "northfell", "delivered")]
    assert len(line.neighbours["northfell"].effects) == 1, "nobody outside is told of a move"
    check_world(line)


def refusal() -> dict[str, Any]:
    """Everything refused to everybody."""
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return {
        "resourceType": "Consent",
        "id": "no",
        "status": "rejected",
        "patient": {"reference": "Patient/patient"},
        "dateTime": "2026-01-01",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": act, "code": "INFA"}]}],
        "policyRule": {"coding": [{"system": act, "code": "OPTOUT"}]},
    }


async def test_the_person_has_a_paper_where_they_came_to_and_it_is_taken_back_with_the_move(tmp_path: Path) -> None:
    """From a desk of that prison; none is made where no desk is, nor while nobody knows which prison it is."""
    desk = ("care-team", "ZZD02", 'establishments = ["ZWG"]', {"persons-transfer": "pdf", "correction": "pdf"})
    async with running(tmp_path, recipients={**WITH_A_PRISON, "desk": desk}) as line:
        person = synthetic_person(1)
        rx = medication_request(METHADONE, resource_id="rx", authored="2026-01-15", text="40 mg daily")
        await line.play(adt_a01(person), fhir_message(person, resources=[rx], message_id="RX"), moved(person, "ZWG"))
        assert sorted(of_person(line, person)) == [
            ("persons-transfer", "desk", "delivered"),
            ("transfer", "westgate", "delivered"),
        ]
        body = line.neighbours["desk"].effects[-1].body
        text = " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages).split())
        assert "Your paper after your move" in text
        assert "How to take it: 40 mg daily" in text
        await line.play(adt_a13(person))
        assert ("correction", "desk", "delivered") in of_person(line, person)

        other = synthetic_person(2)
        await line.play(adt_a01(other, message_id="IN-2"), moved(other, "ZZZ"))
        assert "persons-transfer" not in {letter for letter, _, _ in of_person(line, other)}
        check_world(line)
