"""A recipient that is down keeps nobody else waiting, however many letters for it wait: a sweep brings what can go, not what came first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import unfinished
from tests.builders import adt_a03, synthetic_person
from tests.flow.test_delivery import supply
from tests.line import running
from tests.world import check_world

AT_ONCE = 3


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A sweep looks at three letters at a time, so that a test need not make five hundred."""
    monkeypatch.setattr(unfinished, "PUBLISHED_AT_ONCE", AT_ONCE)
    unfinished._due_to.cache_clear()
    yield
    unfinished._due_to.cache_clear()


async def test_letters_behind_a_recipient_that_is_down_hide_no_other(tmp_path: Path) -> None:
    """Five copies wait for the pharmacy, four of them behind the first; a handover that was refused for a moment goes on all the same."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].up = False
        await line.play(*(supply(number + 1) for number in range(AT_ONCE + 2)))
        line.neighbours["northfell"].up = False
        await line.play(adt_a03(synthetic_person(2)))
        line.neighbours["northfell"].up = True
        line.clock.advance(seconds=5)
        await line.settle()
        assert [row.state for row in line.deliveries() if row.recipient == "northfell"] == ["delivered"]
        assert {row.state for row in line.deliveries() if row.recipient == "pharmacy"} == {"queued"}
        line.neighbours["pharmacy"].up = True
        for _ in range(10):
            line.clock.advance(minutes=10)
            await line.settle()
        assert {row.state for row in line.deliveries()} == {"delivered"}
        check_world(line)
