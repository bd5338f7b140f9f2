"""CON segments as Consents, in whatever HL7 v2 message they stand. It must never make a permit of what is limited, pending, unsure or unknown.

What a consent is about is its type (CON-2), by the same list of codes as coded entries of a record (`fhir_coded_consents`): a type that is
not on it permits nothing and, where it is refused or taken back, a person is asked what was meant. A no counts whatever stands beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fhir_profiles import systems, terminology
from fhir_profiles.hl7_times import is_before
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.datatypes import code_system, coding
from fhir_profiles.mappings.fhir_coded_consents import coded_consents
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.shapes import Json, Task
from fhir_profiles.tasks import TASKS

_TO: Final = "Consent"
_YES: Final = "A"
_NO: Final = frozenset({"R", "X"})
"""CON-11, HL7 table 0498: active; refused and rescinded. Limited, pending and bypassed are neither."""
_UNREAD: Final = "a consent that is limited, unsure or of an unknown kind: it permits nothing"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the CON segments of a message say: Consents, and the work that they make for a person."""

    consents: tuple[Json, ...]
    tasks: tuple[Task, ...]


def consents_of(rows: Sequence[Row], sender: str) -> Said:
    """Read the CON segments of one message about one person. Never raises."""
    made: dict[str, Json] = {}
    tasks: dict[Task, None] = {}
    for row in rows:
        entry = _entry(row, sender)
        found = coded_consents([entry], sender)
        consents = [each for each in found.resources if each["resourceType"] == _TO]
        if consents:
            _mark(row)
            made[entry["id"]] = consents[0] | _with_period(row, consents[0])
            continue
        row.leave(_UNREAD)
        known = bool(terminology.consent_codes(entry["code"]))
        for task in found.tasks or (() if known or _status(row) not in _NO else (TASKS["consent-unclear"],)):
            tasks[task] = None
    return Said(consents=tuple(made.values()), tasks=tuple(tasks))


def _status(row: Row) -> str:
    return row.peek(11).upper()


def _entry(row: Row, sender: str) -> Json:
    """Write a CON as the coded entry of a record that says the same: yes, no, or something that is neither."""
    codings = [
        coding(code_system(row.peek(2, first + 2)), row.peek(2, first), row.peek(2, first + 1))
        for first in (1, 4)
        if row.peek(2, first)
    ]
    number = row.peek(4) or row.peek(3)
    said = _when(row)
    name = (number,) if number else (row.peek(2), said or "", str(row.segment.occurrence))
    entry: Json = {
        "resourceType": "Observation",
        "id": stable_id(_TO, sender, *name),
        "status": "final",
        "code": {"coding": codings, "text": row.peek(2, 2) or row.peek(2) or "not stated"},
        "subject": {"reference": PATIENT_REFERENCE},
        "identifier": [{"system": systems.LOCAL_ID + "consent-form", "value": number}] if number else [],
    }
    if not codings:
        del entry["code"]["coding"]
    if said is not None:
        entry["effectiveDateTime"] = said
    status = _status(row)
    if status in _NO:
        return {**entry, "valueBoolean": False}
    # INVARIANT: a yes is a yes only where nothing stands beside it that limits it, or casts doubt on who gave it.
    return {**entry, "valueBoolean": True} if status == _YES and not _is_unsure(row) else {**entry, "valueString": "?"}


def _when(row: Row) -> str | None:
    """Give when the person decided (CON-13), else when it was talked about (CON-12)."""
    return row.moment(13) or row.moment(12)


def _is_unsure(row: Row) -> bool:
    """Is it limited (CON-9), given without knowing everything (CON-21), by somebody not competent (CON-16) or by another (CON-23, CON-25)?"""
    edges = [row.peek(number) for number in (14, 15)]
    moments = [row.moment(number) for number in (14, 15)]
    unreadable = any(edge and moment is None for edge, moment in zip(edges, moments, strict=True))
    backwards = moments[0] is not None and moments[1] is not None and is_before(moments[1], moments[0])
    return (
        unreadable
        or backwards
        or row.has(9)
        or row.peek(16).upper() == "N"
        or row.peek(21).upper() not in {"", "F"}
        or row.has(23)
        or row.peek(25).upper() not in {"", "SEL"}
    )


def _with_period(row: Row, consent: Json) -> Json:
    """Give the provision of a yes with the time for which it holds (CON-14, CON-15). A no has no end but the person's own word."""
    if consent["status"] != "active":
        return {}
    edges = (("start", 14), ("end", 15))
    period = {edge: moment for edge, number in edges if (moment := row.moment(number)) is not None}
    if not period:
        return {}
    for edge, number in edges:
        if edge in period:
            row.mapped(number, to=f"{_TO}.provision.period.{edge}")
    return {"provision": {"period": period, **consent["provision"]}}


def _mark(row: Row) -> None:
    """Say where each thing went."""
    row.mapped_field(2, to=f"{_TO}.category")
    row.mapped(11, to=f"{_TO}.status")
    for number in (13, 12):
        if row.moment(number) is not None:
            row.mapped(number, 1, to=f"{_TO}.dateTime")
            break
    for number in (4, 3):
        if row.peek(number):
            row.mapped(number, 1, to=f"{_TO}.identifier")
            break
