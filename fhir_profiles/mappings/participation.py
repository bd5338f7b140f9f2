"""ROL and PRT: who takes part, as HL7 v2.4 to v2.8 write it beside, and in the end in place of, the fields that name them. It must never name
somebody whose part is taken back, or over.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from fhir_profiles.hl7_times import is_before
from fhir_profiles.mappings.datatypes import practitioner
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.shapes import Json

PRIMARY: Final = "PP"
ORDERS: Final = "OP"
ADMINISTERS: Final = "AP"
"""HL7 table 0443, and 0912 after it: primary care provider, who ordered, who gave it."""
_TAKEN_BACK: Final = frozenset({"DE", "D", "DP", "SU", "X"})
"""ROL-2 and PRT-2, HL7 table 0287: delete, demote, suspend. An X says that nothing is said of it."""
_TABLES: Final = frozenset({"", "HL70443", "HL70912", "0443", "0912"})


class Part(NamedTuple):
    """One who takes part: the row, the fields with the person (XCN) and the organisation (XON)."""

    row: Row
    person: int
    organisation: int


class _Places(NamedTuple):
    role: int
    person: int
    end: int
    organisation: int


_PLACES: Final = {"ROL": _Places(3, 4, 6, 14), "PRT": _Places(4, 5, 12, 8)}
SEGMENTS: Final = frozenset(_PLACES)


def practitioner_as(rows: Iterable[Row], role: str, *, to: str) -> Json | None:
    """Give the first who has the role, as a Reference by number and name."""
    named = (practitioner(part.row, part.person, to=to) for part in parts(rows, role, at=None, to=to))
    return next((each for each in named if each is not None), None)


def parts(rows: Iterable[Row], role: str, *, at: str | None, to: str) -> Iterator[Part]:
    """Give who has the role (a code of HL7 table 0443 or 0912) `at` that time, or whenever where it is not known; `to` is where they go."""
    for row in rows:
        places = _PLACES[row.segment.name]
        if row.peek(places.role).upper() != role or row.peek(places.role, 3).upper() not in _TABLES:
            continue
        end = row.moment(places.end)
        over = end is not None and at is not None and is_before(end, at)
        if row.peek(2).upper() in _TAKEN_BACK or over:
            row.leave("a part that was taken back or is over")
            continue
        row.mapped_field(places.role, to=to)
        yield Part(row, places.person, places.organisation)
