"""A recipient that is down keeps nobody else waiting, however many letters for it wait: a sweep brings what can go, not what came first."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from gateway import lasting, unfinished
from gateway.states import AnswerState
from gateway.steps import answering
from gateway.store.schema import message, owed_answer
from tests.builders import adt_a01, adt_a03, synthetic_person
from tests.flow.test_delivery import supply
from tests.line import running
from tests.world import check_world

AT_ONCE = 3


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A sweep looks at three letters at a time, so that a test need not make five hundred."""
    monkeypatch.setattr(unfinished, "PUBLISHED_AT_ONCE", AT_ONCE)
    unfinished._due_to.cache_clear()
    yield
    unfinished._due_to.cache_clear()


async def until(so: Callable[[], bool]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(30):
        while not so():  # noqa: ASYNC110  another side moves it
            await asyncio.sleep(0.02)


async def test_letters_behind_a_recipient_that_is_down_hide_no_other(tmp_path: Path) -> None:
    """Five copies wait for the pharmacy, four of them behind the first; a handover that was refused for a moment goes on all the same."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].up = False
        await line.play(*(supply(number + 1) for number in range(AT_ONCE + 2)))
        line.neighbours["northfell"].up = False
        await line.play(adt_a03(synthetic_person(2)))
        line.neighbours["northfell"].up = True
        line.clock.advance(seconds=5)
        await line.settle()
        assert [row.state for row in line.deliveries() if row.recipient == "northfell"] == ["delivered"]
        assert {row.state for row in line.deliveries() if row.recipient == "pharmacy"} == {"queued"}
        line.neighbours["pharmacy"].up = True
        for _ in range(10):
            line.clock.advance(minutes=10)
            await line.settle()
        assert {row.state for row in line.deliveries()} == {"delivered"}
        check_world(line)


async def test_a_recipient_that_does_not_answer_takes_nobody_elses_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More copies than can be under way wait for a pharmacy that takes each connection and says nothing; a handover leaves all the same."""
    monkeypatch.setattr(lasting, "LASTS_SECONDS", 0.1)
    async with running(tmp_path, send_timeout_seconds=60) as line:
        pharmacy, northfell = line.neighbours["pharmacy"], line.neighbours["northfell"]
        pharmacy.answers_when = asyncio.Event()
        people = range(1, 2 * line.gateway.settings.delivery.concurrency + 2)
        for person in people:
            await line.send(supply(1, person=person))
        await until(lambda: line.gateway._lasting.full() == {"pharmacy"})
        await line.send(adt_a03(synthetic_person(80)))
        await until(lambda: bool(northfell.effects))
        assert not pharmacy.got
        await line.gateway.sweep()
        pharmacy.answers_when.set()
        await until(lambda: len(pharmacy.effects) == len(people))
        await line.settle()
        assert {row.state for row in line.deliveries()} == {"delivered"}
        check_world(line)


async def test_answers_to_a_sender_that_is_away_hide_no_other(tmp_path: Path) -> None:
    """As many as a sweep takes were tried, and are due again this moment; one that came later and was never tried is due for longer."""
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        (taken,) = line.messages()
        row = dict(taken._mapping) | {"key_index": None, "bundle_index": None, "body_id": None, "answer_id": None}
        now, before = line.gateway.now(), "2026-01-01T00:00:00.000000Z"
        owed = {"state": AnswerState.QUEUED.value, "step": 1, "attempts": 0}
        names = [f"away-{number}" for number in range(answering.AT_ONCE)]
        messages = [{**row, "id": name, "sequence": 100 + at} for at, name in enumerate([*names, "never-tried"])]
        answers = [{**owed, "id": name, "message_id": name, "due_at": now, "created_at": before} for name in names]
        answers.append({**owed, "id": "late", "message_id": "never-tried", "due_at": before, "created_at": now})
        line.gateway.store.write(
            lambda c: (c.execute(insert(message), messages), c.execute(insert(owed_answer), answers))
        )
        with line.gateway.store.read() as c:
            due = answering.due_answers(c, line.gateway)
        assert len(due) == answering.AT_ONCE
        assert "late" in due
