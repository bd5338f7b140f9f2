"""A handover with something in it that nobody may pass on waits for a person, who is told at once, and leaves at their word."""

from pathlib import Path
from typing import Any

from fhir_profiles.systems import ACT_CODE
from gateway import desk
from tests.builders import adt_a01, adt_a03, care_plan, fhir_message, synthetic_person
from tests.line import running
from tests.world import check_world

Json = dict[str, Any]
PERSON = synthetic_person(1)
BOUND: Json = {
    **care_plan(start="2026-01-02", description="Methadone maintenance."),
    "meta": {"security": [{"system": ACT_CODE, "code": "NORDSCLCD"}]},
}


async def test_a_handover_that_owes_something_waits_for_a_person(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(PERSON), fhir_message(PERSON, resources=[BOUND], message_id="PLAN"), adt_a03(PERSON))
        handovers = line.deliveries(letter="handover")
        assert {(row.state, row.reason) for row in handovers} == {("held", "obligation")}
        assert "obligation" in line.told_codes()
        assert not line.neighbours["northfell"].got
        for row in handovers:
            assert desk.release_held(line.gateway, row.id, reason="spoke to them", by="nurse-7") == "queued"
        await line.settle()
        assert line.neighbours["northfell"].got
        check_world(line)
