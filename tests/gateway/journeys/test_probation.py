"""Probation hears of somebody by their explicit yes alone: once it is said, when what it may know changed, and no more after a no."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import select

from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.systems import LOCAL_CODE
from gateway.clients import add_client
from gateway.store.schema import task
from tests.builders import adt_a01, adt_a03, care_plan, consent, fhir_message, synthetic_person
from tests.line import RECIPIENTS, Line, RecipientOfTests, running
from tests.world import check_world

Json = dict[str, Any]
ALL: dict[str, RecipientOfTests] = {
    **RECIPIENTS,
    "probation": ("probation", "ZZT09", 'establishments = ["ZFG"]', {"probation-summary": "fhir-message"}),
}
PERSON = synthetic_person(1)
PLAN = care_plan(start="2026-01-02", description="Methadone maintenance.")
ROLE = {"coding": [{"system": LOCAL_CODE + "care-role", "code": "treatment-provider"}]}
WHO_GOES_ON: list[Json] = [
    {"resourceType": "Organization", "id": "exampleton", "name": "Exampleton Recovery"},
    {
        "resourceType": "CareTeam", "id": "team", "status": "active", "subject": {"reference": PATIENT_REFERENCE},
        "participant": [{"role": [ROLE], "member": {"reference": "Organization/exampleton"}}],
    },
]  # fmt: skip
FIRST: Json = {
    "resourceType": "Appointment", "id": "first", "status": "booked", "start": "2026-02-20T10:00:00Z", "end": "2026-02-20T10:30:00Z",
    "description": "Hepatitis clinic",
    "participant": [{"actor": {"reference": PATIENT_REFERENCE}, "status": "accepted"}, {"actor": {"display": "Exampleton Recovery"}, "status": "accepted"}],
}  # fmt: skip


def says(mark: str, *resources: Json) -> bytes:
    return fhir_message(PERSON, resources=list(resources), message_id=mark)


def word(mark: str, decision: str, purpose: Json | None, *, minute: int) -> bytes:
    resource = consent(
        resource_id=mark, at=f"2026-01-15T11:{minute:02d}:00+00:00", decision=decision, recipient_ods="ZZT09"
    )
    if purpose is not None:
        resource["provision"]["purpose"] = [purpose]
    return says(mark, resource)


NOTICE: Json = {
    "resourceType": "Observation", "id": "notice", "status": "final", "effectiveDateTime": "2026-01-10T09:00:00Z",
    "code": {"coding": [{"system": LOCAL_CODE + "consent-state", "code": "privacy-notice-given"}]},
    "subject": {"reference": PATIENT_REFERENCE},
}  # fmt: skip


def told(line: Line) -> list[str]:
    return [got.body.decode() for got in line.neighbours["probation"].effects]


async def test_probation_hears_by_an_explicit_yes_when_what_it_may_know_changed(tmp_path: Path) -> None:
    resettlement = {"system": LOCAL_CODE + "purpose", "code": "resettlement"}
    async with running(tmp_path, recipients=ALL) as line:
        await line.play(adt_a01(PERSON), says("PLAN", PLAN), says("NOTICE", NOTICE))
        await line.play(word("care", "permit", None, minute=1))
        assert told(line) == [], "who agreed to care has agreed to nothing else"
        await line.play(word("yes", "permit", resettlement, minute=2))
        (first,) = told(line)
        assert PERSON.prison_number in first
        for clinical in (PERSON.nhs_number, "ethadone", "Substance misuse", "Hepatitis"):
            assert clinical not in first
        assert "No appointment with that provider" in first
        await line.play(says("PLAN-2", {**PLAN, "description": "Reduce slowly."}))
        assert len(told(line)) == 1, "that it came would tell that something changed"
        await line.play(says("FIRST", *WHO_GOES_ON, FIRST))
        second = told(line)[1]
        (appointment,) = (
            each["resource"]
            for each in json.loads(second)["entry"]
            if each["resource"]["resourceType"] == "Appointment"
        )
        assert appointment["start"] == "2026-02-20T10:00:00Z"
        assert "Exampleton Recovery" in second
        assert "Hepatitis" not in second
        await line.play(word("no", "deny", resettlement, minute=30))
        await line.play(says("PLAN-3", {**PLAN, "status": "completed"}))
        assert len(told(line)) == 2
        assert line.deliveries(letter="probation-summary")[-1].state == "withheld"
        assert line.told_codes() == ["notice-of-withdrawal"], (
            "no rule tells probation that a yes was taken back: a person does"
        )
        assert all(not line.neighbours[name].got for name in ("northfell", "security"))
        check_world(line)


async def test_a_yes_of_somebody_who_was_given_no_notice_is_told_once_and_care_goes_on(tmp_path: Path) -> None:
    resettlement = {"system": LOCAL_CODE + "purpose", "code": "resettlement"}
    async with running(tmp_path, recipients=ALL) as line:
        add_client(
            line.gateway,
            name="no-authority",
            kinds=("fhir-message",),
            establishments=("ZFG",),
            consent_authority=False,
        )
        await line.play(adt_a01(PERSON), says("PLAN", PLAN))
        await line.play(word("yes", "permit", resettlement, minute=2))
        await line.play(says("FIRST", *WHO_GOES_ON, FIRST), says("PLAN-2", {**PLAN, "status": "completed"}))
        assert told(line) == []
        rows = line.deliveries(letter="probation-summary")
        assert {(row.state, row.reason) for row in rows} == {("withheld", "withheld-by-rule")}
        assert len(rows) > 1
        assert line.told_codes() == ["privacy-notice-missing"]
        await line.play(says("OTHER", NOTICE), client="no-authority")
        assert line.messages()[-1].state == "released", "that a notice was given holds no message up, whoever says so"
        await line.play(says("PLAN-3", PLAN))
        assert told(line) == [], "and it counts by an authority's word only"
        await line.play(adt_a03(PERSON))
        assert line.neighbours["northfell"].got, "care goes on"
        with line.gateway.store.read() as c:
            open_now = select(task.c.code).where(task.c.code == "privacy-notice-missing", task.c.ended_at.is_(None))
            assert len(c.execute(open_now).all()) == 1
        await line.play(says("NOTICE", NOTICE))
        with line.gateway.store.read() as c:
            assert c.execute(open_now).all() == [], "nobody has to see to it any more"
        assert not [each for each in line.told_codes() if each.startswith("consent")]
        assert len(told(line)) == 1, "what was kept back leaves once it may"
        none = {**NOTICE, "id": "none", "valueBoolean": False, "effectiveDateTime": "2026-01-12T09:00:00Z"}
        await line.play(says("NONE", none), says("PLAN-4", {**PLAN, "status": "revoked"}))
        assert len(told(line)) == 1
        assert line.told_codes().count("privacy-notice-missing") == 2
        check_world(line)


async def test_an_organisation_does_not_consent_to_its_other_half(tmp_path: Path) -> None:
    """One organisation with two recipient files: its system is registered for the one, and says yes for the other."""
    halves: dict[str, RecipientOfTests] = {
        **ALL,
        "probation-health": ("care-team", "ZZT09", 'establishments = ["ZFG"]', {"assessment": "fhir-message"}),
    }
    resettlement = {"system": LOCAL_CODE + "purpose", "code": "resettlement"}
    async with running(tmp_path, recipients=halves) as line:
        add_client(
            line.gateway,
            name="their-system",
            kinds=("fhir-message",),
            establishments=("ZFG",),
            consent_authority=True,
            recipient="probation-health",
        )
        await line.play(adt_a01(PERSON), says("PLAN", PLAN), says("NOTICE", NOTICE))
        await line.play(word("yes", "permit", resettlement, minute=2), client="their-system")
        assert told(line) == []
        assert line.messages()[-1].reason == "consent-benefits-its-sender"
