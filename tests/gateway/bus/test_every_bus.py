"""What every bus promises: ids only, each handled, bounded, never twice at once in a process, one poisoned id stops nobody."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.bus import Bus
from gateway.keys.identifiers import SeededIds

MakeBus = Callable[[], Bus]
IDS = [SeededIds(f"every-{number}").entry() for number in range(150)]
SECONDS = 30  # this number belongs to `make test`: a busy machine is slow, a bus that lost an id never ends


async def until(condition: Callable[[], bool]) -> None:
    """Until it holds."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  counters of a handler that the broker calls: nothing to wait on
            await asyncio.sleep(0.005)


class Recorder:
    """A handler that remembers, and how many of it ran at once."""

    def __init__(self, poison: str = "") -> None:
        self.seen: list[str] = []
        self.poison = poison
        self.running: Counter[str] = Counter()
        self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, id: str) -> None:  # noqa: A002  the word of the contract
        self.running[id] += 1
        assert self.running[id] == 1, "the same id twice at once"
        self.most = max(self.most, self.running.total())
        await asyncio.sleep(0)
        await self.gate.wait()
        self.seen.append(id)
        self.running[id] -= 1
        if id == self.poison:
            raise LookupError("a text about somebody")

    async def has(self, number: int) -> None:
        """Until that many different ids were handled."""
        await until(lambda: len(set(self.seen)) >= number)


async def test_every_id_is_handled(make_bus: MakeBus) -> None:
    bus, recorder = make_bus(), Recorder()
    bus.subscribe("messages", recorder, 4)
    await bus.start()
    await asyncio.gather(*(bus.publish("messages", each) for each in IDS))
    await recorder.has(len(IDS))
    assert sorted(recorder.seen) == sorted(IDS)


async def test_concurrency_is_bounded_for_each_topic(make_bus: MakeBus) -> None:
    bus, messages, deliveries = make_bus(), Recorder(), Recorder()
    bus.subscribe("messages", messages, 3)
    bus.subscribe("deliveries", deliveries, 5)
    await bus.start()
    for each in IDS:
        await bus.publish("messages", each)
        await bus.publish("deliveries", each)
    await messages.has(len(IDS))
    await deliveries.has(len(IDS))
    assert messages.most <= 3
    assert deliveries.most <= 5


async def test_one_id_is_never_handled_twice_at_once_and_comes_again_when_it_ran(make_bus: MakeBus) -> None:
    bus, recorder = make_bus(), Recorder()
    bus.subscribe("messages", recorder, 8)
    await bus.start()
    recorder.gate.clear()
    await bus.publish("messages", IDS[0])
    await until(lambda: recorder.running.total() > 0)
    for _ in range(5):
        await bus.publish("messages", IDS[0])
    await bus.publish("messages", IDS[1])
    recorder.gate.set()
    await recorder.has(2)
    await until(lambda: recorder.seen.count(IDS[0]) >= 2)


async def test_a_poisoned_id_stops_nobody_and_its_text_is_not_logged(
    make_bus: MakeBus, capsys: pytest.CaptureFixture[str]
) -> None:
    bus, recorder = make_bus(), Recorder(poison=IDS[3])
    bus.subscribe("messages", recorder, 1)
    await bus.start()
    for each in IDS[:10]:
        await bus.publish("messages", each)
    await recorder.has(10)
    await bus.stop()
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["code"], line["id"], line["error"]) for line in logged] == [
        ("bus-handler-failed", IDS[3], "LookupError")
    ]
    assert "somebody" not in json.dumps(logged)


@pytest.mark.parametrize("content", ["9990000018", "A1234BC", "Ann Example", "", "{}", "0" * 27, "0" * 19, "I" * 20])
async def test_nothing_but_an_id_is_carried(make_bus: MakeBus, content: str) -> None:
    with pytest.raises(ValueError, match="ids") as raised:
        await make_bus().publish("messages", content)
    assert not content or content not in str(raised.value)


async def test_stop_lets_what_runs_finish(make_bus: MakeBus) -> None:
    bus, recorder = make_bus(), Recorder()
    bus.subscribe("messages", recorder, 1)
    await bus.start()
    recorder.gate.clear()
    for each in IDS[:5]:
        await bus.publish("messages", each)
    await until(lambda: recorder.running.total() > 0)
    stopping = asyncio.create_task(bus.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    recorder.gate.set()
    await stopping
    assert recorder.seen == IDS[:1]
    assert bus.pending() == 0
