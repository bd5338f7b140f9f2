"""A release and the handover that is made of what came before: for whom it leaves, for whom not, and who hears of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_profiles.consent_words import AGREED, NONE, UNSAID
from gateway import desk
from tests.builders import (
    METHADONE,
    administration,
    adt_a01,
    adt_a03,
    care_plan,
    consent,
    fhir_message,
    oru_r01,
    rde_o11,
    risk_flag,
    synthetic_person,
)
from tests.line import Line, running
from tests.world import check_world

Json = dict[str, Any]
LONG_AGO = "2026-01-02T09:00:00+00:00"


def resources(body: bytes) -> list[Json]:
    """The resources of a letter."""
    return [entry["resource"] for entry in json.loads(body)["entry"]]


def letter(line: Line, recipient: str, number: int = -1) -> bytes:
    """What a neighbour got."""
    return line.neighbours[recipient].effects[number].body


def said(decision: str, **more: Any) -> bytes:
    """A message with one consent of the test's person."""
    return fhir_message(
        resources=[consent(resource_id="word", at=LONG_AGO, decision=decision, **more)],
        message_id="FHIR-consent",
        event="consent",
    )


async def test_a_release_without_clinical_content_makes_a_full_handover(tmp_path: Path) -> None:
    """The A03 says only that the person left; plan, medicine, last dose, result and risk come from the file."""
    clinical = [
        care_plan(start="2026-01-02", description="Reduce slowly after release"),
        administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text="40 mg supervised"),
        risk_flag(resource_id="risk", text="Overdose risk on release", start="2026-01-02"),
    ]
    async with running(tmp_path) as line:
        await line.play(adt_a01(), fhir_message(resources=clinical), rde_o11(), oru_r01(), adt_a03())
        types = {each["resourceType"] for each in resources(letter(line, "northfell"))}
        text = letter(line, "northfell").decode()
        assert {
            "Composition",
            "Patient",
            "CarePlan",
            "MedicationRequest",
            "MedicationAdministration",
            "Observation",
            "Flag",
        } <= types
        for wanted in ("Reduce slowly", "Methadone", "40", "2026-01-15T08:05:00", "Overdose risk", "9990000026"):
            assert wanted in text, wanted
        check_world(line)


async def test_no_consent_on_record_is_no_obstacle(tmp_path: Path) -> None:
    """An unplanned release from court of a person with no Consent reaches the community provider."""
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        assert [(row.recipient, row.state) for row in line.deliveries()] == [("northfell", "delivered")]
        assert NONE in letter(line, "northfell").decode()
        check_world(line)


async def test_it_says_under_which_consent_it_leaves_and_nothing_of_what_others_are_to_know(tmp_path: Path) -> None:
    agreed = consent(resource_id="agreed", at=LONG_AGO, decision="permit", recipient_ods="ZZC01")
    refused = consent(resource_id="refused", at="2026-01-03T09:00:00+00:00", decision="deny", recipient_ods="ZZP99")
    async with running(tmp_path) as line:
        await line.play(
            adt_a01(), fhir_message(resources=[agreed, refused], message_id="FHIR-two", event="consent"), adt_a03()
        )
        text = letter(line, "northfell").decode()
        assert AGREED.format("consent to the sharing of information, active, 2026-01-02") in text
        assert NONE not in text
        for hidden in ("ZZP99", "2026-01-03", '"Consent"', "OPTOUT"):
            assert hidden not in text
        check_world(line)


async def test_an_earlier_refusal_is_told_to_nobody_and_called_no_agreement(tmp_path: Path) -> None:
    """Their sender gives the versions of a consent no number, and nothing asks for one."""
    words = (
        consent(resource_id="word", at=LONG_AGO, decision="permit", status="rejected"),
        consent(resource_id="word", at="2026-01-03T09:00:00+00:00", decision="deny"),
        consent(resource_id="word", at="2026-01-05T09:00:00+00:00", decision="permit"),
    )
    async with running(tmp_path) as line:
        told = (
            fhir_message(resources=[each], message_id=f"word-{number}", event="consent")
            for number, each in enumerate(words)
        )
        await line.play(adt_a01(), rde_o11(), *told, adt_a03())
        text = letter(line, "northfell").decode()
        assert AGREED.format("consent to the sharing of information, active, 2026-01-05") in text
        assert "rejected" not in text
        check_world(line)


async def test_a_letter_from_which_a_refusal_kept_something_says_neither_that_there_is_none_nor_that_there_is(
    tmp_path: Path,
) -> None:
    some = consent(resource_id="some", at=LONG_AGO, decision="permit")
    kept = {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "CarePlan"}]}
    some["policyRule"] = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMPLIED"}]}
    some["provision"] = {"provision": [kept]}
    plan = care_plan(start="2026-01-02", description="Reduce slowly")
    async with running(tmp_path) as line:
        await line.play(
            adt_a01(),
            fhir_message(resources=[plan], message_id="plan"),
            rde_o11(),
            fhir_message(resources=[some], message_id="some", event="consent"),
            adt_a03(),
        )
        text = letter(line, "northfell").decode()
        assert UNSAID in text
        assert NONE not in text
        assert "the person agreed to this" not in text
        assert "CarePlan" not in text
        check_world(line)


async def test_a_recorded_dissent_stops_it_and_the_clinician_is_told(tmp_path: Path) -> None:
    """`withheld` is not `held`, nothing leaves, and somebody who can talk to the person knows."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), said("deny"), adt_a03())
        assert [(row.letter, row.state, row.reason) for row in line.deliveries()] == [
            ("handover", "withheld", "withheld-by-consent")
        ]
        assert not line.neighbours["northfell"].got
        assert ("withheld-by-consent", "clinical-lead") in [(each.code, each.role) for each in line.told]
        check_world(line)


def about_label(code: str) -> bytes:
    """A dissent about one sensitivity only."""
    word = consent(resource_id="word", at=LONG_AGO, decision="permit")
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}
    word["provision"] = {"provision": [{"type": "deny", "securityLabel": [label]}]}
    return fhir_message(resources=[word], message_id="FHIR-label", event="consent")


@pytest.mark.parametrize(("code", "state"), [("HIV", "delivered"), ("SUD", "withheld")])
async def test_a_dissent_about_one_sensitivity(tmp_path: Path, code: str, state: str) -> None:
    """About HIV, of which the file has nothing: the handover leaves whole. About substance use: the letter itself would say it."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), oru_r01(), about_label(code), adt_a03())
        assert [row.state for row in line.deliveries()] == [state]
        if state == "delivered":
            assert "Observation" in {each["resourceType"] for each in resources(letter(line, "northfell"))}
        else:
            assert "withheld-by-consent" in line.told_codes()
        check_world(line)


async def test_what_cannot_be_decided_is_told_and_leaves_when_a_person_releases_it(tmp_path: Path) -> None:
    """A denial for a recipient that nobody can resolve: held for this recipient, told within a minute, released by a person."""
    unclear = said("deny", recipient_reference="https://elsewhere.example/Organization/who-is-this")
    async with running(tmp_path) as line:
        await line.play(adt_a01(), unclear, adt_a03())
        (row,) = line.deliveries()
        assert (row.state, row.reason) == ("held", "undecidable")
        assert "undecidable" in line.told_codes()
        (task,) = line.tasks(code="undecidable")
        assert task.told_at[:16] == row.created_at[:16]
        (item,) = desk.held(line.gateway)
        assert (item.id, item.harm, item.kind) == (row.id, 0, "delivery")
        assert desk.release_held(line.gateway, row.id, reason="spoke to the person", by="nurse-7") == "queued"
        await line.settle()
        assert [(each.id, each.state) for each in line.deliveries()] == [(row.id, "delivered")]
        assert len(line.neighbours["northfell"].effects) == 1
        check_world(line)


async def test_a_person_cannot_release_against_a_dissent(tmp_path: Path) -> None:
    """Between the hold and the release the person says no: the release ends as withheld, nothing leaves."""
    unclear = said("deny", recipient_reference="https://elsewhere.example/Organization/who-is-this")
    async with running(tmp_path) as line:
        await line.play(adt_a01(), unclear, adt_a03())
        (row,) = line.deliveries()
        no = consent(resource_id="no", at="2026-01-15T12:30:00+00:00", decision="deny")
        line.clock.advance(hours=1)
        await line.play(fhir_message(resources=[no], message_id="FHIR-no", event="consent"))
        assert line.deliveries()[0].state == "withheld"
        with pytest.raises(desk.DeskError):
            desk.release_held(line.gateway, row.id, reason="try", by="nurse-7")
        await line.settle()
        assert not line.neighbours["northfell"].got
        check_world(line)


async def test_a_rejected_hold_never_leaves(tmp_path: Path) -> None:
    """`held reject`: withheld by a person, with a reason that is kept and not shown."""
    unclear = said("deny", recipient_reference="https://elsewhere.example/Organization/who-is-this")
    async with running(tmp_path) as line:
        await line.play(unclear, adt_a03())
        (row,) = line.deliveries()
        assert desk.reject_held(line.gateway, row.id, reason="the person said no", by="nurse-7") == "withheld"
        await line.settle()
        assert not line.neighbours["northfell"].got
        assert not desk.held(line.gateway)
        check_world(line)


async def test_nobody_serves_the_address(tmp_path: Path) -> None:
    """No recipient: held, told at once, and it goes to the recipient that a person names."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(synthetic_person(1, postcode="ZZ9 9ZZ")))
        (row,) = line.deliveries()
        assert (row.state, row.reason, row.recipient) == ("held", "no-recipient", None)
        assert "no-recipient" in line.told_codes()
        with pytest.raises(desk.DeskError):
            desk.release_held(line.gateway, row.id, reason="go", by="nurse-7")
        with pytest.raises(desk.DeskError):
            desk.release_held(line.gateway, row.id, reason="go", by="nurse-7", recipient="security")
        assert (
            desk.release_held(line.gateway, row.id, reason="asked the person", by="nurse-7", recipient="northfell")
            == "queued"
        )
        await line.settle()
        assert line.deliveries()[0].state == "delivered"
        check_world(line)


@pytest.mark.parametrize("disposition", ["", "NEVER-HEARD-OF"])
async def test_an_unclear_discharge_leaves_provisional_with_a_task(tmp_path: Path, disposition: str) -> None:
    """Empty or unknown: the handover leaves at once and says that it is provisional."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(disposition=disposition))
        (row,) = line.deliveries()
        assert (row.state, bool(row.provisional)) == ("delivered", True)
        assert "rovisional" in letter(line, "northfell").decode()
        assert line.tasks(code="release-unclear")
        check_world(line)


@pytest.mark.parametrize("code", ["DEC", "ESCP", "TRN", "CRT", "TAP"])
async def test_death_escape_transfer_court_and_absence_make_no_handover(tmp_path: Path, code: str) -> None:
    """None of them is a release; each makes work for a person."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), adt_a03(disposition=code))
        assert not line.deliveries()
        assert not line.neighbours["northfell"].got
        assert len(line.tasks()) == 1
        check_world(line)
