"""Rows go after their terms, never before, and never while anything of them is unfinished; the ledger keeps what it said."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from gateway import desk
from gateway.states import ANSWER_OPEN, DELIVERY_OPEN, AnswerState, DeliveryState, MessageState
from gateway.steps.owed import owe
from gateway.steps.retain import retain
from gateway.store import row_retention
from gateway.store.row_retention import RowSweep
from gateway.store.schema import (
    attempt,
    consent,
    contribution,
    decision,
    delivery,
    ledger_entry,
    message,
    owed_answer,
    report_key,
    resource,
    task,
)
from tests.builders import adt_a01, adt_a03, adt_a13, fhir_message, oru_r01, synthetic_person
from tests.flow.test_delivery import supply
from tests.line import Line, running
from tests.world import ledger_verifies

JUNK = b"MSH|^~\\&|X|Y|||20260115||ADT^A03|R-1|P|2.4\r"
LONG = 2922
ALL = (message, delivery, decision, attempt, task, resource, consent, contribution, report_key, owed_answer)


def count(line: Line, *tables: Any) -> dict[str, int]:
    with line.gateway.store.read() as c:
        return {table.name: c.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


def swept(line: Line) -> dict[str, int]:
    """Turns of retention until one finds nothing."""
    total: dict[str, int] = {}
    rows = RowSweep()
    for _ in range(20):
        gone = retain(line.gateway, rows)
        if not gone:
            return total
        for name, number in gone.items():
            total[name] = total.get(name, 0) + number
    raise AssertionError("retention does not end")


def entries(line: Line) -> list[dict[str, Any]]:
    with line.gateway.store.read() as c:
        return [json.loads(body) for body in c.execute(select(ledger_entry.c.body)).scalars()]


async def test_everything_goes_in_the_end_and_the_ledger_stays(tmp_path: Path) -> None:
    """Eight years after care: not a row of anybody is left, and what the ledger said of them still verifies."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), oru_r01(), supply(1), adt_a03(), adt_a13())
        await line.send(JUNK)
        line.clock.advance(days=40)  # the month is closed, its report made
        await line.settle()
        assert all(count(line, message, delivery, decision, attempt, resource).values())
        before = len(entries(line))
        line.clock.advance(days=3 * 365)
        for item in desk.tasks(line.gateway):
            desk.end_task(line.gateway, item.id, reason="seen to", by="operator")
        line.clock.advance(days=LONG + 40)
        gone = swept(line)
        assert count(line, *ALL) == dict.fromkeys((table.name for table in ALL), 0) | {
            "task": count(line, task)["task"]
        }
        line.clock.advance(days=731)
        swept(line)
        assert not any(count(line, *ALL).values())
        said = [entry["facts"] for entry in entries(line) if entry["event"] == "swept"]
        assert sum(each.get("message", 0) for each in said) == gone["message"] == 6
        assert len(entries(line)) > before
        ledger_verifies(line.gateway)


async def test_each_row_has_its_own_term(tmp_path: Path) -> None:
    """A refusal 90 days, a message eight years, each to the day."""
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        await line.send(JUNK)
        both, one = {"rejected", "released"}, {"released"}
        passed = 0
        for days, left in ((89, both), (91, one), (LONG - 1, one), (LONG + 60, set())):
            line.clock.advance(days=days - passed)
            passed = days
            swept(line)
            assert {row.state for row in line.messages()} == left, days
        ledger_verifies(line.gateway)


async def test_what_a_person_rejected_is_kept_as_a_message(tmp_path: Path) -> None:
    """It had bytes and an answer: it goes with messages, not with what was refused at the door."""
    async with running(tmp_path) as line:
        await line.play(fhir_message(resources=[], message_id="E"))
        for item in desk.held(line.gateway):
            desk.reject_held(line.gateway, item.id, reason="no", by="operator")
        rejected = [row.state for row in line.messages()]
        line.clock.advance(days=400)
        swept(line)
        assert [row.state for row in line.messages()] == rejected
        line.clock.advance(days=LONG)
        swept(line)
        assert line.messages() == []


async def test_an_open_letter_keeps_its_message(tmp_path: Path) -> None:
    """However old: whatever is not finished stays with everything that it stands on."""
    async with running(tmp_path) as line:
        await line.play(adt_a03())

        def becomes(state: DeliveryState) -> None:
            line.gateway.store.write(lambda c: c.execute(update(delivery).values(state=state.value)))

        line.clock.advance(days=2 * LONG)
        for state in sorted(DELIVERY_OPEN):
            becomes(state)
            swept(line)
            assert len(line.messages()) == len(line.deliveries()) == 1, state
        becomes(DeliveryState.DELIVERED)
        swept(line)
        assert line.messages() == line.deliveries() == []


async def test_an_open_message_stays(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        line.clock.advance(days=2 * LONG)
        for state in (MessageState.HELD, MessageState.PARKED, MessageState.RECEIVED):
            line.gateway.store.write(lambda c, state=state: c.execute(update(message).values(state=state.value)))  # type: ignore[misc]  # used at once
            swept(line)
            assert len(line.messages()) == 1, state


async def test_an_answer_that_is_owed_keeps_its_message(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        (one,) = line.messages()
        owed_id = line.gateway.ids.delivery()
        line.gateway.store.write(lambda c: owe(c, line.gateway, answer_id=owed_id, message_id=one.id))
        line.clock.advance(days=2 * LONG)
        for state in AnswerState:
            if state in ANSWER_OPEN:
                line.gateway.store.write(
                    lambda c: c.execute(update(owed_answer).values(state=state.value))  # noqa: B023  # called at once
                )
                swept(line)
                assert len(line.messages()) == 1, state
        line.gateway.store.write(lambda c: c.execute(update(owed_answer).values(state=AnswerState.PARKED.value)))
        swept(line)
        assert (line.messages(), line.rows(owed_answer)) == ([], [])


async def test_an_open_task_keeps_its_letter_and_never_ends_of_age(tmp_path: Path) -> None:
    """A handover that nobody confirmed and nobody settled: still there after sixteen years."""
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=25)
        await line.settle()
        line.clock.advance(days=2 * LONG)
        swept(line)
        assert [row.code for row in line.tasks()] == ["handover-unconfirmed"]
        assert len(line.messages()) == 1
        (item,) = desk.tasks(line.gateway)
        desk.end_task(line.gateway, item.id, reason="seen to", by="clinical-lead")
        swept(line)
        assert (line.messages(), len(line.tasks())) == ([], 1)
        line.clock.advance(days=731)
        swept(line)
        assert line.tasks() == []


async def test_a_repeat_is_recognised_as_long_as_its_answer_is_kept(tmp_path: Path) -> None:
    """The horizon is `retention.answer`: the same answer byte for byte before it; after it the id is new again."""
    async with running(tmp_path) as line:
        first = await line.send(adt_a01())
        await line.settle()
        line.clock.advance(days=364)
        swept(line)
        assert (await line.send(adt_a01())).body == first.body
        assert len(line.messages()) == 1
        line.clock.advance(days=2)
        swept(line)
        again = await line.send(adt_a01())
        assert line.is_accepted(again)
        await line.settle()
        assert [row.state for row in line.messages()] == ["released", "released"]


async def test_contributions_that_nobody_closed_and_their_keys(tmp_path: Path) -> None:
    """A report whose agreement was taken away: 200 days after its month nothing is left, and nothing younger is touched."""
    async with running(tmp_path) as line:
        cell = {"report": "report", "establishment": "ZFG", "substance_group": "opiates"}
        for month in ("2026-01", "2026-07"):
            row = {**cell, "period": month, "key_period": month, "token": month.encode(), "positive": True}
            key = {**cell, "period": month, "wrapped_key": b"k"}
            line.gateway.store.write(lambda c, row=row: c.execute(insert(contribution).values(**row)))  # type: ignore[misc]  # used at once
            line.gateway.store.write(lambda c, key=key: c.execute(insert(report_key).values(**key)))  # type: ignore[misc]  # used at once
        line.clock.advance(days=214)  # 17 August: 200 days before it is 29 January
        assert swept(line) == {}
        line.clock.advance(days=3)
        swept(line)
        with line.gateway.store.read() as c:
            assert list(c.execute(select(contribution.c.period)).scalars()) == ["2026-07"]
            assert list(c.execute(select(report_key.c.period)).scalars()) == ["2026-07"]


async def test_a_turn_is_bounded_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn looks at more than a piece or deletes more than a batch, and in the end all of it is gone."""
    monkeypatch.setattr(row_retention, "SCANNED", 4)
    monkeypatch.setattr(row_retention, "BATCH", 3)
    async with running(tmp_path) as line:
        await line.play(*(adt_a01(synthetic_person(n), message_id=f"A01-{n}") for n in range(2)))
        for _ in range(10):
            await line.send(JUNK)
        line.clock.advance(days=91)
        rows = RowSweep()
        went = [retain(line.gateway, rows).get("message", 0) for _ in range(8)]
        assert max(went) <= 3
        assert sum(went) == 10
        assert [row.state for row in line.messages()] == ["released", "released"]
        await line.send(JUNK)
        line.clock.advance(days=91)
        assert sum(retain(line.gateway, rows).get("message", 0) for _ in range(3)) == 1
