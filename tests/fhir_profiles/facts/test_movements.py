"""A release that is told after its reversal: which returns take it back, to the instant."""

from datetime import datetime
from typing import Any

import pytest

from fhir_profiles.movements import (
    READMITTED,
    REVERSIBLE,
    known_to_go_on,
    same_movement,
    stays_that_go_on,
    was_taken_back,
)
from fhir_profiles.systems import AGENCY

LEFT = "2026-01-15T12:00:00+00:00"


def stay(start: str, tag: dict[str, Any], *, status: str = "in-progress", place: str = "ZFG") -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": "stay",
        "status": status,
        "meta": {"tag": [tag]},
        "class": {"code": "IMP"},
        "period": {"start": start},
        "serviceProvider": {"identifier": {"system": AGENCY, "value": place}},
    }


@pytest.mark.parametrize(
    ("back", "left", "taken"),
    [
        ("2026-01-15T11:59:59.999+00:00", LEFT, False),
        (LEFT, LEFT, True),
        ("2026-01-15T13:00:00+01:00", LEFT, True),
        ("2026-01-15T12:44:59+00:00", LEFT, True),
        ("2026-01-15T12:45:00+00:00", LEFT, False),
        ("2026-01-15", "2026-01-15", False),
        ("2026-01-15", "2026-01-15T00:00:00+00:00", False),
        ("2026-01-15T00:00:00+00:00", "2026-01-15", False),
        ("", LEFT, False),
    ],
)
def test_a_return_takes_a_release_back_from_its_very_instant_on_and_never_by_a_day_alone(
    back: str, left: str, taken: bool
) -> None:
    """The ruling of decision 0030: at the same instant it is the reversal of it; a day without a time says nothing of the order."""
    released = stay("2026-01-02T09:00:00+00:00", REVERSIBLE, status="finished")
    assert was_taken_back([stay(back, READMITTED)], [released], left) is taken


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (LEFT, "2026-01-15T12:44:59+00:00", True),
        (LEFT, "2026-01-15T11:15:01+00:00", True),
        (LEFT, "2026-01-15T12:45:00+00:00", False),
        (LEFT, "2026-01-15T11:15:00+00:00", False),
        (None, LEFT, None),
        (LEFT, None, None),
    ],
)
def test_two_words_are_of_one_movement_within_the_window_to_the_second(
    one: str | None, other: str | None, same: bool | None
) -> None:
    assert same_movement(datetime.fromisoformat(one) if one else None, other) is same


def test_a_return_elsewhere_or_of_another_kind_takes_nothing_back() -> None:
    released = stay("2026-01-02T09:00:00+00:00", REVERSIBLE, status="finished")
    assert not was_taken_back([stay(LEFT, READMITTED, place="ZEX")], [released], LEFT)
    assert not was_taken_back([stay(LEFT, REVERSIBLE)], [released], LEFT)
    assert not was_taken_back([stay(LEFT, READMITTED, status="finished")], [released], LEFT)


@pytest.mark.parametrize(
    ("back", "goes_on"), [("2026-01-10T09:00:00Z", False), ("2026-01-20T09:00:00Z", True), (None, True)]
)
def test_a_stay_whose_beginning_nobody_told_ends_with_the_end_that_another_system_tells(
    back: str | None, *, goes_on: bool
) -> None:
    """Back from court on the 10th and released on the 15th by the health record's word; back on the 20th, or nobody knows when: in custody."""
    went_on = stay("", {"code": "none"})
    del went_on["period"]
    went_on["id"] = "told by the other system"
    known_to_go_on(went_on, back)
    record = stay("2026-01-02T09:00:00+00:00", {"code": "none"}, status="finished")
    record["period"]["end"] = LEFT
    assert (went_on in stays_that_go_on([went_on, record], None)) is goes_on
