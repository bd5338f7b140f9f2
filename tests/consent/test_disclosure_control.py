"""Cells: a table, the laws, and an intruder who knows who was tested."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import disclosure_control
from consent.disclosure_control import (
    BELONGS_AT_MOST,
    NOT_SEEN,
    NOT_SHOWN,
    POSITIVE_AT_MOST,
    SEEN,
    SMALLEST,
    CellCount,
    Risk,
    ShownCell,
    close_cells,
    is_mostly_positive,
    risk_of,
    rounded,
)

FORM = ("opiates", "methadone", "cocaine")

# tested  positive  ->  tested shown  shown        fate
TABLE = """
      0       0         not shown     not shown     carried
      1       0         not shown     not shown     carried
      1       1         not shown     not shown     carried
      11      0         not shown     not shown     carried
      11      11        not shown     not shown     carried
      12      0         10            not seen      printed
      12      1         10            seen          printed
      12      12        10            seen          printed
      13      7         15            seen          printed
      40      0         40            not seen      printed
      40      40        40            seen          printed
      103     51        105           seen          printed
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
    counts = [CellCount(group="cocaine", tested=12, positive=0), CellCount(group="opiates", tested=12, positive=1)]
    cells = close_cells(counts, FORM)
    assert [cell.group for cell in cells] == list(FORM)
    assert [cell.shown for cell in cells] == [SEEN, NOT_SHOWN, NOT_SEEN]
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
def test_what_is_printed_is_never_small_nor_a_number_of_positives(pair: tuple[int, int]) -> None:
    tested, positive = pair
    (cell,) = close_cells([CellCount(group="opiates", tested=tested, positive=positive)], ("opiates",))
    if cell.fate == "printed":
        assert tested >= SMALLEST
        assert cell.shown == (SEEN if positive else NOT_SEEN)
        assert int(cell.tested) % 5 == 0
        assert abs(int(cell.tested) - tested) <= 2
    else:
        assert tested < SMALLEST
        assert (cell.tested, cell.shown) == (NOT_SHOWN, NOT_SHOWN)


@given(
    st.integers(0, 400).flatmap(
        lambda tested: st.tuples(st.just(tested), st.integers(0, tested), st.integers(0, tested))
    )
)
def test_what_becomes_of_a_cell_never_depends_on_its_results(cell: tuple[int, int, int]) -> None:
    """Were a mostly positive one left out, whoever knows that enough were tested would know why (decisions 0011, 0020)."""
    tested, one, other = cell
    said = [close_cells([CellCount(group="opiates", tested=tested, positive=each)], FORM)[0] for each in (one, other)]
    assert said[0].fate == said[1].fate
    assert said[0].tested == said[1].tested
    assert tested >= SMALLEST or said[0] == said[1]


@given(st.integers(0, 10_000))
def test_rounding_is_to_the_nearest_five(number: int) -> None:
    assert abs(int(rounded(number)) - number) <= 2
    assert int(rounded(number)) % 5 == 0


def test_the_laws_can_fail() -> None:
    """Sabotage: exact numbers would break them."""
    exact = str(9)
    assert int(exact) % 5
    assert rounded(9) != exact


@pytest.mark.parametrize(("tested", "positive", "warned"), [(7, 7, False), (8, 4, False), (8, 5, True), (40, 21, True)])
def test_people_who_care_are_told_of_a_mostly_positive_cell(tested: int, positive: int, warned: bool) -> None:
    assert is_mostly_positive(CellCount(group="opiates", tested=tested, positive=positive)) is warned


def test_the_measures_are_of_the_worst_cell_in_which_something_was_seen() -> None:
    counts = [
        CellCount(group="opiates", tested=30, positive=1),
        CellCount(group="methadone", tested=12, positive=0),
        CellCount(group="cocaine", tested=20, positive=20),
    ]
    assert risk_of(close_cells(counts, FORM)) == Risk(belongs=6, positive=30), "twenty may be eighteen"
    nothing = [CellCount(group="methadone", tested=12, positive=0), CellCount(group="opiates", tested=11, positive=11)]
    assert risk_of(close_cells(nothing, FORM)) == Risk(belongs=0, positive=0)


@given(numbers)
def test_every_report_is_within_both_measures(pair: tuple[int, int]) -> None:
    risk = risk_of(close_cells([CellCount(group="opiates", tested=pair[0], positive=pair[1])], FORM))
    assert pair[1] == 0 or pair[0] < SMALLEST or risk.belongs >= 100 / pair[0]
    assert risk.belongs <= BELONGS_AT_MOST
    assert risk.positive <= POSITIVE_AT_MOST


def test_the_expected_share_is_what_the_prior_gives() -> None:
    """By summation over the beta-binomial distribution of 1 and 3, whose weight of k of n is (n - k + 1)(n - k + 2)."""
    for tested in (12, 28, 98):
        weights = [(tested - number + 1) * (tested - number + 2) for number in range(1, tested + 1)]
        expected = sum(number * weight for number, weight in enumerate(weights, start=1)) / sum(weights) / tested
        printed = rounded(tested + 2) if tested > 12 else "10"
        cell = ShownCell(group="opiates", tested=printed, shown=SEEN, fate="printed")
        assert risk_of([cell]).positive - 1 < 100 * expected <= risk_of([cell]).positive


def test_a_report_that_says_too_much_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: a rule that printed a cell of seven would stop here."""
    monkeypatch.setattr(disclosure_control, "SMALLEST", 7)
    with pytest.raises(ValueError, match="too much"):
        risk_of(close_cells([CellCount(group="opiates", tested=7, positive=1)], FORM))
