"""Buses for these tests: in the process, and over a real broker with queues of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.bus import Bus, InProcessBus
from gateway.bus.rabbitmq import RabbitBus
from tests.engines import broker

MakeBus = Callable[[], Bus]


def mac(topic: str, some_id: str) -> bytes:
    """Stands for the installation's key."""
    return f"{topic}/{some_id}".encode()


@pytest.fixture(params=["in-process", "broker"])
async def make_bus(request: pytest.FixtureRequest) -> AsyncIterator[MakeBus]:
    """Makes buses that share their queues, as processes of one installation do."""
    made: list[Bus] = []
    in_process = InProcessBus()
    name = "" if request.param == "in-process" else broker().fresh()

    def make() -> Bus:
        bus: Bus = RabbitBus(broker().url, mac, name=name) if name else in_process
        made.append(bus)
        return bus

    yield make
    for bus in made:
        await bus.stop()
    await asyncio.sleep(0)
