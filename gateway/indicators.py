"""Figures for commissioners and boards: of one quarter that is over, how many people's handovers arrived, by establishment. People, not letters.

What is printed of them is closed by consent/aggregates.py. This module MUST NOT give a count to anybody else, nor count by anything but a whole
quarter and a whole establishment: what overlaps can be subtracted.
"""

import re
from datetime import date, datetime

from sqlalchemy import select

from consent.aggregates import Place, Rules, Table, close_table
from gateway.instants import LONDON, to_text
from gateway.parts import Parts
from gateway.states import DeliveryState
from gateway.store.schema import delivery, message

COLUMNS = ("confirmed", "delivered", "not delivered")
"""The best that became of a person's handovers in the quarter, from the establishment that handed them over last."""
_QUARTER = re.compile(r"(20[0-9]{2})-Q([1-4])")


class QuarterError(ValueError):
    """No quarter, or one that is not over."""


def handovers(parts: Parts, quarter: str, rules: Rules) -> Table:
    """The table of a quarter, `2026-Q1`. Raises QuarterError."""
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
    found = _QUARTER.fullmatch(quarter)
    if found is None:
        raise QuarterError("a quarter is written 2026-Q1")
    year, number = int(found[1]), int(found[2])
    days = date(year, 3 * number - 2, 1), date(year + number // 4, 3 * number % 12 + 1, 1)
    first, after = (to_text(datetime(day.year, day.month, day.day, tzinfo=LONDON)) for day in days)
    if parts.now() < after:
        raise QuarterError(f"{quarter} is not over: what changes can be subtracted")
    return first, after
