"""A handover says how many earlier messages about the person it does not contain, those among them that nobody could give a person."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway import desk
from gateway.failpoints import hooked
from gateway.store.retention import sweep_ended
from gateway.store.schema import named_number
from tests.builders import adt_a01, adt_a03, care_plan, fhir_message, oru_r01, synthetic_person
from tests.line import Line, running
from tests.world import check_world

ONE, OTHER, THIRD = synthetic_person(1), synthetic_person(2), synthetic_person(3)
MIXED = replace(ONE, nhs_number=OTHER.nhs_number)
"""A mistake of a sender: the number of one person and the number of another."""


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path) as made:
        await made.play(*(adt_a01(each, message_id=f"IN-{each.prison_number}") for each in (ONE, OTHER, THIRD)))
        yield made


def handed_over(line: Line, number: int) -> str:
    """What the `number`-th handover says of what waits outside it."""
    body = line.neighbours["northfell"].effects[number].body.decode()
    count = body.partition("Earlier messages that it does not contain: ")[2][:2].strip(".")
    return count or ("none known" if "No earlier message that is known" in body else "nothing")


async def test_a_message_that_is_nobodys_yet_is_counted_for_whom_it_names(line: Line) -> None:
    """Held because its numbers belong to two people: it may be about either, and says so to both; it is not about a third."""
    await line.play(oru_r01(MIXED, message_id="MIXED"))
    assert line.messages()[-1].reason == "identity-conflict"
    await line.play(*(adt_a03(each, message_id=f"OUT-{each.prison_number}") for each in (ONE, OTHER, THIRD)))
    assert [handed_over(line, number) for number in range(3)] == ["1", "1", "none known"]
    check_world(line)


async def test_what_came_after_and_what_ended_is_not_counted(line: Line) -> None:
    await line.play(oru_r01(MIXED, message_id="MIXED"))
    held = line.messages()[-1]
    desk.reject_held(line.gateway, held.id, reason="sent again rightly", by="op-1")
    await line.play(adt_a03(ONE), oru_r01(MIXED, message_id="LATER"))
    assert handed_over(line, 0) == "none known"
    with line.gateway.store.read() as c:
        kept = {row.message_id for row in c.execute(select(named_number))}
    assert kept == {held.id, line.messages()[-1].id}
    line.gateway.store.write(lambda c: sweep_ended(c, line.gateway.now()))
    with line.gateway.store.read() as c:
        kept = {row.message_id for row in c.execute(select(named_number))}
    assert kept == {line.messages()[-1].id}, "what waits no more keeps no number"
    check_world(line)


async def test_a_message_that_could_not_be_read_is_counted_by_its_bytes(line: Line) -> None:
    """Its content is no valid FHIR, so it has no meaning; who it is about can be read all the same."""
    plan = care_plan(start="2026-01-02", description="Plan")
    unreadable = json.loads(fhir_message(ONE, resources=[plan], message_id="ODD"))
    unreadable["entry"][-1]["resource"]["status"] = {"not": "a code"}
    await line.play(json.dumps(unreadable).encode())
    assert (line.messages()[-1].state, line.messages()[-1].reason) == ("held", "unreadable-content")
    await line.play(adt_a03(ONE), adt_a03(THIRD, message_id="OUT-3"))
    assert [handed_over(line, number) for number in range(2)] == ["1", "none known"]
    check_world(line)


async def test_a_message_that_was_parked_before_it_had_anybody_is_counted(line: Line) -> None:
    def fail(name: str) -> None:
        if name == "identify.before-commit":
            raise RuntimeError

    with hooked(fail):
        await line.send(oru_r01(ONE, message_id="POISON"))
        for _ in range(8):
            await line.settle()
            line.clock.advance(minutes=1)
    parked = line.messages()[-1]
    assert (parked.state, parked.person_id) == ("parked", None)
    await line.play(adt_a03(ONE), adt_a03(THIRD, message_id="OUT-3"))
    assert [handed_over(line, number) for number in range(2)] == ["1", "none known"]
    check_world(line, settled=False)
