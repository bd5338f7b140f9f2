"""A table of counts of people for commissioners, boards and evaluators: what of it may be printed. It counts people and knows no person.

1 to 7 is `*`, everything else is rounded to 5, totals too. A reader can subtract, and knows this rule: so a row that holds a small figure is hidden
whole, but for its zeros, and with any such row the sums over all rows. INVARIANT: what is printed of a row depends on nothing of another row, and of
a hidden row on nothing but that it holds a small figure and where its zeros are: whatever stands behind a `*` can be any of 1 to 7
(docs/decisions/0060). `*` says no more than `at least 1`; which of a row is small is not said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TOTAL = "total"
HIDDEN = "*"

Place = tuple[str, str]
"""(row, column); `total` for the sums."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """`small`: the largest number that is hidden. `base`: what everything else is rounded to."""

    small: int = 7
    base: int = 5


@dataclass(frozen=True, kw_only=True)
class Table:
    """What is printed, by place, totals included: `*`, or a number as text."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    shown: Mapping[Place, str]


def close_table(
    counts: Mapping[Place, int], rows: Sequence[str], columns: Sequence[str], rules: Rules = Rules()
) -> Table:
    """Every row and column once, with totals; what has no count is 0.

    Raises ValueError for a name given twice or called `total`, a count outside the table, a negative count, or rules that hide nothing.
    """
    for names in (rows, columns):
        if len(set(names)) != len(names) or TOTAL in names:
            raise ValueError("a row or a column is named twice, or is named total")
    if rules.small < 1 or rules.base < 1:
        raise ValueError("rules that hide nothing")
    if any(row not in rows or column not in columns or count < 0 for (row, column), count in counts.items()):
        raise ValueError("a count is outside the table or negative")
    whole = _with_totals(counts, rows, columns)
    hidden = {row for row in rows if any(0 < whole[row, column] <= rules.small for column in columns)}
    hidden |= {TOTAL} if hidden else set()
    shown = {
        place: HIDDEN if count and place[0] in hidden else _rounded(count, rules) for place, count in whole.items()
    }
    return Table(rows=(*rows, TOTAL), columns=(*columns, TOTAL), shown=shown)


def _with_totals(counts: Mapping[Place, int], rows: Sequence[str], columns: Sequence[str]) -> dict[Place, int]:
    whole = {(row, column): counts.get((row, column), 0) for row in rows for column in columns}
    for row in rows:
        whole[row, TOTAL] = sum(whole[row, column] for column in columns)
    for column in (*columns, TOTAL):
        whole[TOTAL, column] = sum(whole[row, column] for row in rows)
    return whole


def _rounded(count: int, rules: Rules) -> str:
    return str((count + rules.base // 2) // rules.base * rules.base)
