"""FHIR dates as spans of time at their written precision (http://hl7.org/fhir/R4/datatypes.html#dateTime).

A date without a time is a day in Europe/London, both ends included (reference rule: an officer who writes 2026-03-29 means that day in
England, also when the clocks change). There is no clock here: `as_of` is always an argument.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from consent.reading import obj, objects, text
from consent.shapes import Json
from consent.ternary import Match, all_of, any_of

LONDON = ZoneInfo("Europe/London")
BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)

_WRITTEN = re.compile(
    r"(?P<y>\d{4})(-(?P<m>\d\d)(-(?P<d>\d\d)(T(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)(\.(?P<f>\d{1,9}))?(?P<z>Z|[+-]\d\d:\d\d))?)?)?\Z"
)

POINTS = (
    "effectiveDateTime",
    "effectiveInstant",
    "authoredOn",
    "issued",
    "recordedDate",
    "recorded",
    "performedDateTime",
    "onsetDateTime",
    "abatementDateTime",
    "occurrenceDateTime",
    "occurredDateTime",
    "date",
    "dateTime",
    "created",
    "started",
    "sent",
    "received",
    "whenPrepared",
    "whenHandedOver",
    "dateAsserted",
    "assertedDate",
    "start",
    "end",
    "authored",
    "collectedDateTime",
    "receivedTime",
    "lastOccurrence",
    "statusDate",
)
PERIODS = (
    "effectivePeriod",
    "performedPeriod",
    "onsetPeriod",
    "abatementPeriod",
    "occurrencePeriod",
    "occurredPeriod",
    "collectedPeriod",
    "executionPeriod",
    "period",
)
UNREAD = ("effectiveTiming", "occurrenceTiming")
"""Times whose occurrences we do not enumerate: their presence is an unknown."""


@dataclass(frozen=True, slots=True)
class Span:
    """`start` included, `end` not, both in UTC."""

    start: datetime
    end: datetime


@lru_cache(maxsize=4096)
def span(written: str) -> Span | None:
    """The span that a FHIR date, dateTime or instant covers at its written precision; None where it is not one."""
    found = _WRITTEN.match(written)
    if found is None:
        return None
    year, month, day = int(found["y"]), found["m"], found["d"]
    try:
        if found["H"] is not None:
            return _moment(found)
        if day is not None:
            first = datetime(year, int(month), int(day), tzinfo=LONDON)
            return Span(_utc(first), _utc(first + timedelta(days=1)))
        if month is not None:
            first = datetime(year, int(month), 1, tzinfo=LONDON)
            after = datetime(year + int(month) // 12, int(month) % 12 + 1, 1, tzinfo=LONDON)
            return Span(_utc(first), _utc(after))
        return Span(_utc(datetime(year, 1, 1, tzinfo=LONDON)), _utc(datetime(year + 1, 1, 1, tzinfo=LONDON)))
    except (ValueError, OverflowError):
        return None


def _utc(local: datetime) -> datetime:
    return local.astimezone(UTC)


def _moment(found: re.Match[str]) -> Span:
    zone = found["z"]
    if zone == "Z":
        offset = UTC
    else:
        minutes = int(zone[1:3]) * 60 + int(zone[4:6])
        offset = timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))
    fraction = found["f"] or ""
    start = datetime(
        int(found["y"]),
        int(found["m"]),
        int(found["d"]),
        int(found["H"]),
        int(found["M"]),
        int(found["S"]),
        int((fraction + "000000")[:6]),
        tzinfo=offset,
    ).astimezone(UTC)
    width = timedelta(seconds=1) if not fraction else timedelta(microseconds=max(1, 10 ** (6 - min(len(fraction), 6))))
    return Span(start, start + width)


def instant(written: str) -> datetime | None:
    """The instant that `as_of` names. A date, or a time without an offset, names none."""
    covered = span(written)
    return covered.start if covered is not None and "T" in written else None


@dataclass(frozen=True, slots=True)
class Bounds:
    """A FHIR Period: spans of its written ends. `readable` is False where an end could not be read."""

    start: datetime
    end: datetime
    readable: bool


def bounds(period: Json) -> Bounds:
    readable = True
    start, end = BEGINNING, END
    for key in ("start", "end"):
        if key not in period:
            continue
        covered = span(text(period, key))
        if covered is None:
            readable = False
        elif key == "start":
            start = covered.start
        else:
            end = covered.end
    if not set(period) <= {"start", "end", "id", "extension"}:
        readable = False
    return Bounds(start, end, readable)


def contains(period: Json, moment: datetime) -> Match:
    """Is the instant inside the period, both ends included at written precision?"""
    limits = bounds(period)
    if not limits.start <= moment < limits.end:
        return Match.NO
    return Match.YES if limits.readable else Match.UNKNOWN


def _points(resource: Json) -> tuple[list[Span], bool]:
    readable = True
    found: list[Span] = []
    holders = ((obj(resource, "meta"), ("lastUpdated",)), (resource, POINTS), (obj(resource, "collection"), POINTS))
    for holder, keys in holders:
        for key in keys:
            if key not in holder:
                continue
            covered = span(text(holder, key))
            if covered is None:
                readable = False
            else:
                found.append(covered)
    return found, readable and not any(key in resource for key in UNREAD)


def _period_spans(resource: Json) -> tuple[list[Span], bool]:
    readable = True
    found: list[Span] = []
    for key in PERIODS:
        for item in objects(resource, key)[0]:
            limits = bounds(item)
            readable = readable and limits.readable
            found.append(Span(limits.start, limits.end))
    return found, readable


def _place(limits: Bounds, point: Span) -> Match:
    if point.end <= limits.start or point.start >= limits.end:
        return Match.NO
    return Match.YES if limits.start <= point.start and point.end <= limits.end else Match.UNKNOWN


def data_within(period: Json, resource: Json, *, every: bool) -> Match:
    """Provision.dataPeriod against every clinical time of the resource: `every` for a permit (all inside), else any inside (a deny).

    A resource that states no time is unknown (never inside by default: the defect of consent.md 1.3, group 12).
    """
    limits = bounds(period)
    points, points_readable = _points(resource)
    periods, periods_readable = _period_spans(resource)
    answers = [_place(limits, point) for point in points]
    for item in periods:
        whole = limits.start <= item.start and item.end <= limits.end
        part = item.start < limits.end and limits.start < item.end
        inside = whole if every else part
        answers.append(Match.YES if inside else Match.NO)
    if not answers or not (points_readable and periods_readable and limits.readable):
        answers.append(Match.UNKNOWN)
    return all_of(answers) if every else any_of(answers)
