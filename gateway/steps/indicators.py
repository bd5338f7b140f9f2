"""Figures for commissioners and boards: of one quarter that is over, how many people's handovers arrived, by establishment. People, not letters.

What is printed of them is closed by consent/aggregates.py, once a quarter, and stands in the ledger as it was printed. This module MUST NOT give a
count to anybody else, nor count by anything but a whole quarter and a whole establishment: what overlaps can be subtracted.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from consent.aggregates import HIDDEN, Place, Rules, Table, close_table
from fhir_profiles.letters.indicators import COLUMNS
from fhir_profiles.shapes import Calendar
from gateway.failpoints import around
from gateway.instants import LONDON, to_text
from gateway.ledger import Entry, record_all
from gateway.ledger.entry import decode
from gateway.parts import Parts
from gateway.periods import calendar_of, first_day, following
from gateway.states import DeliveryState
from gateway.store.locks import hold
from gateway.store.schema import delivery, ledger_entry, message

TABLE: Final = "aggregate"
_HIDDEN: Final = "hidden"


class QuarterError(ValueError):
    """No quarter, or one that is not over, or that was printed in another way."""


def printed(parts: Parts, quarter: str, rules: Rules | None = None) -> Table:
    """The one table of a quarter, `2026-Q1`: closed and entered now, where it never was. Raises QuarterError.

    INVARIANT: a quarter is printed once, whoever gets a part of it and whenever: what changed since, or other rules, could be subtracted. So all
    that commissioners and boards can put together is this table, which nobody can be worked out from.
    """
    wanted = rules or Rules(small=parts.settings.reports.small, base=parts.settings.reports.base)
    with parts.store.read() as c:
        before = _entered(c, quarter)
    if before is None:
        made = handovers(parts, quarter, wanted)
        with around("aggregate-entry"):
            before = parts.store.write(lambda c: _enter(c, parts, quarter, made, wanted))
    table, by = before
    if rules is not None and by != rules:
        raise QuarterError(f"{quarter} was printed by other rules: two tables of one quarter can be subtracted")
    return table


def chain_of(quarter: str) -> str:
    """The chain in which the table of a quarter stands."""
    return f"{TABLE}:{quarter}"


def _entered(c: Connection, quarter: str) -> tuple[Table, Rules] | None:
    rows = c.execute(
        select(ledger_entry.c.body).where(ledger_entry.c.chain == chain_of(quarter)).order_by(ledger_entry.c.step)
    ).scalars()
    facts = [decode(body)["facts"] for body in rows]
    if not facts:
        return None
    if any("row" not in each for each in facts):
        raise QuarterError(
            f"{quarter} was printed by an earlier version, which kept no figures: another can be subtracted"
        )
    columns = (*COLUMNS, "total")
    shown = {(str(each["row"]), column): _figure(each, column) for each in facts for column in columns}
    table = Table(rows=tuple(str(each["row"]) for each in facts), columns=columns, shown=shown)
    return table, Rules(small=facts[0]["small"], base=facts[0]["base"])


def _figure(facts: Mapping[str, Any], column: str) -> str:
    figure = facts[_name(column)]
    return HIDDEN if figure == _HIDDEN else str(figure)


def _name(column: str) -> str:
    return column.replace(" ", "_")


def _enter(c: Connection, parts: Parts, quarter: str, made: Table, rules: Rules) -> tuple[Table, Rules]:
    """What was entered first stands, an entry a row: figures that anybody may have, and nobody in them."""
    hold(c, chain_of(quarter))
    before = _entered(c, quarter)
    if before is not None:
        return before
    now = parts.now()
    entries = []
    for step, row in enumerate(made.rows, start=1):
        figures = {_name(column): made.shown[row, column] for column in made.columns}
        facts: dict[str, str | int | bool] = {
            "what": TABLE,
            "quarter": quarter,
            "small": rules.small,
            "base": rules.base,
            "row": row,
            **{name: _HIDDEN if text == HIDDEN else int(text) for name, text in figures.items()},
        }
        entry = parts.ids.entry()
        entries.append(Entry(id=entry, chain=chain_of(quarter), step=step, event="exported", at=now, facts=facts))
    record_all(c, entries)
    return made, rules


def handovers(parts: Parts, quarter: str, rules: Rules) -> Table:
    """The table of a quarter as it would be closed now. Raises QuarterError."""
    first, after = bounds(parts, quarter)
    query = (
        select(message.c.establishment, delivery.c.person_id, delivery.c.state)
        .join(message, message.c.id == delivery.c.message_id)
        .where(
            delivery.c.letter == "handover",
            delivery.c.person_id.is_not(None),
            delivery.c.created_at >= first,
            delivery.c.created_at < after,
        )
        .order_by(delivery.c.sequence)
    )
    best: dict[tuple[str, str], int] = {}
    last: dict[str, str] = {}
    with parts.store.read() as c:
        for row in c.execute(query):
            if row.establishment in parts.establishments:
                who = (row.establishment, row.person_id)
                best[who] = min(best.get(who, len(COLUMNS)), _column(row.state))
                last[row.person_id] = row.establishment
    counts: dict[Place, int] = {}
    # INVARIANT: one person is one: who was handed over from two establishments is counted where they were last, or the total counts twice.
    for person_id, establishment in last.items():
        place = (establishment, COLUMNS[best[establishment, person_id]])
        counts[place] = counts.get(place, 0) + 1
    return close_table(counts, sorted(parts.establishments), COLUMNS, rules)


def _column(state: str) -> int:
    return {DeliveryState.CONFIRMED: 0, DeliveryState.DELIVERED: 1}.get(DeliveryState(state), 2)


def bounds(parts: Parts, quarter: str) -> tuple[str, str]:
    """Midnight in London at the beginning of a quarter and after its end, as instants of the store. QuarterError for one that is not over."""
    try:
        days = first_day(quarter), first_day(following(quarter))
    except ValueError:
        days = None
    if days is None or calendar_of(quarter) is not Calendar.QUARTER:
        raise QuarterError("a quarter is written 2026-Q1")
    first, after = (to_text(datetime(day.year, day.month, day.day, tzinfo=LONDON)) for day in days)
    if parts.now() < after:
        raise QuarterError(f"{quarter} is not over: what changes can be subtracted")
    return first, after
