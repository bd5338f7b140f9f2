"""The calendar of reports, and what the keys of contributions let anybody learn."""

from datetime import date

import pytest

from gateway.steps.close import is_due, months_between, next_month


@pytest.mark.parametrize(("month", "after"), [("2026-01", "2026-02"), ("2026-12", "2027-01"), ("1999-12", "2000-01")])
def test_the_month_after(month: str, after: str) -> None:
    assert next_month(month) == after


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
