"""Tables for commissioners: a table, the laws, and a reader who subtracts. The solver tries every whole number that the printed figures leave open."""

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.aggregates import HIDDEN, TOTAL, Place, Rules, Table, close_table

RULES = Rules()
MORE = 10 if os.environ.get("THROUGHGATE_SOAK") else 1
MOST = 40
"""The solver tries no more numbers for a hidden figure."""


def table(*rows: tuple[int, ...], rules: Rules = RULES) -> Table:
    counts = {(f"r{i}", f"c{j}"): count for i, row in enumerate(rows) for j, count in enumerate(row)}
    return close_table(counts, [f"r{i}" for i in range(len(rows))], [f"c{j}" for j in range(len(rows[0]))], rules)


def written(made: Table) -> list[list[str]]:
    return [[made.shown[row, column] for column in made.columns] for row in made.rows]


def test_what_is_printed() -> None:
    assert written(table((12, 33), (0, 8))) == [["10", "35", "45"], ["0", "10", "10"], ["10", "40", "55"]]
    assert written(table((3,))) == [["*", "*"], ["*", "*"]]
    made = table((3, 30, 30), (20, 25, 40), (90, 60, 80))
    assert written(made) == [["*"] * 4, ["20", "25", "40", "85"], ["90", "60", "80", "230"], ["*"] * 4]
    assert written(table((3, 0, 30), (0, 0, 40))) == [
        ["*", "0", "*", "*"],
        ["0", "0", "40", "40"],
        ["*", "0", "*", "*"],
    ]


def test_what_is_printed_of_a_row_says_nothing_of_another() -> None:
    """A row is a board's letter (docs/decisions/0032): what the others are changes nothing in it."""
    alone = table((20, 25, 40)).shown
    for other in ((1, 2, 3), (0, 0, 0), (90, 60, 80), (7, 7, 7)):
        beside = table((20, 25, 40), other).shown
        assert {place: beside[place] for place in alone if place[0] == "r0"} == {
            place: alone[place] for place in alone if place[0] == "r0"
        }


def test_the_rules_are_the_installations() -> None:
    assert written(table((9, 40), (40, 40), rules=Rules(small=4, base=10)))[0] == ["10", "40", "50"]
    with pytest.raises(ValueError, match="hide nothing"):
        table((1,), rules=Rules(small=0))


@pytest.mark.parametrize(
    ("counts", "rows", "columns"),
    [
        ({("x", "c"): 1}, ["r"], ["c"]),
        ({("r", "c"): -1}, ["r"], ["c"]),
        ({}, ["r", "r"], ["c"]),
        ({}, ["r"], [TOTAL]),
    ],
)
def test_what_does_not_fit_is_not_printed(counts: Mapping[Place, int], rows: list[str], columns: list[str]) -> None:
    with pytest.raises(ValueError, match=r"row|count"):
        close_table(counts, rows, columns)


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=1, max_size=4))
def test_nothing_small_and_nothing_exact_is_printed(rows: list[list[int]]) -> None:
    made = table(*map(tuple, rows))
    for (row, column), shown in made.shown.items():
        assert shown in (HIDDEN, "0") or (int(shown) % 5 == 0 and int(shown) >= 10)
        if shown == "0" and TOTAL not in (row, column):
            assert rows[int(row[1:])][int(column[1:])] == 0


def allowed(shown: str) -> range:
    """What a printed figure can be."""
    if shown == HIDDEN:
        return range(1, MOST * 10)
    number = int(shown)
    return range(max(8, number - 2), number + 3) if number else range(1)


def worlds(made: Table, fixed: Mapping[Place, int]) -> bool:
    """Is there a table of whole numbers that would be printed so, with these in their places?"""
    rows, columns = made.rows[:-1], made.columns[:-1]
    cells = [(row, column) for row in rows for column in columns]
    domain = {
        place: range(fixed[place], fixed[place] + 1) if place in fixed else allowed(shown)
        for place, shown in made.shown.items()
    }

    def open_sums(held: Mapping[Place, int]) -> bool:
        for names in _sums(rows, columns):
            least = sum(held.get(place, domain[place][0]) for place in names[1:])
            most = sum(held.get(place, domain[place][:MOST][-1]) for place in names[1:])
            if most < domain[names[0]][0] or least > domain[names[0]][-1]:
                return False
        return True

    def search(at: int, held: dict[Place, int]) -> bool:
        if at == len(cells):
            return True
        for number in domain[cells[at]][:MOST]:
            held[cells[at]] = number
            if open_sums(held) and search(at + 1, held):
                return True
        held.pop(cells[at], None)
        return False

    return search(0, {})


def _sums(rows: tuple[str, ...], columns: tuple[str, ...]) -> Iterator[list[Place]]:
    for row in rows:
        yield [(row, TOTAL), *((row, column) for column in columns)]
    for column in columns:
        yield [(TOTAL, column), *((row, column) for row in rows)]
    yield [(TOTAL, TOTAL), *((row, column) for row in rows for column in columns)]


def recovered(made: Table, counts: Mapping[Place, int]) -> list[Place]:
    """Small cells of which not every number from 1 to 7 is left open, and small sums that can be one number only."""
    found = []
    for place, count in counts.items():
        if not 0 < count <= RULES.small:
            continue
        numbers = range(1, RULES.small + 1) if TOTAL not in place else (count, count + 1)
        found += [place] if not all(worlds(made, {place: number}) for number in numbers) else []
    return found


def random_table(seed: int) -> tuple[Table, dict[Place, int]]:
    chance = Random(seed)
    rows, columns = (tuple(f"{kind}{n}" for n in range(chance.randint(1, 3))) for kind in "rc")
    counts = {(r, c): chance.choice((0, 1, 3, 6, 7, 8, 9, 11, 13, 20)) for r in rows for c in columns}
    made = close_table(counts, rows, columns)
    sums = {names[0]: sum(counts[place] for place in names[1:]) for names in _sums(rows, columns)}
    return made, {**counts, **sums}


def test_whoever_subtracts_recovers_no_hidden_number() -> None:
    hidden = 0
    for seed in range(40 * MORE):
        made, counts = random_table(seed)
        assert recovered(made, counts) == [], (seed, made)
        hidden += HIDDEN in made.shown.values()
    assert hidden > 20


def test_whoever_subtracts_recovers_what_is_hidden_alone() -> None:
    """Sabotage: with the small ones hidden and nothing else, subtraction narrows them."""
    found = 0
    for seed in range(40):
        _, counts = random_table(seed)
        rows, columns = (tuple(sorted({place[n] for place in counts} - {TOTAL})) for n in (0, 1))
        alone = {
            place: HIDDEN if 0 < count <= RULES.small else str((count + 2) // 5 * 5) for place, count in counts.items()
        }
        found += bool(recovered(Table(rows=(*rows, TOTAL), columns=(*columns, TOTAL), shown=alone), counts))
    assert found > 10


def told_apart(
    close: Callable[[Mapping[Place, int], list[str], list[str]], Table], rows: int, columns: int, below: int
) -> int:
    """Somebody who knows the rule as well as what is printed, and tries every table there is: of how many small figures not all of 1 to 7 are open."""
    names, heads = [f"r{n}" for n in range(rows)], [f"c{n}" for n in range(columns)]
    places = [(row, column) for row in names for column in heads]
    printed: dict[tuple[str, ...], list[set[int]]] = {}
    tables = [*product(range(below), repeat=len(places))]
    read = []
    for numbers in tables:
        made = close(dict(zip(places, numbers, strict=True)), names, heads)
        read.append(tuple(made.shown[row, column] for row in made.rows for column in made.columns))
        for seen, number in zip(printed.setdefault(read[-1], [set() for _ in places]), numbers, strict=True):
            seen.add(number)
    small = set(range(1, RULES.small + 1))
    return sum(
        number in small and not small <= seen
        for numbers, said in zip(tables, read, strict=True)
        for number, seen in zip(numbers, printed[said], strict=True)
    )


@pytest.mark.parametrize(
    ("rows", "columns", "below"), [(1, 1, 40), (1, 2, 40), (1, 3, 22), (2, 1, 40), (3, 1, 22), (2, 2, 11)]
)
def test_whoever_knows_the_rule_too_recovers_no_hidden_number(rows: int, columns: int, below: int) -> None:
    assert told_apart(close_table, rows, columns, below) == 0


def hides_least(counts: Mapping[Place, int], rows: list[str], columns: list[str]) -> Table:
    """The rule before docs/decisions/0060: with each small figure three more that can follow it, those that hide least."""
    whole = {names[0]: sum(counts[place] for place in names[1:]) for names in _sums(tuple(rows), tuple(columns))}
    whole = {**counts, **whole}
    hidden = {place for place, count in whole.items() if 0 < count <= RULES.small}
    for row, column in sorted(hidden):
        found = []
        for other_row, other_column in product({*rows, TOTAL} - {row}, {*columns, TOTAL} - {column}):
            along = 1 if TOTAL in (column, other_column) else -1
            across = 1 if TOTAL in (row, other_row) else -1
            signs = {(row, other_column): along, (other_row, column): across, (other_row, other_column): along * across}
            moves = (1 - whole[row, column], RULES.small - whole[row, column])
            if all(
                whole[corner] and whole[corner] + min(sign * move for move in moves) >= 1
                for corner, sign in signs.items()
            ):
                found.append((sum(whole[corner] for corner in signs.keys() - hidden), sorted(signs)))
        hidden |= {*min(found)[1]} if found else set()
    shown = {place: HIDDEN if place in hidden else str((count + 2) // 5 * 5) for place, count in whole.items()}
    return Table(rows=(*rows, TOTAL), columns=(*columns, TOTAL), shown=shown)


def test_whoever_knows_the_rule_recovers_what_a_rule_that_looks_at_the_hidden_figures_hides() -> None:
    """Sabotage: which three are hidden says what they protect. Of (0, 1) and (7, 6) every figure could be told."""
    assert told_apart(hides_least, 2, 2, 10) > 100
