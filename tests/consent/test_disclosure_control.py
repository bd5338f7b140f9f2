"""Cells: a table, the laws, and an intruder who knows who was tested."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.disclosure_control import FEW, NOT_SEEN, NOT_SHOWN, CellCount, close_cells, rounded

FORM = ("opiates", "methadone", "cocaine")

# tested  positive  ->  tested shown  shown        fate
TABLE = """
      0       0         not shown     not shown     carried
      1       0         not shown     not shown     carried
      1       1         not shown     not shown     carried
      7       0         not shown     not shown     carried
      7       7         not shown     not shown     carried
      8       0         10            not seen      printed
      8       1         10            seen (1 to 7)  printed
      8       4         10            seen (1 to 7)  printed
      8       5         not shown     not shown     dropped
      8       8         not shown     not shown     dropped
      12      6         10            seen (1 to 7)  printed
      13      6         15            seen (1 to 7)  printed
      14      7         15            seen (1 to 7)  printed
      15      8         not shown     not shown     dropped
      16      8         15            10            printed
      40      12        40            10            printed
      40      13        40            15            printed
      100     50        100           50            printed
      100     51        not shown     not shown     dropped
"""


def rows() -> list[tuple[int, int, str, str, str]]:
    found = []
    for line in TABLE.strip().splitlines():
        tested, positive, first, shown, fate = re.split(r"\s{2,}", line.strip())
        found.append((int(tested), int(positive), first, shown, fate))
    return found


@pytest.mark.parametrize(("tested", "positive", "tested_shown", "shown", "fate"), rows())
def test_a_cell(tested: int, positive: int, tested_shown: str, shown: str, fate: str) -> None:
    (cell,) = close_cells([CellCount(group="opiates", tested=tested, positive=positive)], ("opiates",))
    assert (cell.tested, cell.shown, cell.fate) == (tested_shown, shown, fate)


def test_every_group_of_the_form_is_there_once_in_its_order() -> None:
    counts = [CellCount(group="cocaine", tested=9, positive=0), CellCount(group="opiates", tested=9, positive=1)]
    cells = close_cells(counts, FORM)
    assert [cell.group for cell in cells] == list(FORM)
    assert [cell.shown for cell in cells] == [FEW, NOT_SHOWN, NOT_SEEN]
    assert close_cells(counts[::-1], FORM) == cells


@pytest.mark.parametrize(
    "counts",
    [
        [CellCount(group="unknown", tested=9, positive=0)],
        [CellCount(group="opiates", tested=9, positive=10)],
        [CellCount(group="opiates", tested=9, positive=-1)],
        [CellCount(group="opiates", tested=-1, positive=-1)],
        [CellCount(group="opiates", tested=9, positive=0), CellCount(group="opiates", tested=8, positive=0)],
    ],
)
def test_what_does_not_add_up_is_not_printed(counts: list[CellCount]) -> None:
    with pytest.raises(ValueError, match=r"count|form"):
        close_cells(counts, FORM)


def test_a_form_that_names_a_group_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        close_cells([], ("opiates", "opiates"))


numbers = st.integers(0, 400).flatmap(lambda tested: st.tuples(st.just(tested), st.integers(0, tested)))


@given(numbers)
def test_what_is_printed_is_never_small_nor_telling(pair: tuple[int, int]) -> None:
    """Of a printed cell: at least 8 were tested, a positive is one of at least 8, and being tested does not make positive likely."""
    tested, positive = pair
    (cell,) = close_cells([CellCount(group="opiates", tested=tested, positive=positive)], ("opiates",))
    if cell.fate == "printed":
        assert tested >= 8
        assert positive * 2 <= tested
        assert cell.shown in (NOT_SEEN, FEW) or (int(cell.shown) % 5 == 0 and int(cell.shown) >= 10)
        assert int(cell.tested) % 5 == 0
    else:
        assert (cell.tested, cell.shown) == (NOT_SHOWN, NOT_SHOWN)
    assert (cell.fate == "carried") == (tested < 8)


@given(numbers, st.integers(-1, 1))
def test_one_person_more_or_less_never_shows_an_exact_number(pair: tuple[int, int], more: int) -> None:
    """Differencing: two printed cells that differ by one person show no number between 1 and 7, nor one that is exact."""
    tested, positive = pair
    other = max(0, positive + more)
    cells = [
        close_cells([CellCount(group="opiates", tested=max(tested, other), positive=item)], ("opiates",))[0]
        for item in (positive, other)
    ]
    shown = [int(cell.shown) for cell in cells if cell.shown.isdigit()]
    assert all(number >= 10 for number in shown)
    assert len(shown) < 2 or abs(shown[0] - shown[1]) in (0, 5)


@given(st.integers(0, 10_000))
def test_rounding_is_to_the_nearest_five(number: int) -> None:
    assert abs(int(rounded(number)) - number) <= 2
    assert int(rounded(number)) % 5 == 0


def test_the_laws_can_fail() -> None:
    """Sabotage: exact numbers would break them."""
    exact = str(9)
    assert int(exact) % 5
    assert rounded(9) != exact


@given(
    st.integers(0, 7).flatmap(lambda tested: st.tuples(st.just(tested), st.integers(0, tested), st.integers(0, tested)))
)
def test_what_becomes_of_a_small_cell_never_depends_on_its_results(cell: tuple[int, int, int]) -> None:
    """Were a mostly positive one dropped and another carried, next month's number of people would say which it was (decision 0011)."""
    tested, one, other = cell
    said = [close_cells([CellCount(group="opiates", tested=tested, positive=each)], FORM) for each in (one, other)]
    assert said[0] == said[1]
