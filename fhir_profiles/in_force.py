"""Was a medicine in force on a day? In three values; it must never take a missing date for an open one in silence.

The rule. A prescription began on the first `boundsPeriod.start` of its dosage, else on `authoredOn` (a prescription that reaches us late
counts from the day it began). It ended on the last `boundsPeriod.end` (or start + `boundsDuration`); an *active* one without an end is
still in force; a stopped or completed one without an end ended on a day that nobody wrote down, so it is unknown from its start on. Both
ends count as days in force. A statement is in force for its effective period, an administration on the day it was given.

There is no grace for how long a substance stays detectable: the issue counts "a prescription in force on the day", laboratories differ,
and no source of this project gives windows. `DETECTION_GRACE_DAYS` is where a figure would go once a laboratory signs one.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from fhir_profiles.days import Days, both, days_of, on_or_before
from fhir_profiles.elements import as_object, as_objects, as_text, kind
from fhir_profiles.shapes import Json

DETECTION_GRACE_DAYS: Final = 0

_NEVER: Final = frozenset(
    {"entered-in-error", "draft", "cancelled", "not-done", "not-taken", "intended", "preparation"}
)
"""Statuses in which nobody took anything. (Cancelled is "withdrawn before any administration": R4 medicationrequest-status.)"""
_ENDED: Final = frozenset({"stopped", "completed", "ended"})
_OPEN: Final = frozenset({"active"})
NOT_ORDERED: Final = frozenset({"proposal", "option"})
_DURATION_DAYS: Final = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7}


def _bounds_end(repeat: Json, start: Days | None) -> Days | None:
    """Give the end of one dosage: boundsPeriod.end, else start + boundsDuration in whole days or weeks."""
    end = days_of(as_object(repeat.get("boundsPeriod")).get("end"))
    if end is not None:
        return end
    duration = as_object(repeat.get("boundsDuration"))
    unit = _DURATION_DAYS.get(as_text(duration.get("code")) or as_text(duration.get("unit")))
    value = duration.get("value")
    if start is None or unit is None or isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return start.plus(int(value * unit) - 1) if 0 < value <= 10_000 else None


def request_days(request: Json) -> tuple[Days | None, Days | None]:
    """Give the first and the last day of a MedicationRequest; None for what is not written (an end that is open, a start that is not known)."""
    starts: list[Days] = []
    ends: list[Days | None] = []
    authored = days_of(request.get("authoredOn"))
    for dosage in as_objects(request.get("dosageInstruction")):
        repeat = as_object(as_object(dosage.get("timing")).get("repeat"))
        start = days_of(as_object(repeat.get("boundsPeriod")).get("start"))
        if start is not None:
            starts.append(start)
        ends.append(_bounds_end(repeat, start or authored))
    first = min(starts, key=lambda days: days.first) if starts else authored
    written = [end for end in ends if end is not None]
    last = max(written, key=lambda days: days.last) if written and len(written) == len(ends) else None
    return first, last


def _effective_days(resource: Json) -> tuple[Days | None, Days | None]:
    """Give the effective days of a statement or an administration; a single dateTime is one day."""
    single = days_of(resource.get("effectiveDateTime"))
    if single is not None:
        return single, single
    period = as_object(resource.get("effectivePeriod"))
    return days_of(period.get("start")), days_of(period.get("end"))


@dataclass(frozen=True, kw_only=True)
class Span:
    """When a medicine was in force, read once. `start` and `end` are None where nobody wrote them."""

    never: bool
    status: str
    start: Days | None
    end: Days | None
    one_day: bool

    def covers(self, day: Days) -> bool | None:
        """Say whether the medicine was in force on a day. None: cannot be known."""
        if self.never:
            return False
        begun = on_or_before(self.start, day)
        if self.end is not None:
            covered = both(begun, on_or_before(day, self.end.plus(DETECTION_GRACE_DAYS)))
        elif self.status in _OPEN:
            covered = begun
        else:
            covered = False if begun is False else None
        if self.status in _OPEN | _ENDED or self.one_day:
            return covered
        return False if covered is False else None


def span_of(resource: Json) -> Span:
    """Read when a MedicationRequest, MedicationStatement or MedicationAdministration was in force."""
    status = as_text(resource.get("status"))
    one_day = kind(resource) == "MedicationAdministration"
    start, end = request_days(resource) if kind(resource) == "MedicationRequest" else _effective_days(resource)
    return Span(
        never=status in _NEVER
        or resource.get("doNotPerform") is True
        or as_text(resource.get("intent")) in NOT_ORDERED,
        status=status,
        start=start,
        end=start if one_day and end is None else end,
        one_day=one_day,
    )


def in_force(resource: Json, day: Days) -> bool | None:
    """Say whether a medicine was in force on a day. None: cannot be known."""
    return span_of(resource).covers(day)
