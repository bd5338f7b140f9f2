"""A letter that cannot go now wakes nobody who waits for it: a broker queues each id as often as it is published."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.steps.standing import InFront
from tests.flow.test_delivery import supply
from tests.line import running

LETTERS = 12


async def test_a_row_of_letters_behind_one_that_waits_is_published_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was refused for a moment; each of the others looks once whether it may go. Each woke the next two, and those the next."""
    async with running(tmp_path) as line:
        published: list[str] = []
        publish = line.gateway.bus.publish

        async def counted(topic: Any, some_id: str) -> None:
            if topic == "deliveries":
                published.append(some_id)
            await publish(topic, some_id)

        line.neighbours["pharmacy"].up = False
        await line.play(*(supply(number + 1) for number in range(LETTERS)))
        monkeypatch.setattr(line.gateway.bus, "publish", counted)
        first = line.deliveries()[0].id
        await line.gateway._publish("deliveries", first)
        for _ in range(20):  # a broker is quiet between two of them
            await asyncio.sleep(0.05)
            await line.gateway._idle()
        first_of_all, *behind = (line.waits_for(row.id) for row in line.deliveries())
        assert first_of_all is None
        assert behind == [InFront.LETTER] * (LETTERS - 1)
        assert 1 <= len(published) <= 2 * LETTERS, len(published)
