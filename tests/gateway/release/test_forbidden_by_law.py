"""A handover goes without what a statute forbids to tell; the clinical lead hears at once, and nobody is told which law it is."""

from pathlib import Path
from typing import Any

from consent.prohibitions import FORBIDDEN, SYSTEM
from gateway.journeys.tasks import TASKS
from tests.builders import adt_a01, adt_a03, care_plan, fhir_message, risk_flag, synthetic_person
from tests.line import running
from tests.world import check_world

Json = dict[str, Any]
PERSON, ANOTHER = synthetic_person(1), synthetic_person(2)
WORDS, UNCODED = "Referred before the certificate.", "By a law that has no code."
PLAN: Json = care_plan(start="2026-01-02", description=WORDS)
RISK: Json = risk_flag(resource_id="risk", text="Overdose in the past year.", start="2026-01-01")
OTHER_RISK: Json = risk_flag(resource_id="other", text=UNCODED, start="2026-01-01")


def protected(resource: Json, **label: str) -> Json:
    return {**resource, "meta": {"security": [{"system": SYSTEM, **label}]}}


async def test_a_handover_goes_without_it_and_the_clinician_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        marked = [protected(PLAN, code="gender-recognition"), protected(OTHER_RISK), RISK]
        plan = fhir_message(PERSON, resources=marked, message_id="PLAN")
        await line.play(adt_a01(PERSON), plan, adt_a03(PERSON))
        box = line.neighbours["northfell"]
        (letter,) = (each.body for each in box.got)
        assert b"Overdose in the past year." in letter, "care does not wait for it"
        for word in (WORDS, UNCODED, SYSTEM, "gender-recognition"):
            assert word.encode() not in letter
        (row,) = line.deliveries(letter="handover")
        assert row.state == "delivered"
        open_tasks = line.tasks(code=FORBIDDEN, ended_at=None)
        assert [each.delivery_id for each in open_tasks] == [row.id], (
            "that the letter arrived has told nobody what is not in it"
        )
        assert FORBIDDEN in line.told_codes()
        assert "gender" not in TASKS[FORBIDDEN].text
        plain = fhir_message(ANOTHER, resources=[PLAN, OTHER_RISK], message_id="PLAIN")
        await line.play(adt_a01(ANOTHER, message_id="A"), plain, adt_a03(ANOTHER, message_id="B"))
        control = box.got[-1].body
        assert all(word.encode() in control for word in (WORDS, UNCODED))
        check_world(line)
