"""FHIR dates as whole days in England, compared in three values. It must never read a clock: every instant is given as text.

A FHIR date can be a year, a month, a day or an instant with an offset (http://hl7.org/fhir/R4/datatypes.html#dateTime). An instant belongs
to the day it has in London; a month stands for all its days, so that a comparison can honestly be unknown.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")


@dataclass(frozen=True, kw_only=True)
class Days:
    """The days that a date may mean: `first` and `last` are the same unless it is a month or a year."""

    first: date
    last: date

    def plus(self, days: int) -> "Days | None":
        """Move by whole days; None when that leaves the calendar."""
        try:
            return Days(first=self.first + timedelta(days=days), last=self.last + timedelta(days=days))
        except OverflowError:
            return None


def days_of(text: Any) -> Days | None:
    """Read a FHIR date, dateTime or instant. None when it is absent or unreadable."""
    if not isinstance(text, str):
        return None
    try:
        if len(text) == 4:
            return Days(first=date(int(text), 1, 1), last=date(int(text), 12, 31))
        if len(text) == 7:
            year, month = int(text[:4]), int(text[5:])
            return Days(first=date(year, month, 1), last=date(year, month, calendar.monthrange(year, month)[1]))
        if len(text) == 10:
            return Days(first=date.fromisoformat(text), last=date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        day = moment.date() if moment.tzinfo is None else moment.astimezone(LONDON).date()
    except (ValueError, OverflowError):
        return None
    return Days(first=day, last=day)


def instant_of(text: Any) -> datetime | None:
    """Read a FHIR dateTime as an instant for ordering: a date without a time is the beginning of its first day in London."""
    if not isinstance(text, str):
        return None
    try:
        if len(text) > 10:
            moment = datetime.fromisoformat(text)
            return (moment.replace(tzinfo=LONDON) if moment.tzinfo is None else moment).astimezone(UTC)
        days = days_of(text)
        return (
            datetime(days.first.year, days.first.month, days.first.day, tzinfo=LONDON).astimezone(UTC) if days else None
        )
    except (ValueError, OverflowError):
        return None


def on_or_before(one: Days | None, other: Days | None) -> bool | None:
    """Say whether `one` is not after `other`; None when either is absent or they overlap without being clear."""
    if one is None or other is None:
        return None
    if one.last <= other.first:
        return True
    if one.first > other.last:
        return False
    return None


def both(one: bool | None, other: bool | None) -> bool | None:
    """Kleene's and."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True
