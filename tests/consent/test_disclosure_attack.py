"""Somebody in security with everything that a prison knows, against two years of reports: what they can say of a person, measured.

The attacker is exact (tests/consent/prison.py), so what they are sure of is what the reports tell. Both measures of a report hold over every
prison, with many people in treatment and with hardly anybody; a rule with a control switched off breaks them.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from consent.disclosure_control import NOT_SEEN, NOT_SHOWN, SEEN, CellCount, close_cells
from tests.consent.prison import SIZES, Attempt, Rule, conclude, years_of_reports
from tests.faults.account import PROPERTY

MORE = 10 if os.environ.get("THROUGHGATE_SOAK") else 1
SEEDS = {
    "a third in treatment": 1,
    "a small team": 3,
    "a very small team": 6,
    "people who stay": 10,
    "hardly anybody": 40,
}
"""Prisons of each size: the small ones print few cells and cost little, and are the ones that matter."""
ONE_IN_EIGHT = 0.125 + 0.01
"""And one point."""
MONTHS = 24
TOO_SURE_OF = 0.001
"""The share of cells in which the attacker may be more than half sure of somebody: a long guess that luck made, right half of the time."""


def of_the_product(counted: int, positive: int) -> tuple[str, bool]:
    (cell,) = close_cells([CellCount(group="opiates", tested=counted, positive=positive)], ("opiates",))
    return cell.shown, cell.fate == "carried"


def from_eight(counted: int, positive: int) -> tuple[str, bool]:
    return (NOT_SHOWN, True) if counted < 8 else (SEEN if positive else NOT_SEEN, False)


def left_out_for_results(counted: int, positive: int) -> tuple[str, bool]:
    """The rule of decision 0008: a cell of which more than half are positive is not shown."""
    shown, carried = of_the_product(counted, positive)
    return (NOT_SHOWN, False) if positive * 2 > counted and not carried else (shown, carried)


def with_numbers(counted: int, positive: int) -> tuple[str, bool]:
    """Rounded to 5, as numbers about nobody usually are."""
    shown, carried = of_the_product(counted, positive)
    return (str((positive + 2) // 5 * 5) if positive > 7 and not carried else shown), carried


@dataclass(frozen=True, kw_only=True)
class Measured:
    """`belongs`: how often a positive was the person's whom the attacker named. `too_sure`: in which share of cells they were more than half
    sure that somebody was positive.
    """

    cells: int
    belongs: float
    too_sure: float

    @property
    def holds(self) -> bool:
        return self.belongs <= ONE_IN_EIGHT and self.too_sure <= TOO_SURE_OF


def measure(attempts: Sequence[Attempt]) -> Measured:
    told = [each for each in attempts if each.positive]
    return Measured(
        cells=len(attempts),
        belongs=sum(each.right / each.positive for each in told) / len(told),
        too_sure=sum(each.sure > 0.5 for each in attempts) / len(attempts),
    )


def attacked(rule: Rule, size: str, *, more: int = 1, count_prescribed: bool = False) -> list[Attempt]:
    return [
        attempt
        for seed in range(SEEDS[size] * more)
        for attempt in years_of_reports(rule, SIZES[size], seed=seed, months=MONTHS, count_prescribed=count_prescribed)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_two_years_of_reports_stay_within_both_measures(
    size: str, record_property: Callable[[str, object], None]
) -> None:
    attempts = attacked(of_the_product, size, more=MORE)
    found = measure(attempts)
    record_property(
        PROPERTY,
        f"disclosure, {size}: {found.cells} cells in two years; whose a positive was: {found.belongs:.4f} (at most {ONE_IN_EIGHT});"
        f" more than half sure of somebody: {found.too_sure:.5f} of cells (at most {TOO_SURE_OF})",
    )
    assert found.cells > 200
    assert found.holds, found
    smallest = measure([each for each in attempts if each.counted <= 15] or attempts)
    assert smallest.belongs <= ONE_IN_EIGHT, "and whoever attacks only the smallest cells"


@pytest.mark.parametrize(
    ("rule", "size"),
    [(from_eight, "hardly anybody"), (left_out_for_results, "a very small team"), (with_numbers, "a small team")],
)
def test_the_attacker_wins_where_a_control_is_off(rule: Rule, size: str) -> None:
    """Sabotage: cells of eight, cells left out for their results, and numbers of positives each break a measure."""
    assert not measure(attacked(rule, size)).holds


def test_the_attacker_wins_where_whoever_is_prescribed_it_is_counted() -> None:
    """Sabotage: twelve people of whom five take it on prescription are seven."""
    counted = attacked(of_the_product, "hardly anybody", count_prescribed=True)
    assert not measure([each for each in counted if each.group == "methadone"]).holds


def test_the_attacker_is_right_as_often_as_they_are_sure() -> None:
    """The oracle: of cells in which they were about as sure, as many were so; else what they are sure of would measure nothing."""
    attempts = attacked(left_out_for_results, "people who stay")
    for least, most in ((0.0, 0.2), (0.2, 0.4), (0.7, 1.0)):
        about = [each for each in attempts if least <= each.sure < most]
        assert len(about) > 30
        sure = sum(each.sure for each in about) / len(about)
        assert abs(sum(each.right for each in about) / len(about) - sure) < 0.1


def test_the_attacker_reasons_as_bayes_does() -> None:
    """By hand: two people, one month, `somebody was positive`, no chance of a supply worth speaking of."""
    (first, _), (second, _) = conclude([(1.0, 1), (0.0, 1)], [1, 2])
    supply = 0.08 * 0.8
    somebody = 0.92 * (1 - 0.5 * 0.97) + 0.08 * (1 - 0.2 * 0.2)
    assert first == pytest.approx((0.92 * 0.5 + supply) / somebody)
    assert second == pytest.approx((0.92 * 0.03 + supply) / somebody)
    assert conclude([(0.3, 1), (0.3, 1)], [0])[0][0] == 0
