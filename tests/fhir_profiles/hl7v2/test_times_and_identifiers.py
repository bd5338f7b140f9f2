"""Timestamps keep their precision and their offset, or get London's; identifiers are checked by their own rules."""

import pytest

from fhir_profiles.hl7_times import fhir_date, fhir_date_time, fhir_instant, fhir_time, is_before
from fhir_profiles.identifiers import nhs_number_is_valid, prison_number_is_valid


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026", "2026"),
        ("202603", "2026-03"),
        ("20260301", "2026-03-01"),
        ("2026030109", "2026-03-01T09:00:00+00:00"),
        ("202603010945", "2026-03-01T09:45:00+00:00"),
        ("20260301094512", "2026-03-01T09:45:12+00:00"),
        ("20260301094512.1234", "2026-03-01T09:45:12.1234+00:00"),
        ("20260701094512", "2026-07-01T09:45:12+01:00"),
        ("20260701094512-0500", "2026-07-01T09:45:12-05:00"),
        ("20260701+0100", "2026-07-01"),
        ("20260329013000", "2026-03-29T01:30:00+00:00"),
        ("20261025013000", "2026-10-25T01:30:00+01:00"),
        ("20261025023000", "2026-10-25T02:30:00+00:00"),
        ("20240229", "2024-02-29"),
        ("20260229", None),
        ("20261301", None),
        ("20260301250000", None),
        ("20260301094512+1500", None),
        ("20260301094512+0160", None),
        ("00000101", None),
        ("2026-03-01", None),
        ("tomorrow", None),
        ("", None),
        ("2026030", None),
        ("٢٠٢٦", None),
    ],
)
def test_timestamps(written: str, moment: str | None) -> None:
    assert fhir_date_time(written) == moment


def test_dates_instants_and_times() -> None:
    assert fhir_date("19850713000000") == "1985-07-13"
    assert fhir_date("x") is None
    assert fhir_instant("20260301") is None
    assert fhir_instant("20260301094512") == "2026-03-01T09:45:12+00:00"
    assert fhir_time("0830") == "08:30:00"
    assert fhir_time("083015.5+0100") == "08:30:15"
    assert fhir_time("2460") is None
    assert fhir_time("8") is None


@pytest.mark.parametrize(
    ("first", "second", "before"),
    [
        ("2026-03-01", "2026-03-02", True),
        ("2026-03-01", "2026-03-01T09:00:00+00:00", False),
        ("2026-03", "2026-03-31", False),
        ("2026-03-01T10:00:00+01:00", "2026-03-01T09:30:00+00:00", True),
        ("2026-03-01T10:00:00.5+00:00", "2026-03-01T10:00:00+00:00", False),
    ],
)
def test_before(first: str, second: str, before: bool) -> None:
    assert is_before(first, second) is before


@pytest.mark.parametrize("number", ["9990000018", "9990000026", "9434765919", "4010232137"])
def test_nhs_numbers(number: str) -> None:
    """Modulus 11; a number with one digit changed is never valid."""
    assert nhs_number_is_valid(number)
    for place in range(10):
        wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        assert not nhs_number_is_valid(wrong)


@pytest.mark.parametrize("number", ["", "999000001", "99900000181", "999000001X", "9990000018 ", "9990000000"])
def test_no_nhs_numbers(number: str) -> None:
    assert not nhs_number_is_valid(number)


def test_prison_numbers() -> None:
    assert prison_number_is_valid("A1234BC")
    assert not any(map(prison_number_is_valid, ["", "A123BC", "a1234bc", "A1234BCD", "11234BC", "A1234B1"]))
