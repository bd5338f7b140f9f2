"""Which cells of a report about nobody may be printed, and how. It counts people and knows no person.

A cell is printed only if at least 8 people were tested and at most half of them were positive. Of what is printed, 1 to 7 is one word and the
rest is rounded to 5, the number tested too. Every cell of the form is always there, so that the shape of a report says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SMALLEST = 8
"""The smallest number of people that is printed (NHS sub-national rule: 1 to 7 are suppressed)."""
ROUNDED_TO = 5
NOT_SHOWN = "not shown"
NOT_SEEN = "not seen"
FEW = "seen (1 to 7)"

Fate = Literal["printed", "carried", "dropped"]


@dataclass(frozen=True, kw_only=True)
class CellCount:
    """People in one cell: how many were tested for the group, and how many of them had an unexpected result."""

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


def is_mostly_positive(count: CellCount) -> bool:
    """Are there enough people for a cell, and were more than half of them positive? Such a cell is never printed."""
    return count.tested >= SMALLEST and count.positive * 2 > count.tested


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


def _close(count: CellCount) -> ShownCell:
    if count.tested < SMALLEST:
        # INVARIANT: fewer than 8 people are nobody's secret only while they are not printed; by person they join the next month, whatever
        # their results were: if those of a mostly positive cell did not, the next month's number would tell that they were positive.
        return ShownCell(group=count.group, tested=NOT_SHOWN, shown=NOT_SHOWN, fate="carried")
    if is_mostly_positive(count):
        # Whoever knows that a person was tested would know more about them than not. Adding months would not help, so it is not carried.
        return ShownCell(group=count.group, tested=NOT_SHOWN, shown=NOT_SHOWN, fate="dropped")
    if count.positive == 0:
        shown = NOT_SEEN
    elif count.positive < SMALLEST:
        shown = FEW
    else:
        shown = rounded(count.positive)
    return ShownCell(group=count.group, tested=rounded(count.tested), shown=shown, fate="printed")
