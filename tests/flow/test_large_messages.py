"""A backlog of large messages does not stand in memory: what is read at once is bounded by its bytes, and every message goes all the way."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_profiles.shapes import Translation
from gateway import translations
from gateway.steps import at_once, letters
from gateway.steps.at_once import fitting
from gateway.translations import Translations
from tests.builders import adt_a01, adt_a03, synthetic_person
from tests.line import running
from tests.world import check_world


def rows(*sizes: int) -> list[Any]:
    return [SimpleNamespace(bytes=size) for size in sizes]


@pytest.mark.parametrize(
    ("sizes", "how_many"), [((), 0), ((5,), 1), ((11,), 1), ((5, 5), 2), ((5, 6), 1), ((11, 1), 1), ((3, 3, 3, 3), 3)]
)
def test_as_many_as_fit_and_one_in_any_case(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], how_many: int
) -> None:
    monkeypatch.setattr(at_once, "TURN_BYTES", 10)
    assert len(fitting(rows(*sizes))) == how_many


def test_what_is_remembered_is_bounded_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest make room; what is too large alone is not kept and drives nobody out."""
    monkeypatch.setattr(translations, "KEPT", 3)
    monkeypatch.setattr(translations, "KEPT_BYTES", 10)
    kept, one = Translations(), Translation(bundle={}, events=(), persons=(), fields=())
    for name, size in (("A", 2), ("B", 2), ("C", 2), ("D", 2)):
        kept.keep(name, one, size)
    assert [each in kept for each in "ABCD"] == [False, True, True, True]
    kept.keep("E", one, 7)
    assert [each in kept for each in "BCDE"] == [False, False, True, True]
    kept.keep("F", one, 11)
    assert [each in kept for each in "DEF"] == [True, True, False]
    kept.keep("E", one, 1)
    kept.forget("D")
    kept.forget("D")
    kept.keep("G", one, 9)
    assert [kept.get(each) for each in "DEG"] == [None, one, one]


@pytest.mark.parametrize(("together", "expected"), [(1, 10), (at_once.TURN_BYTES, 2)])
async def test_every_message_of_a_turn_goes_all_the_way_however_few_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int, expected: int
) -> None:
    """Five people come and go in one backlog; with little room a turn looks again until each has had its letter, and looks no oftener."""
    looks = 0
    look = letters._look_at_all

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal looks
        looks += 1
        return look(*given, **named)

    monkeypatch.setattr(letters, "_look_at_all", counted)
    monkeypatch.setattr(at_once, "TURN_BYTES", together)
    people = [synthetic_person(number) for number in range(1, 6)]
    async with running(tmp_path) as line:
        await line.gateway.bus.stop()
        for each in people:
            await line.send(adt_a01(each, message_id=f"IN-{each.nhs_number}"))
        for each in people:
            await line.send(adt_a03(each, message_id=f"OUT-{each.nhs_number}"))
        came_and_went = [row.id for row in line.messages()]
        async with line.gateway._sweeping:
            await line.gateway._identify(came_and_went)
            for ids in (came_and_went[:5], came_and_went[5:]):
                done = letters.release_messages(line.gateway, ids)
                assert not [each for each in done if isinstance(each, Exception)], done
        assert looks == expected
        await line.gateway.bus.start()
        await line.settle()
        assert {row.state for row in line.messages()} == {"released"}
        assert len(line.neighbours["northfell"].effects) == len(people)
        check_world(line)
