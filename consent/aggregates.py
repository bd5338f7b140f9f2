"""A table of counts of people for commissioners, boards and evaluators: what of it may be printed. It counts people and knows no person.

1 to 7 is `*`, everything else is rounded to 5, totals too. A reader can subtract: so for each `*` three more figures are hidden, which with it
make a rectangle, in which the number behind the `*` can be any of 1 to 7 while every other figure stays as printed. INVARIANT: `*` says no more
than `at least 1`; which of them is small, and which protects a small one, is not said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
    closing = _Closing(_with_totals(counts, rows, columns), (*rows, TOTAL), (*columns, TOTAL), rules)
    return Table(rows=(*rows, TOTAL), columns=(*columns, TOTAL), shown=closing.shown())


def _with_totals(counts: Mapping[Place, int], rows: Sequence[str], columns: Sequence[str]) -> dict[Place, int]:
    whole = {(row, column): counts.get((row, column), 0) for row in rows for column in columns}
    for row in rows:
        whole[row, TOTAL] = sum(whole[row, column] for column in columns)
    for column in (*columns, TOTAL):
        whole[TOTAL, column] = sum(whole[row, column] for row in rows)
    return whole


@dataclass
class _Closing:
    counts: dict[Place, int]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    rules: Rules
    hidden: set[Place] = field(default_factory=set)

    def shown(self) -> Mapping[Place, str]:
        small = [place for place, count in self.counts.items() if 0 < count <= self.rules.small]
        self.hidden.update(small)
        for place in small:
            # What hides least of what is not hidden yet; between equals their names decide.
            _, corners = min((self._cost(each), each) for each in self._corners(place))
            self.hidden.update(corners)
        return {place: HIDDEN if place in self.hidden else self._rounded(count) for place, count in self.counts.items()}

    def _corners(self, place: Place) -> Iterator[tuple[Place, ...]]:
        """Three corners that can follow whatever stands in the place. There always are: the totals can follow everything."""
        row, column = place
        for other_row in self.rows:
            for other_column in self.columns:
                if other_row == row or other_column == column:
                    continue
                # Two cells of one sum move against each other, a cell and its sum together.
                along = 1 if TOTAL in (column, other_column) else -1
                across = 1 if TOTAL in (row, other_row) else -1
                moves = {
                    (row, other_column): along,
                    (other_row, column): across,
                    (other_row, other_column): along * across,
                }
                if all(self._follows(place, corner, sign) for corner, sign in moves.items()):
                    yield tuple(moves)

    def _follows(self, place: Place, corner: Place, sign: int) -> bool:
        """Does the corner stay at least 1 when the place is any of 1 to 7? A small sum is left open upwards only: its parts are hidden too."""
        count, held = self.counts[place], self.counts[corner]
        least = 0 if TOTAL in place else 1 - count
        most = max(1, self.rules.small - count)
        return held > 0 and held + min(sign * least, sign * most) >= 1

    def _cost(self, corners: Sequence[Place]) -> int:
        return sum(self.counts[corner] for corner in corners if corner not in self.hidden)

    def _rounded(self, count: int) -> str:
        return str((count + self.rules.base // 2) // self.rules.base * self.rules.base)
