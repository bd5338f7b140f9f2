"""The general practice's copy, and what providers outside recorded going back to the prison's own health record: to whom, when, and when not."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clients import add_client
from gateway.demo.fhir_messages import appointment
from tests.builders import (
    METHADONE,
    Course,
    adt_a01,
    adt_a03,
    adt_a13,
    consent,
    fhir_message,
    medication_request,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.line import WITH_PRACTICE_AND_RECORD, Line, running
from tests.world import check_world

Json = dict[str, Any]
LONG_AGO = "2026-01-02T09:00:00+00:00"
OUTSIDE, OWN, SECURITYS = "northfell-system", "record-system", "security-system"


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path, recipients=WITH_PRACTICE_AND_RECORD) as made:
        for name, recipient in ((OUTSIDE, "northfell"), (OWN, "record"), (SECURITYS, "security")):
            add_client(made.gateway, name=name, kinds=("fhir-message",), establishments=("ZFG",), recipient=recipient)
        yield made


def sent(line: Line) -> list[tuple[str, str, str]]:
    """(letter, recipient, state) of every delivery, in order."""
    return sorted((row.letter, row.recipient or "", row.state) for row in line.deliveries())


def resources(line: Line, recipient: str, number: int = -1) -> list[Json]:
    """What a neighbour got, by resource."""
    return [entry["resource"] for entry in json.loads(line.neighbours[recipient].effects[number].body)["entry"]]


def booked(message_id: str, *, start: str = "2026-01-20T10:00:00+00:00", resource_id: str = "first") -> bytes:
    """A first appointment, booked by somebody."""
    made = appointment(
        resource_id=resource_id, start=start, minutes=30, description="First appointment", where="Northfell Recovery"
    )
    return fhir_message(resources=[made], message_id=message_id, event="appointment")


# ── the general practice ──


async def test_a_release_goes_to_the_practice_too_without_tests(line: Line) -> None:
    await line.play(adt_a01(), rde_o11(course=Course(start=LONG_AGO, order_type="I")), oru_r01(), adt_a03())
    assert sent(line) == [("gp-copy", "surgery", "delivered"), ("handover", "northfell", "delivered")]
    assert {each["resourceType"] for each in resources(line, "northfell")} >= {"Observation", "MedicationRequest"}
    kinds = {each["resourceType"] for each in resources(line, "surgery")}
    assert "MedicationRequest" in kinds
    assert "Observation" not in kinds
    assert METHADONE.text in line.neighbours["surgery"].effects[-1].body.decode()
    line.clock.advance(days=3)
    await line.settle()
    assert [row.delivery_id for row in line.tasks(code="handover-unconfirmed")] == [
        row.id for row in line.deliveries(letter="handover")
    ], "a practice that does not confirm a copy wakes nobody"
    check_world(line)


async def test_a_refusal_of_the_practice_leaves_the_handover_alone_and_the_reverse(line: Line) -> None:
    no = consent(resource_id="no", at=LONG_AGO, decision="deny", recipient_ods="ZZG01")
    await line.play(fhir_message(resources=[no], message_id="NO", event="consent"), adt_a03())
    assert sent(line) == [("gp-copy", "surgery", "withheld"), ("handover", "northfell", "delivered")]
    other = synthetic_person(2)
    no = consent(resource_id="no", at=LONG_AGO, decision="deny", recipient_ods="ZZC01")
    await line.play(
        fhir_message(other, resources=[no], message_id="NO-2", event="consent"), adt_a03(other, message_id="OUT-2")
    )
    assert [row.state for row in line.deliveries(letter="gp-copy")] == ["withheld", "delivered"]
    assert [row.state for row in line.deliveries(letter="handover")] == ["delivered", "withheld"]
    check_world(line)


async def test_nobodys_practice_holds_the_copy_and_never_the_handover(line: Line) -> None:
    nobodys = synthetic_person(3, gp_ods="ZZG99")
    await line.play(adt_a03(nobodys))
    assert sent(line) == [("gp-copy", "", "held"), ("handover", "northfell", "delivered")]
    assert line.told_codes() == ["no-recipient"]
    check_world(line)


async def test_whoever_has_no_practice_needs_no_copy(line: Line) -> None:
    """Nobody is paged for a practice that does not exist: the handover itself says that none is known."""
    nobody = synthetic_person(3, gp_ods="")
    await line.play(adt_a03(nobody))
    assert sent(line) == [("handover", "northfell", "delivered")]
    assert line.told_codes() == []
    assert "names no general practice" in line.neighbours["northfell"].effects[-1].body.decode()
    check_world(line)


async def test_a_prescription_for_supply_outside_is_copied_to_the_practice_once_and_one_for_custody_is_not(
    line: Line,
) -> None:
    await line.play(rde_o11(course=Course(start=LONG_AGO, order_type="I")))
    assert sent(line) == []
    outside = [
        medication_request(METHADONE, resource_id=each, authored="2026-01-15", text="40 mg", category="discharge")
        for each in ("one", "two")
    ]
    await line.play(fhir_message(resources=outside, message_id="RX"))
    assert sent(line) == [
        ("prescription-copy", "pharmacy", "delivered"),
        ("prescription-copy", "surgery", "delivered"),
    ]
    copied = [each for each in resources(line, "surgery") if each["resourceType"] == "MedicationRequest"]
    assert len(copied) == len(outside)
    assert "Information only: not a prescription" in line.neighbours["surgery"].effects[-1].body.decode()
    check_world(line)


async def test_who_had_the_copy_gets_the_correction_each_by_its_own_agreement(line: Line) -> None:
    await line.play(adt_a03(), adt_a13())
    assert sent(line) == [
        ("correction", "northfell", "delivered"),
        ("correction", "surgery", "delivered"),
        ("gp-copy", "surgery", "delivered"),
        ("handover", "northfell", "delivered"),
    ]
    corrected = {row.recipient: row.supersedes for row in line.deliveries(letter="correction")}
    first = {row.recipient: row.id for row in line.deliveries() if row.letter != "correction"}
    assert corrected == first
    check_world(line)


# ── the prison's own record ──


async def test_what_a_provider_outside_records_goes_to_the_prisons_record(line: Line) -> None:
    await line.play(adt_a01())
    await line.play(booked("BOOK"), client=OUTSIDE)
    assert sent(line) == [("write-back", "record", "delivered")]
    written = resources(line, "record")
    (found,) = [each for each in written if each["resourceType"] == "Appointment"]
    assert (found["status"], found["start"]) == ("booked", "2026-01-20T10:00:00+00:00")
    (patient,) = [each for each in written if each["resourceType"] == "Patient"]
    assert {each["value"] for each in patient["identifier"]} == {
        synthetic_person(1).nhs_number,
        synthetic_person(1).prison_number,
    }
    text = line.neighbours["record"].effects[-1].body.decode()
    assert "Recorded by northfell (example). Appointments: 1." in text
    assert line.told_codes() == []
    await line.play(booked("BOOK-2", start="2026-01-21T10:00:00+00:00", resource_id="second"), client=OUTSIDE)
    kinds = [each["resourceType"] for each in resources(line, "record")]
    assert kinds.count("Appointment") == 1, "only what this message brought"
    await line.play(adt_a03())
    assert "2026-01-21T10:00:00" in line.neighbours["northfell"].effects[-1].body.decode(), "the handover has both"
    check_world(line)


@pytest.mark.parametrize("client", ["fellgate-clinical", OWN, SECURITYS, "passing-system"])
async def test_it_is_never_an_echo(line: Line, client: str) -> None:
    """The prison's own systems, a system of nobody's, and one of a class that cares for nobody: nothing is written back."""
    await line.play(adt_a01())
    await line.play(booked("BOOK"), client=client)
    assert line.messages()[-1].state == "released"
    assert sent(line) == []
    check_world(line)


async def test_nothing_is_written_back_about_somebody_who_is_not_in_custody(line: Line) -> None:
    await line.play(booked("BEFORE"), client=OUTSIDE)
    await line.play(adt_a01(), adt_a03())
    before = sent(line)
    await line.play(booked("AFTER", resource_id="second"), client=OUTSIDE)
    assert sent(line) == before
    check_world(line)


async def test_a_refusal_keeps_it_from_the_record_and_is_told(line: Line) -> None:
    no = consent(resource_id="no", at=LONG_AGO, decision="deny", recipient_ods="ZZR01")
    await line.play(adt_a01(), fhir_message(resources=[no], message_id="NO", event="consent"))
    await line.play(booked("BOOK"), client=OUTSIDE)
    assert sent(line) == [("write-back", "record", "withheld")]
    assert "withheld-by-consent" in line.told_codes()
    check_world(line)
