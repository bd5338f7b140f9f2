"""A merge that was wrong is taken apart: each has what was theirs, what came since is theirs whom it names, what was sent is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from gateway.errors import StoreUnavailable
from gateway.failpoints import hooked
from gateway.journeys.file import read_file
from gateway.steps import link as acts
from gateway.steps.link import LinkError
from gateway.steps.take_apart import CannotTakeApart
from gateway.store.schema import consent as consents
from gateway.store.schema import contribution, delivery, merge_journal, message, resource, sealed
from tests.builders import (
    Course,
    SyntheticPerson,
    adt_a01,
    adt_a03,
    adt_a40,
    care_plan,
    consent,
    fhir_message,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.flow.test_report import count
from tests.line import Line, running
from tests.world import check_world

Json = dict[str, Any]
ONE, OTHER = synthetic_person(1), synthetic_person(2)
MIXED = replace(ONE, nhs_number=OTHER.nhs_number)
LONG_AGO = "2026-01-02T09:00:00+00:00"


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path) as made:
        yield made


def plan(who: SyntheticPerson, text: str, message_id: str, *others: Json) -> bytes:
    resources = [care_plan(start="2026-01-02", description=text), *others]
    return fhir_message(who, resources=resources, message_id=message_id)


def word(decision: str, at: str = LONG_AGO) -> Json:
    """What one system calls `word`, whoever said it."""
    return consent(resource_id="word", at=at, decision=decision)


def file_of(line: Line, person_id: str) -> str:
    """Everything that a person's file holds, as text."""
    with line.gateway.store.read() as c:
        return json.dumps(read_file(c, line.gateway, person_id).resources, default=str)


def wraps(line: Line, person_id: str) -> set[str]:
    """Under whose key everything of a person is."""
    columns = (message.c.body_id, message.c.answer_id, resource.c.sealed_id, consents.c.sealed_id, delivery.c.sealed_id)
    with line.gateway.store.read() as c:
        return {
            row.wrapped_by
            for column in columns
            for row in c.execute(
                select(sealed.c.wrapped_by)
                .join(column.table, column == sealed.c.id)
                .where(column.table.c.person_id == person_id)
            )
        }


async def test_two_who_were_merged_wrongly_are_two_again(line: Line) -> None:
    await line.play(
        adt_a01(ONE, message_id="IN-1"),
        plan(ONE, "Plan of One", "PLAN-1", word("permit")),
        oru_r01(ONE, message_id="ORU-1"),
        adt_a01(OTHER, message_id="IN-2"),
        plan(OTHER, "Plan of Other", "PLAN-2", word("permit")),
    )
    people = [row.person_id for row in line.messages()]
    one, other = people[0], people[3]
    acts.link(line.gateway, one, other, reason="looked alike", by="op-1")
    await line.settle()
    await line.play(
        rde_o11(OTHER, course=Course(start=LONG_AGO, order_type="I", instruction="For Other only"), message_id="RDE-2"),
        oru_r01(MIXED, message_id="MIXED"),
        adt_a03(ONE, message_id="OUT-1"),
    )
    assert {row.person_id for row in line.messages()} == {one}
    (wrong,) = line.deliveries()
    assert "Plan of O" in line.neighbours["northfell"].effects[0].body.decode()
    apart = acts.separate(line.gateway, one, other, reason="two people after all", by="op-1")
    await line.settle()
    assert apart is not None
    mixed = line.messages()[-2]
    assert (apart.sent, apart.unclear) == ((wrong.id,), (mixed.id,))
    assert {"sent-while-merged", "unclear-while-merged"} <= set(line.told_codes())
    assert [row.person_id for row in line.messages()] == [one, one, one, other, other, other, one, one]
    theirs, ours = file_of(line, other), file_of(line, one)
    for text, mine in (("Plan of One", ours), ("Plan of Other", theirs), ("For Other only", theirs)):
        assert (text in ours, text in theirs) == (mine is ours, mine is theirs), text
    for who, mine, not_mine in ((ONE, ours, theirs), (OTHER, theirs, ours)):
        for number in (who.nhs_number, who.prison_number):
            assert number in mine
            assert number not in not_mine
    assert wraps(line, one) == {one}
    assert wraps(line, other) == {other}
    assert count(line, contribution) == 1, "each is counted by their own tests, and the unclear one by nobody's"
    # The other's word is one lineage again: what the same system says next of it counts in its place.
    await line.play(fhir_message(OTHER, resources=[word("deny", "2026-01-10T09:00:00+00:00")], message_id="NO-2"))
    await line.play(adt_a03(OTHER, message_id="OUT-2"))
    assert [(row.letter, row.state) for row in line.deliveries(person_id=other)] == [("handover", "withheld")]
    await line.play(adt_a40(ONE, prior_prison_number=OTHER.prison_number, message_id="A40-AGAIN"))
    assert line.messages()[-1].state == "held", "a person's word that they are two outlasts it"
    check_world(line)


async def test_what_is_not_on_record_any_more_is_not_taken_apart(line: Line) -> None:
    await line.play(adt_a01(ONE, message_id="IN-1"), adt_a01(OTHER, message_id="IN-2"))
    one, other = (row.person_id for row in line.messages())
    with pytest.raises(LinkError, match="two people"):
        acts.separate(line.gateway, one, one, reason="a mistake", by="op-1")
    acts.link(line.gateway, one, other, reason="looked alike", by="op-1")
    line.gateway.store.write(lambda c: c.execute(delete(merge_journal)))
    with pytest.raises(CannotTakeApart, match="not on record"):
        acts.separate(line.gateway, one, other, reason="two after all", by="op-1")
    assert {row.person_id for row in line.messages()} == {one}, "and then nothing has changed"
    await line.settle()
    check_world(line)


@pytest.mark.parametrize("point", ["held-again.before", "identify-again.after-commit"])
async def test_what_waited_for_a_merge_goes_on_though_the_process_died_right_after_it(line: Line, point: str) -> None:
    """The merge is committed; the process dies before it comes to the message that was held for want of it, or half way through that: its
    work stands open until it is done.
    """
    without_nhs_number = adt_a01(OTHER, message_id="IN-2").replace(f"{OTHER.nhs_number}^^^NHS^NH~".encode(), b"")
    await line.play(adt_a01(ONE, message_id="IN-1"), without_nhs_number)
    waiting = replace(ONE, prison_number=OTHER.prison_number)
    await line.play(oru_r01(waiting, message_id="BOTH"))
    assert line.messages()[-1].state == "held"

    class Died(Exception):
        """The process is gone."""

    reached: list[str] = []

    def die(name: str) -> None:
        if name == point or reached:  # and stays dead
            reached.append(name)
            raise Died

    with hooked(die):
        await line.send(adt_a40(ONE, prior_prison_number=OTHER.prison_number, message_id="A40-1"))
        for _ in range(40):
            if reached:
                break
            with suppress(StoreUnavailable):  # it shared its commit with who died, and is dead too
                await line.gateway.sweep()
        held = line.messages()[2]
        assert (held.state, held.person_id is None) == ("held", point == "held-again.before")
        assert [row.code for row in line.tasks(message_id=held.id) if row.ended_at is None] == [held.reason]
        await line.gateway.abandon()
    await line.restart()
    await line.settle()
    assert [row.state for row in line.messages()] == ["released"] * 4
    assert not [row for row in line.tasks(message_id=held.id) if row.ended_at is None]
    check_world(line)


async def test_merging_and_taking_apart_are_barriers_for_both_while_messages_come(line: Line) -> None:
    """Whatever was in between, in the end every message is of whom it names, in one file and under one key."""
    await line.play(adt_a01(ONE, message_id="IN-1"), adt_a01(OTHER, message_id="IN-2"))
    one, other = (row.person_id for row in line.messages())

    async def talk() -> None:
        for number in range(16):
            who = (ONE, OTHER)[number % 2]
            await line.send(plan(who, f"Plan {number} of {who.prison_number}", f"PLAN-{number}"))
            await asyncio.sleep(0.02)

    async def change_one_s_mind() -> None:
        for _ in range(3):
            await asyncio.to_thread(acts.link, line.gateway, one, other, reason="looked alike", by="op-1")
            await asyncio.sleep(0.1)
            await asyncio.to_thread(acts.separate, line.gateway, one, other, reason="two after all", by="op-1")

    await asyncio.gather(talk(), change_one_s_mind())
    await line.settle()
    owners = {ONE.prison_number: one, OTHER.prison_number: other}
    assert {row.state for row in line.messages()} == {"released"}
    assert [row.person_id for row in line.messages()[2:]] == [one, other] * 8
    for number, owner in owners.items():
        text = file_of(line, owner)
        assert [f"of {each}" in text for each in owners] == [each == number for each in owners]
        assert "Plan 1" in text
        assert wraps(line, owner) == {owner}
    check_world(line)
