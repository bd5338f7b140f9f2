"""Timelines of reception, transfer, court, absence, release, reversal and merge (tests/faults/timelines.py): what each had to bring came.

Every real release has its handover at once; no care ends by a reversed one; each reversal has its correction; nothing else leaves. 500 in
`make test`, 10,000 in `make soak`. Who is failed is played alone by the command that the failure names.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fhir_profiles import movements
from fhir_profiles.mappings import hmpps_event
from fhir_profiles.mappings.adt_a03 import EVENTS as EVENT_OF_DISPOSITION
from fhir_profiles.shapes import Event
from gateway.journeys import cancelled, plan
from gateway.steps import letters
from tests.faults import timelines
from tests.faults.account import Account, number

PEOPLE = 500
SHARDS = number(500, 10_000) // PEOPLE


@pytest.mark.slow(seconds=80)
@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_timelines(shard: int, account: Callable[..., Account]) -> None:
    total = timelines.play(shard, range(1, PEOPLE + 1))
    chapters = {each.__name__ for each in timelines.CHAPTERS}
    assert {name for name, times in total.items() if times} >= chapters, "a kind of movement that nobody had"
    note = ", ".join(f"{name} {total[name]}" for name in sorted(chapters))
    account(
        name=f"timelines/{shard}", attempted=total["words"], acked=total["words"], recovered=total["letters"], note=note
    )


def _no_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(movements, "REVERSAL_WINDOW", timedelta(0))


def _a_death_is_a_release(patch: pytest.MonkeyPatch) -> None:
    meanings = dict.fromkeys(EVENT_OF_DISPOSITION, Event.RELEASE)
    patch.setattr(hmpps_event, "EVENT_OF_DISPOSITION", meanings)


def _certain_at_once(patch: pytest.MonkeyPatch) -> None:
    real = plan._context
    patch.setattr(plan, "_context", lambda *given: replace(real(*given), provisional=False))


def _nobody_is_corrected(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(letters, "arrived_of", lambda _handovers: ())


def _order_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cancelled, "was_taken_back", lambda *_given: False)


def _absent_decides(patch: pytest.MonkeyPatch) -> None:
    real = movements.same_movement
    patch.setattr(cancelled, "same_movement", lambda *given: real(*given) is not False)


def _only_the_last_word_is_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(letters, "of_last_movement", lambda handovers, _resources: handovers[:1])


@pytest.mark.parametrize(
    "sabotage",
    [
        _no_window,
        _a_death_is_a_release,
        _certain_at_once,
        _nobody_is_corrected,
        _order_is_believed,
        _absent_decides,
        _only_the_last_word_is_known,
    ],
)
def test_sabotage_is_found(sabotage: Callable[[pytest.MonkeyPatch], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few people somebody is failed, and the failure says how to play them."""
    sabotage(monkeypatch)
    with pytest.raises(AssertionError, match=r"python -m tests.faults.timelines 0 \d+|another letter"):
        timelines.play(0, range(1, 16))


def test_the_same_people_live_the_same_lives() -> None:
    first, again = (timelines.Story(shard=3, number=7) for _ in range(2))
    assert (first.words, first.wanted) == (again.words, again.wanted)
    assert first.words != timelines.Story(shard=4, number=7).words
