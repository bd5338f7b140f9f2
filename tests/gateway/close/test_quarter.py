"""Indicators: closed by the calendar once a quarter, for commissioner and board, from one table; nobody can be subtracted from what anybody has."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from consent.aggregates import Rules, Table
from gateway.pipeline import Gateway
from gateway.steps.close import close_period, due_periods
from gateway.steps.indicators import QuarterError, chain_of, handovers, printed
from gateway.store.schema import contribution, delivery, ledger_entry, report_period
from tests.builders import adt_a03, care_plan, fhir_message, oru_r01, synthetic_person
from tests.consent.test_aggregates import recovered
from tests.line import RECIPIENTS, Line, RecipientOfTests, running
from tests.world import check_world

BOTH: dict[str, RecipientOfTests] = {
    **RECIPIENTS,
    "commissioner": ("commissioner", "ZZN01", 'establishments = ["ZFG"]', {"indicators": "fhir-collection"}),
    "board": ("board", "ZZB01", 'establishments = ["ZFG"]', {"indicators": "fhir-collection"}),
}


def figures(body: bytes) -> dict[str, str]:
    """What a letter prints, by column."""
    (report,) = (
        entry["resource"] for entry in json.loads(body)["entry"] if entry["resource"]["resourceType"] == "MeasureReport"
    )
    return {each["code"][0]["text"]: each["stratum"][0]["value"]["text"] for each in report["group"][0]["stratifier"]}


def got(line: Line, recipient: str) -> list[dict[str, str]]:
    return [figures(each.body) for each in line.neighbours[recipient].effects]


def rows(line: Line, table: Any, **where: Any) -> list[Any]:
    with line.gateway.store.read() as c:
        return list(c.execute(select(table).where(*(table.c[name] == value for name, value in where.items()))))


def row_of(table: Table) -> dict[str, str]:
    return {column: table.shown["ZFG", column] for column in table.columns}


def told_otherwise(gateway: Gateway, old: str, new: str) -> None:
    """What a quarter would say if it was counted again later: every handover has become something else meanwhile."""
    changed = update(delivery).where(delivery.c.letter == "handover", delivery.c.state == old).values(state=new)
    gateway.store.write(lambda c: c.execute(changed))


async def test_a_quarter_is_closed_once_for_whoever_gets_it_and_nothing_that_changed_since_is_printed(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, recipients=BOTH) as line:
        for number in range(9):
            await line.send(adt_a03(synthetic_person(number), message_id=f"OUT-{number}"))
        await line.send(
            fhir_message(
                synthetic_person(0),
                resources=[care_plan(start="2026-01-02", description="Recovery.")],
                message_id="PLAN",
            )
        )
        await line.send(oru_r01(synthetic_person(0), message_id="TEST"))
        await line.settle(60)
        assert {row.report for row in rows(line, contribution)} <= {"report"}, "figures keep nobody's token"
        line.clock.advance(days=82)
        await line.gateway.sweep()
        await line.settle()
        assert [got(line, name) for name in ("commissioner", "board")] == [[], []], "not before the close day"
        counts = handovers(line.gateway, "2026-Q1", Rules(small=1, base=1)).shown
        line.clock.advance(days=1)
        await line.gateway.sweep()
        await line.settle()
        table = printed(line.gateway, "2026-Q1")
        assert got(line, "commissioner") == got(line, "board") == [row_of(table)]
        assert recovered(table, {place: int(text) for place, text in counts.items() if text.isdecimal()}) == []
        # What came in later is printed to nobody: neither by hand, nor to a body whose agreement comes later, nor by other rules.
        told_otherwise(line.gateway, "delivered", "confirmed")
        assert handovers(line.gateway, "2026-Q1", Rules()).shown != table.shown
        assert printed(line.gateway, "2026-Q1").shown == table.shown
        late = replace(line.gateway.agreements["indicators"], name="another-board")
        closed = close_period(line.gateway, late, "ZFG", "2026-Q1")
        assert closed is not None
        assert dict(closed.figures) == row_of(table)
        assert close_period(line.gateway, late, "ZFG", "2026-Q1") is None
        for rules in (Rules(small=8), Rules(base=10)):
            with pytest.raises(QuarterError, match="other rules"):
                printed(line.gateway, "2026-Q1", rules)
        # The next quarter comes too, though there is nothing to say, and each of them once.
        line.clock.advance(days=91)
        for _ in range(2):
            await line.gateway.sweep()
            await line.settle()
        nothing = dict.fromkeys(table.columns, "0")
        assert got(line, "commissioner") == got(line, "board") == [row_of(table), nothing]
        periods = sorted((row.report, row.period) for row in rows(line, report_period))
        assert [each for each in periods if each[0] == "indicators"] == [
            ("indicators", "2026-Q1"),
            ("indicators", "2026-Q2"),
        ]
        told_otherwise(line.gateway, "confirmed", "delivered")
        check_world(line)


async def test_without_anybody_who_gets_figures_no_quarter_is_closed(tmp_path: Path) -> None:
    """Nothing is printed before somebody asks for it, and a table of an earlier version, of which nobody knows what it said, closes the quarter."""
    async with running(tmp_path) as line:
        line.clock.advance(days=83)
        assert [period for _, _, period in due_periods(line.gateway) if "Q" in period] == []
        assert rows(line, ledger_entry, chain=chain_of("2026-Q1")) == []
