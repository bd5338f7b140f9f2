"""Months and quarters as calendar reports write them, `2026-01` and `2026-Q1`: what comes after what, and when one is closed. Pure, without a clock."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from fhir_profiles.shapes import Calendar

_PERIOD: Final = re.compile(r"([0-9]{4})-(?:(0[1-9]|1[0-2])|Q([1-4]))")
_MONTHS: Final = {Calendar.MONTH: 1, Calendar.QUARTER: 3}


def period_of(day: date, calendar: Calendar) -> str:
    """The period that a day is in."""
    if calendar is Calendar.MONTH:
        return f"{day.year:04d}-{day.month:02d}"
    return f"{day.year:04d}-Q{(day.month + 2) // 3}"


def calendar_of(period: str) -> Calendar:
    """Say whether it is a month or a quarter. Raises ValueError for neither."""
    found = _PERIOD.fullmatch(period)
    if found is None:
        raise ValueError("neither a month nor a quarter")
    return Calendar.MONTH if found[2] else Calendar.QUARTER


def months_of(period: str) -> tuple[str, str]:
    """The first and the last month of a period, `YYYY-MM`. Raises ValueError."""
    first = first_day(period)
    return period_of(first, Calendar.MONTH), period_of(
        first.replace(month=first.month + _MONTHS[calendar_of(period)] - 1), Calendar.MONTH
    )


def first_day(period: str) -> date:
    """The day on which a period begins. Raises ValueError."""
    calendar = calendar_of(period)
    number = int(period[5:].removeprefix("Q"))
    return date(int(period[:4]), (number - 1) * _MONTHS[calendar] + 1, 1)


def following(period: str) -> str:
    """The period after this one."""
    calendar, first = calendar_of(period), first_day(period)
    month = first.month + _MONTHS[calendar]
    return period_of(date(first.year + (month - 1) // 12, (month - 1) % 12 + 1, 1), calendar)


def periods_from(first: str) -> Iterator[str]:
    """Give this one and all after it."""
    while True:
        yield first
        first = following(first)


def months_between(first: str, last: str) -> int:
    """How many months the month `last` is after the month `first`."""
    return (int(last[:4]) - int(first[:4])) * 12 + int(last[5:]) - int(first[5:])


def is_due(period: str, today: date, close_day: int) -> bool:
    """Is the close day of the month after `period` here?"""
    return today >= first_day(following(period)).replace(day=close_day)
