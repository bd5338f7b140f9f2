"""Which cells of a report about nobody may be printed, and how. It counts people and knows no person.

A cell counts the people of whom a positive would be unexpected: whoever is prescribed the substance cannot be the positive one, and is not
counted, or the others would be fewer than they look. It is printed only if at least 12 people are counted, as `not seen` or `seen`, with their
number rounded to 5. INVARIANT: whether a cell is printed depends on how many were counted and never on their results; what is not shown because
of its results tells them to whoever knows who was tested. Every cell of the form is always there, so that the shape of a report says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

SMALLEST = 12
"""The smallest number of people that is printed. Eight would do for one report; whoever has read two years of them and knows who was tested each
month learns who uses, and only from twelve on stays at one in eight (tests/consent/test_disclosure_attack.py)."""
ENOUGH_TO_WARN = 8
ROUNDED_TO = 5
NOT_SHOWN = "not shown"
NOT_SEEN = "not seen"
SEEN = "seen"
BELONGS_AT_MOST = 12.5
POSITIVE_AT_MOST = 50
"""In per cent: one in eight, and one half."""

Fate = Literal["printed", "carried"]


@dataclass(frozen=True, kw_only=True)
class CellCount:
    """People in one cell: how many were tested of whom a positive would be unexpected, and how many of them were positive."""

    group: str
    tested: int
    positive: int


@dataclass(frozen=True, kw_only=True)
class ShownCell:
    """What the form says of one group, and what becomes of the people behind it: `carried` joins the next month's cell."""

    group: str
    tested: str
    shown: str
    fate: Fate


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What a report lets a reader conclude who knows exactly who was counted, at most, in per cent and over its worst cell.

    `belongs`: that a positive is a given person's. `positive`: that somebody known to be tested was positive, for a reader who expects a quarter
    of them to be and many less likely than few (a beta distribution of 1 and 3). Both 0 where nothing was seen.
    """

    belongs: int
    positive: int


def is_mostly_positive(count: CellCount) -> bool:
    """Are there enough people to say so, and were more than half of them positive? People who care are told; the report never says it."""
    return count.tested >= ENOUGH_TO_WARN and count.positive * 2 > count.tested


def rounded(number: int) -> str:
    """To the nearest multiple of 5, as text."""
    return str((number + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO)


def close_cells(counts: Sequence[CellCount], form: Sequence[str]) -> tuple[ShownCell, ...]:
    """Every group of the form once, in the form's order.

    Raises ValueError for a count that cannot be: outside the form, given twice, negative, or more positive than tested. A report that
    does not add up is not printed.
    """
    if len(set(form)) != len(form):
        raise ValueError("the form names a group twice")
    by_group: dict[str, CellCount] = {}
    for count in counts:
        if count.group not in form or count.group in by_group:
            raise ValueError("a count is outside the form or given twice")
        if not 0 <= count.positive <= count.tested:
            raise ValueError("a count is impossible")
        by_group[count.group] = count
    return tuple(_close(by_group.get(group, CellCount(group=group, tested=0, positive=0))) for group in form)


def risk_of(cells: Sequence[ShownCell]) -> Risk:
    """The two measures of a report, from what it prints and nothing else: they say no more than the report does.

    Raises ValueError where one is above its bound: such a report is not printed.
    """
    printed = [int(cell.tested) for cell in cells if cell.shown == SEEN]
    if not printed:
        return Risk(belongs=0, positive=0)
    fewest = max(SMALLEST, min(printed) - ROUNDED_TO // 2)
    # A quarter is expected; given that it is not nobody, whose chance is 3 in (n + 3), it is 1/4 / (1 - 3/(n + 3)) = (n + 3)/4n.
    risk = Risk(belongs=ceil(100 / fewest), positive=ceil(25 * (fewest + 3) / fewest))
    if risk.belongs > BELONGS_AT_MOST or risk.positive > POSITIVE_AT_MOST:
        raise ValueError("a report would say too much about a person")
    return risk


def _close(count: CellCount) -> ShownCell:
    if count.tested < SMALLEST:
        # By person they join the next month, whatever their results were (docs/decisions/0011).
        return ShownCell(group=count.group, tested=NOT_SHOWN, shown=NOT_SHOWN, fate="carried")
    # INVARIANT: no number of positives. Many said as many makes each of them likely to be one, and left out for being many it is said too.
    shown = SEEN if count.positive else NOT_SEEN
    return ShownCell(group=count.group, tested=rounded(count.tested), shown=shown, fate="printed")
