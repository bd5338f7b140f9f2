"""The bus: ids only, bounded concurrency, one poisoned id stops nobody; and a bad bus that is bad in the same way twice."""

import asyncio
import json
from collections import Counter

import pytest

from gateway.bus import Bus, BusError, InProcessBus, UnreliableBus
from gateway.keys.identifiers import SeededIds

IDS = [SeededIds(number).entry() for number in range(200)]


async def settled(bus: Bus) -> None:
    while bus.pending():  # noqa: ASYNC110  the bus has no event for it, and nothing sleeps here
        await asyncio.sleep(0)


async def handling(recorder: "Recorder") -> None:
    while not recorder.running.total():  # noqa: ASYNC110  nothing sleeps here either
        await asyncio.sleep(0)


class Recorder:
    """A handler that remembers, and how many of it ran at once."""

    def __init__(self, poison: str = "") -> None:
        self.seen: list[str] = []
        self.poison = poison
        self.running: Counter[str] = Counter()
        self.most = 0

    async def __call__(self, id: str) -> None:  # noqa: A002  the word of the contract
        self.running[id] += 1
        assert self.running[id] == 1, "the same id twice at once"
        self.most = max(self.most, self.running.total())
        await asyncio.sleep(0)
        self.seen.append(id)
        self.running[id] -= 1
        if id == self.poison:
            raise LookupError("a text about somebody")


async def test_every_id_is_handled_in_order() -> None:
    bus, recorder = InProcessBus(), Recorder()
    bus.subscribe("messages", recorder, 1)
    await bus.start()
    for each in IDS:
        await bus.publish("messages", each)
    await settled(bus)
    await bus.stop()
    assert recorder.seen == IDS


async def test_concurrency_is_bounded_for_each_topic() -> None:
    bus, messages, deliveries = InProcessBus(), Recorder(), Recorder()
    bus.subscribe("messages", messages, 3)
    bus.subscribe("deliveries", deliveries, 5)
    await bus.start()
    for each in IDS:
        await bus.publish("messages", each)
        await bus.publish("deliveries", each)
    await settled(bus)
    await bus.stop()
    assert (messages.most, deliveries.most) == (3, 5)
    assert sorted(messages.seen) == sorted(deliveries.seen) == sorted(IDS)


async def test_an_id_that_waits_is_not_queued_twice_and_one_that_runs_comes_again() -> None:
    bus, recorder = InProcessBus(), Recorder()
    bus.subscribe("messages", recorder, 2)
    for _ in range(3):
        await bus.publish("messages", IDS[0])
    assert bus.pending() == 1
    await bus.start()
    await handling(recorder)
    await bus.publish("messages", IDS[0])
    await bus.publish("messages", IDS[0])
    await settled(bus)
    await bus.stop()
    assert recorder.seen == [IDS[0], IDS[0]]


async def test_a_poisoned_id_stops_nobody_and_its_text_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    bus, recorder = InProcessBus(), Recorder(poison=IDS[3])
    bus.subscribe("messages", recorder, 1)
    await bus.start()
    for each in IDS[:10]:
        await bus.publish("messages", each)
    await settled(bus)
    await bus.stop()
    assert recorder.seen == IDS[:10]
    logged = json.loads(capsys.readouterr().err)
    assert (logged["code"], logged["id"], logged["error"]) == ("bus-handler-failed", IDS[3], "LookupError")
    assert "somebody" not in json.dumps(logged)


@pytest.mark.parametrize("bus", [InProcessBus(), UnreliableBus(1)], ids=["good", "bad"])
@pytest.mark.parametrize("content", ["9990000018", "A1234BC", "Ann Example", "", "{}", "0" * 27, "0" * 19, "I" * 20])
async def test_nothing_but_an_id_is_carried(bus: Bus, content: str) -> None:
    with pytest.raises(ValueError, match="ids") as raised:
        await bus.publish("messages", content)
    assert not content or content not in str(raised.value)


async def test_a_full_queue_is_said_and_nothing_is_kept_twice() -> None:
    bus, recorder = InProcessBus(longest_queue=5), Recorder()
    bus.subscribe("messages", recorder, 1)
    for each in IDS[:5]:
        await bus.publish("messages", each)
    with pytest.raises(BusError, match="full"):
        await bus.publish("messages", IDS[5])
    await bus.publish("messages", IDS[0])
    await bus.start()
    await settled(bus)
    await bus.stop()
    assert recorder.seen == IDS[:5]


async def test_a_topic_has_one_handler_and_needs_one() -> None:
    bus = InProcessBus()
    with pytest.raises(BusError, match="nobody listens"):
        await bus.publish("messages", IDS[0])
    bus.subscribe("messages", Recorder(), 1)
    with pytest.raises(ValueError, match="one handler"):
        bus.subscribe("messages", Recorder(), 1)


async def test_stop_lets_what_runs_finish_and_forgets_what_waits() -> None:
    bus, recorder = InProcessBus(), Recorder()
    bus.subscribe("messages", recorder, 1)
    await bus.start()
    for each in IDS[:5]:
        await bus.publish("messages", each)
    await handling(recorder)
    await bus.stop()
    assert recorder.seen == IDS[:1]
    assert bus.pending() == 0
    await bus.start()
    await bus.publish("messages", IDS[9])
    await settled(bus)
    await bus.stop()
    assert recorder.seen == [IDS[0], IDS[9]]


# The bad bus


async def run_badly(seed: int) -> tuple[list[str], UnreliableBus]:
    bus, recorder = UnreliableBus(seed), Recorder()
    bus.subscribe("messages", recorder, 1)
    for each in IDS:
        try:
            await bus.publish("messages", each)
        except BusError:
            continue
    await bus.start()
    await settled(bus)
    await bus.stop()
    return recorder.seen, bus


async def test_a_bad_bus_loses_repeats_returns_and_reorders() -> None:
    seen, bus = await run_badly(1)
    assert 20 <= bus.lost <= 60
    assert 8 <= bus.returned <= 35
    assert 20 <= bus.repeated <= 60
    assert len(set(seen)) == len(IDS) - bus.lost - bus.returned
    assert sum(count - 1 for count in Counter(seen).values()) == bus.repeated
    first_time = list(dict.fromkeys(seen))
    assert first_time != sorted(first_time, key=IDS.index)


async def test_a_bad_bus_is_bad_in_the_same_way_for_the_same_seed() -> None:
    assert (await run_badly(1))[0] == (await run_badly(1))[0] != (await run_badly(2))[0]


async def test_a_sweep_brings_everything_through_a_bad_bus() -> None:
    bus, recorder = UnreliableBus(3), Recorder()
    bus.subscribe("messages", recorder, 4)
    await bus.start()
    sweeps = 0
    while missing := [each for each in IDS if each not in recorder.seen]:
        sweeps += 1
        for each in missing:
            try:
                await bus.publish("messages", each)
            except BusError:
                continue
        await settled(bus)
    await bus.stop()
    assert set(recorder.seen) == set(IDS)
    assert 1 < sweeps < 40
