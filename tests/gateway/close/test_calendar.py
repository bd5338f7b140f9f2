"""The calendar of reports, and what the keys of contributions let anybody learn."""

from datetime import date

import pytest

from fhir_profiles.shapes import Calendar
from gateway.periods import calendar_of, first_day, following, is_due, months_between, months_of, period_of


@pytest.mark.parametrize(
    ("month", "after"),
    [
        ("2026-01", "2026-02"),
        ("2026-12", "2027-01"),
        ("1999-12", "2000-01"),
        ("2026-Q1", "2026-Q2"),
        ("2026-Q4", "2027-Q1"),
    ],
)
def test_the_month_or_quarter_after(month: str, after: str) -> None:
    assert following(month) == after


@pytest.mark.parametrize(
    ("first", "last", "months"), [("2026-01", "2026-01", 0), ("2025-11", "2026-02", 3), ("2026-02", "2026-01", -1)]
)
def test_months_between(first: str, last: str, months: int) -> None:
    assert months_between(first, last) == months


@pytest.mark.parametrize(
    ("today", "due"),
    [(date(2026, 1, 31), False), (date(2026, 2, 7), False), (date(2026, 2, 8), True), (date(2026, 5, 1), True)],
)
def test_a_month_is_due_on_the_close_day_of_the_next(today: date, due: bool) -> None:
    assert is_due("2026-01", today, 8) is due


@pytest.mark.parametrize(
    ("today", "due"),
    [(date(2026, 3, 31), False), (date(2026, 4, 7), False), (date(2026, 4, 8), True), (date(2027, 1, 1), True)],
)
def test_a_quarter_is_due_on_the_close_day_of_the_month_after_it(today: date, due: bool) -> None:
    assert is_due("2026-Q1", today, 8) is due


def test_a_day_is_in_its_month_and_its_quarter() -> None:
    for month, quarter in enumerate("111222333444", start=1):
        day = date(2026, month, 15)
        assert period_of(day, Calendar.MONTH) == f"2026-{month:02d}"
        period = period_of(day, Calendar.QUARTER)
        assert period == f"2026-Q{quarter}"
        first, last = months_of(period)
        assert first <= f"2026-{month:02d}" <= last
        assert months_between(first, last) == 2
        assert first_day(period) == date(2026, 3 * int(quarter) - 2, 1)
    assert months_of("2026-11") == ("2026-11", "2026-11")


@pytest.mark.parametrize("wrong", ["2026", "2026-13", "2026-Q5", "2026-Q0", "26-Q1", "2026-1", ""])
def test_what_is_neither_a_month_nor_a_quarter_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        calendar_of(wrong)
