"""The dates of the agreements in force: a review that comes, an end that comes. The IG officer is told 90 and 30 days before and on the day.

So is an agreement in force that cannot be read here. Each once. A review date that has passed stops nothing; an end does, by itself, in the
decision (`consent/decide.py`). This module MUST NOT delay, stop or alter a letter.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, select

from consent.shapes import Agreement
from consent.when import instant, span
from gateway.activation import unread
from gateway.failpoints import around
from gateway.journeys.tasks import add_tasks, task_of
from gateway.parts import Parts
from gateway.store.locks import hold
from gateway.store.schema import task

DAYS: Final = (90, 30, 0)
"""How long before, in the order of `CODES`."""
CODES: Final[Mapping[str, tuple[str, ...]]] = {
    "review": ("agreement-review-in-90-days", "agreement-review-in-30-days", "agreement-review-due"),
    "ends": ("agreement-ends-in-90-days", "agreement-ends-in-30-days", "agreement-ends-now"),
}

NOT_READ: Final = "agreement-not-read"

Due = tuple[str, str]
"""(`name:date` of an agreement, or `name:digest` of one that cannot be read; the code that is due)."""


def tell_dates(parts: Parts) -> int:
    """Raise what is due and was never raised. How many were raised."""
    due = [*due_of(parts.agreements, parts.now()), *((about, NOT_READ) for about in unread(parts))]
    if not due:
        return 0
    with parts.store.read() as c:
        rows = c.execute(select(task.c.agreement, task.c.code).where(task.c.agreement.in_([about for about, _ in due])))
        raised = {(row.agreement, row.code) for row in rows}
    new = [each for each in due if each not in raised]
    for about, code in new:
        with around("agreement-date"):
            parts.store.write(lambda c: _raise(c, parts, about, code))  # noqa: B023  used at once
    return len(new)


def due_of(agreements: Mapping[str, Agreement], now: str) -> Iterator[Due]:
    """The nearest code that is due of each date, at an instant. A day is one in England; `ends` is the last day in force."""
    at = instant(now)
    for name, agreement in agreements.items():
        for key, codes in CODES.items():
            day = span(agreement.text[key])
            if at is None or day is None:
                continue
            moment = day.end if key == "ends" else day.start
            left = [code for days, code in zip(DAYS, codes, strict=True) if at >= moment - timedelta(days=days)]
            if left:
                yield f"{name}:{agreement.text[key]}", left[-1]


def _raise(c: Connection, parts: Parts, about: str, code: str) -> None:
    hold(c, "agreements")
    add_tasks(c, parts, (task_of(code),), agreement=about)
