"""Rows of an extract: nobody leaves who does not look like at least k, whatever the rows are, and nothing is told of a group that is all alike."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import extracts
from consent.extracts import ALIKE, COLUMNS, HIDDEN, KNOWN_OUTSIDE, TOLD, K, Row, close_extract, measures_of


def row(number: int, **cells: str) -> Row:
    plain = {
        "pseudonym": f"{number:04}",
        "sex": "male",
        "age_band": "30-39",
        "month": "2026-01",
        "establishment": "ZFG",
        "reception": "yes",
        "handover": "none",
        "treatment": ("opioid-substitution", "none-recorded")[number % 2],
    }
    return Row(cells={**plain, **cells})


def made_up(seed: int, count: int) -> list[Row]:
    """People of two small and one large establishment, as unlike as people are."""
    random = Random(seed)
    return [
        row(
            number,
            sex=random.choice(("male", "male", "male", "female")),
            age_band=random.choice(("20-29", "30-39", "40-49", "not-known")),
            month=random.choice(("2026-01", "2026-02", "2026-03")),
            establishment=random.choice(("ZFG", "ZFG", "ZFG", "ZFG", "ZWG", "ZXG")),
            handover=random.choice(("in-time", "late", "none")),
            reception=random.choice(("yes", "no", "")),
        )
        for number in range(count)
    ]


def broken(rows: tuple[Row, ...], k: int) -> list[str]:
    """What is wrong with a file, found by counting what can be read in it."""
    groups = Counter(tuple(each.cells[name] for name in KNOWN_OUTSIDE) for each in rows)
    found = [f"a group of {count}" for count in groups.values() if count < k]
    for group, count in groups.items():
        own = [each for each in rows if tuple(each.cells[name] for name in KNOWN_OUTSIDE) == group]
        for name in TOLD:
            value, most = Counter(each.cells[name] for each in own).most_common(1)[0]
            if value != HIDDEN and most > ALIKE * count:
                found.append(f"{name} is told of a group that is alike")
    return found


def test_who_looks_like_ten_leaves_and_who_does_not_is_counted() -> None:
    made = close_extract(
        [*(row(number) for number in range(10)), *(row(90 + each, age_band="60-and-over") for each in range(9))]
    )
    assert len(made.rows) == 10
    assert made.suppressed == 9
    assert made.measures.smallest == 10
    assert made.measures.highest_risk == 0.1
    assert {each.cells["establishment"] for each in made.rows} == {"ZFG"}
    assert {each.cells["reception"] for each in made.rows} == {HIDDEN}, "to be in the group would be to have it"
    assert {each.cells["treatment"] for each in made.rows} == {"opioid-substitution", "none-recorded"}
    assert set(COLUMNS) == made.rows[0].cells.keys()


def test_who_is_few_in_a_place_is_shown_without_it() -> None:
    few = [row(number, establishment="ZWG" if number < 6 else "ZXG") for number in range(12)]
    made = close_extract([*few, *(row(50 + number) for number in range(10))])
    assert Counter(each.cells["establishment"] for each in made.rows) == {HIDDEN: 12, "ZFG": 10}
    assert close_extract(few[:9]).rows == ()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 400), k=st.integers(K, 30))
def test_no_file_has_a_group_that_is_small_or_alike(seed: int, count: int, k: int) -> None:
    rows = made_up(seed, count)
    made = close_extract(rows, k)
    assert broken(made.rows, k) == []
    assert len(made.rows) + made.suppressed == count
    assert made.measures == measures_of(made.rows)
    assert made.measures.smallest >= k or not made.rows
    assert made.rows == close_extract(rows[::-1], k).rows, "the order in which people were looked at is in no file"


def test_what_looks_at_a_file_finds_a_guard_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: k that is not kept, and a group that is alike and told."""
    rows = made_up(7, 300)
    assert broken(tuple(rows), K)
    assert broken(tuple(row(number) for number in range(20)), K) == [
        "reception is told of a group that is alike",
        "handover is told of a group that is alike",
    ]
    monkeypatch.setattr(extracts, "K", 2)
    assert broken(close_extract(rows, 2).rows, K)
    monkeypatch.setattr(extracts, "ALIKE", 1.0)
    assert broken(close_extract([row(number) for number in range(20)], K).rows, K)


def test_rules_that_hide_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        close_extract([], 9)
    with pytest.raises(ValueError, match="twice"):
        close_extract([row(1), row(1)])
