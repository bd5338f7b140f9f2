"""Instants: text order is time order, and a time without a zone is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.instants import from_text, to_text

zones = st.timezones() | st.just(UTC)
instants = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2999, 1, 1), timezones=zones)  # noqa: DTZ001  a bound, not an instant


@given(instants, instants)
def test_text_order_is_time_order(one: datetime, two: datetime) -> None:
    a, b = to_text(one), to_text(two)
    assert len(a) == 27
    assert (a < b) == (one.astimezone(UTC) < two.astimezone(UTC))
    assert from_text(a) == one.astimezone(UTC)


def test_any_offset_is_read_and_written_as_utc() -> None:
    london = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=1)))
    assert to_text(london) == "2026-07-01T11:00:00.000000Z"
    assert from_text("2026-07-01T12:00:00+01:00") == london
    assert from_text("2026-07-01T11:00:00.000000Z").tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        to_text(datetime(2026, 1, 1))  # noqa: DTZ001  the point of the test
    with pytest.raises(ValueError, match="without a zone"):
        from_text("2026-01-01T00:00:00")
