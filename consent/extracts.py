"""A pseudonymised extract, one row a person: which rows may leave, and how coarse. It knows cells and no person.

Who somebody is can be guessed from what an outsider knows of them: sex, age band, month, establishment (the quasi-identifiers). INVARIANT: every row
shares all of those with at least k rows of the file, its own among them. Whoever is in too small a group in one establishment is shown without it; who is
in too small a group then is left out. INVARIANT: what is told about somebody is not told of a group in which nearly all are alike: to know
that a person is in the group would be to know it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

LETTER: Final = "evaluation-extract"
"""The `letter` of its agreements: no wire carries it. Each agreement is for one approval and one evaluator, which stand in it."""
K: Final = 10
"""The least number of people who look alike. It may be raised and never lowered."""
HIDDEN: Final = "*"
ALIKE: Final = 0.9
"""The largest share of a group that may have one value of what is told about them."""
KNOWN_OUTSIDE: Final = ("sex", "age_band", "month", "establishment")
TOLD: Final = ("reception", "handover", "treatment")
COLUMNS: Final = ("pseudonym", *KNOWN_OUTSIDE, *TOLD)

Cells = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One person as they would leave: a cell for each of `COLUMNS`, empty where the agreement or the person's consent lets nothing."""

    cells: Cells

    @property
    def known_outside(self) -> tuple[str, ...]:
        return tuple(self.cells[name] for name in KNOWN_OUTSIDE)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """How easily somebody could be found out: the least and the mean number who look alike, and the largest share of one told value."""

    smallest: int
    groups: int
    rows: int
    alike: float

    @property
    def highest_risk(self) -> float:
        """For whoever knows that a person is in the file: the chance to name the right row."""
        return 1 / self.smallest if self.smallest else 0.0

    @property
    def mean_risk(self) -> float:
        return self.groups / self.rows if self.rows else 0.0


@dataclass(frozen=True, kw_only=True)
class Extract:
    """What may leave, in the order of the pseudonyms, and how many were left out for want of others who look like them."""

    rows: tuple[Row, ...]
    suppressed: int
    measures: Measures


def close_extract(rows: Sequence[Row], k: int = K) -> Extract:
    """Close the rows. Raises ValueError for a k below `K`, and for a pseudonym that stands twice."""
    if k < K:
        raise ValueError(f"k is at least {K}")
    if len({row.cells["pseudonym"] for row in rows}) != len(rows):
        raise ValueError("a pseudonym stands twice")
    fine = _grouped(rows)
    coarse = [row if len(fine[row.known_outside]) >= k else _with(row, establishment=HIDDEN) for row in rows]
    groups = {known: members for known, members in _grouped(coarse).items() if len(members) >= k}
    told = [closed for members in groups.values() for closed in _not_alike(members)]
    # INVARIANT: the order of the file tells nothing: a pseudonym is as good as random.
    ordered = tuple(sorted(told, key=lambda row: row.cells["pseudonym"]))
    return Extract(rows=ordered, suppressed=len(rows) - len(ordered), measures=measures_of(ordered))


def measures_of(rows: Sequence[Row]) -> Measures:
    """Reckoned from what leaves, not from how it was made."""
    groups = _grouped(rows).values()
    return Measures(
        smallest=min(map(len, groups), default=0),
        groups=len(groups),
        rows=len(rows),
        alike=max((_largest_share(members, name) for members in groups for name in TOLD), default=0.0),
    )


def _grouped(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(row.known_outside, []).append(row)
    return found


def _not_alike(members: Sequence[Row]) -> list[Row]:
    hidden = {name: HIDDEN for name in TOLD if _largest_share(members, name) > ALIKE}
    return [_with(row, **hidden) for row in members]


def _largest_share(members: Sequence[Row], name: str) -> float:
    """Of one told value; 0 where none is told."""
    values = Counter(row.cells[name] for row in members)
    return max(0 if value == HIDDEN else count for value, count in values.items()) / len(members)


def _with(row: Row, **cells: str) -> Row:
    return replace(row, cells={**row.cells, **cells})
