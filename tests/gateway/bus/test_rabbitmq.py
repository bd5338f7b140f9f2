"""The broker: what it does not take is noticed, what is not ours is dropped, and losing all of it is survived."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest

from gateway.bus import BusError
from gateway.bus.rabbitmq import DELIVERY_LIMIT, TOPICS, RabbitBus
from gateway.errors import SettingsError
from gateway.keys.identifiers import SeededIds
from tests.engines import broker, own_broker
from tests.gateway.bus.conftest import mac
from tests.gateway.bus.test_every_bus import Recorder

IDS = [SeededIds(f"broker-{number}").entry() for number in range(60)]


@pytest.fixture
async def channel() -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """Somebody else on the broker."""
    connection = await aio_pika.connect(broker().url)
    yield await connection.channel()
    await connection.close()


def bus_of(name: str, **settings: float) -> RabbitBus:
    return RabbitBus(broker().url, mac, name=name, **settings)  # type: ignore[arg-type]  # numbers of two kinds


async def test_a_body_is_an_id_and_its_mac_and_nothing_stands_beside_it(
    channel: aio_pika.abc.AbstractChannel,
) -> None:
    name = broker().fresh()
    bus = bus_of(name)
    await bus.start()
    await bus.publish("deliveries", IDS[0])
    await bus.stop()
    queue = await channel.get_queue(f"{name}.deliveries", ensure=False)
    message = await queue.get()
    assert message is not None
    assert message.body == f"{IDS[0]}.{mac('deliveries', IDS[0]).hex()}".encode()
    assert (message.routing_key, set(message.headers)) == ("deliveries", {"x-delivery-count"})
    assert re.fullmatch("[0-9a-f]{32}", message.message_id or "")  # random, made by the driver
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    await message.ack()


async def test_the_broker_has_the_queues_that_nothing_is_lost_in(channel: aio_pika.abc.AbstractChannel) -> None:
    """As the broker itself says: on several disks, refusing when full, giving up after some deliveries, and keeping what was given up."""
    name = broker().fresh()
    bus = bus_of(name)
    bus.subscribe("deliveries", Recorder(), concurrency=3)
    await bus.start()
    try:
        columns = ("name", "durable", "arguments")
        lines = broker().control("list_queues", *columns).splitlines()
        found = {line.split("\t")[0]: line for line in lines if line.startswith(f"{name}.")}
        assert set(found) == {f"{name}.{each}" for each in (*TOPICS, "dead")}
        for queue, line in found.items():
            assert line.split("\t")[1] == "true", queue
            assert '"x-queue-type","quorum"' in line, queue
            assert '"x-max-length"' in line, queue
        for topic in TOPICS:
            line = found[f"{name}.{topic}"]
            for asked in (
                '"x-overflow","reject-publish"',
                f'"x-delivery-limit",{DELIVERY_LIMIT}',
                f'"x-dead-letter-exchange","{name}.dead"',
                '"x-dead-letter-strategy","at-least-once"',
            ):
                assert asked in line, (topic, asked)
        consumers = broker().control("list_consumers", "queue_name", "prefetch_count").splitlines()
        assert f"{name}.deliveries\t6" in consumers, "twice of what is worked on at once, and no more"
    finally:
        await bus.stop()
    await channel.default_exchange.publish(aio_pika.Message(b"given up"), f"{name}.messages")
    messages = await channel.get_queue(f"{name}.messages", ensure=False)
    for _ in range(DELIVERY_LIMIT + 1):
        given = await messages.get()
        assert given is not None
        await given.nack(requeue=True)
    assert await messages.get(fail=False) is None, "it is given back for ever"
    dead = await channel.get_queue(f"{name}.dead", ensure=False)
    async with asyncio.timeout(10):
        while (kept := await dead.get(fail=False)) is None:  # noqa: ASYNC110 - the broker has no event for it
            await asyncio.sleep(0.05)
    assert kept.body == b"given up"
    await kept.ack()


@pytest.mark.parametrize(
    "body",
    [
        IDS[1].encode(),
        f"{IDS[1]}.{mac('messages', IDS[2]).hex()}".encode(),
        f"{IDS[1]}.{mac('deliveries', IDS[1]).hex()}".encode(),
        f"9990000018.{mac('messages', '9990000018').hex()}".encode(),
        b"\xff" * 80,
        b"x" * 100_000,
        b"",
    ],
    ids=["no-mac", "another-id", "another-topic", "no-id", "no-text", "long", "empty"],
)
async def test_what_this_installation_did_not_write_is_dropped_and_counted(
    channel: aio_pika.abc.AbstractChannel, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    name = broker().fresh()
    bus, recorder = bus_of(name), Recorder()
    bus.subscribe("messages", recorder, 2)
    await bus.start()
    exchange = await channel.get_exchange(name, ensure=False)
    await exchange.publish(aio_pika.Message(body), routing_key="messages")
    await bus.publish("messages", IDS[0])
    await recorder.has(1)
    await bus.stop()
    assert recorder.seen == [IDS[0]]
    assert bus.refused == 1
    assert json.loads(capsys.readouterr().err)["code"] == "bus-refused"
    left = await channel.declare_queue(f"{name}.messages", passive=True)
    assert left.declaration_result.message_count == 0


async def test_what_came_back_before_the_broker_confirmed_it_was_not_handed_over_lately() -> None:
    """A sweep may bring it again at once: nothing of it waits at the broker. What it did not take was not handed over either."""
    bus, recorder = bus_of(broker().fresh()), Recorder()
    bus.subscribe("deliveries", recorder, 1)
    await bus.start()
    exchange = bus._exchange
    assert exchange is not None
    publish = exchange.publish

    async def confirmed_late(*message: Any, **how: Any) -> object:
        done = await publish(*message, **how)
        await recorder.has(1)
        return done

    async def refused(*_: object, **__: object) -> None:
        raise ConnectionError

    exchange.publish = confirmed_late  # type: ignore[assignment,method-assign]  # the same, later
    await bus.publish("deliveries", IDS[0])
    assert not bus.lately("deliveries", IDS[0])
    exchange.publish = refused  # type: ignore[method-assign]  # the same, never
    with pytest.raises(BusError):
        await bus.publish("deliveries", IDS[1])
    assert not bus.lately("deliveries", IDS[1])
    await bus.stop()


async def test_a_queue_that_is_gone_is_noticed(channel: aio_pika.abc.AbstractChannel) -> None:
    name = broker().fresh()
    bus = bus_of(name)
    await bus.start()
    await (await channel.get_queue(f"{name}.messages", ensure=False)).delete(if_unused=False, if_empty=False)
    with pytest.raises(BusError, match="did not take it"):
        await bus.publish("messages", IDS[0])
    await bus.publish("deliveries", IDS[0])
    await bus.stop()


async def test_a_full_queue_is_noticed() -> None:
    bus = bus_of(broker().fresh(), longest_queue=5)
    await bus.start()
    refused = 0
    for each in IDS:
        try:
            await bus.publish("messages", each)
        except BusError:
            refused += 1
    await bus.stop()
    assert refused > len(IDS) / 2


async def test_without_a_broker_it_starts_and_says_so_at_once() -> None:
    bus = RabbitBus("amqp://guest:guest@127.0.0.1:1/", mac, name="nobody", publish_seconds=1)
    starting = asyncio.create_task(bus.start())
    async with asyncio.timeout(1):
        with pytest.raises(BusError, match="away"):
            await bus.publish("messages", IDS[0])
    starting.cancel()
    await bus.stop()


async def test_a_broker_that_does_not_answer_costs_one_time_limit() -> None:
    """Half open: connected, and nothing comes back."""
    name = broker().fresh()
    bus = bus_of(name, publish_seconds=0.3)
    await bus.start()
    stuck = asyncio.Event()

    class Stuck:
        async def publish(self, *_: object, **__: object) -> None:
            await stuck.wait()

    bus._exchange = Stuck()  # type: ignore[assignment]  # stands for a broker that never confirms
    with pytest.raises(BusError, match="in time"):
        await bus.publish("messages", IDS[0])
    async with asyncio.timeout(20):
        while True:
            try:
                await bus.publish("messages", IDS[0])
            except BusError:
                await asyncio.sleep(0.02)
            else:
                break
    await bus.stop()


@pytest.mark.slow
async def test_a_broker_that_is_killed_and_wiped_is_used_again() -> None:
    with own_broker() as mine:
        bus, recorder = RabbitBus(mine.url, mac, name="own"), Recorder()
        bus.subscribe("messages", recorder, 4)
        await bus.start()
        for each in IDS[:10]:
            await bus.publish("messages", each)
        await recorder.has(10)
        await asyncio.to_thread(mine.kill)
        await asyncio.to_thread(mine.wipe)
        with pytest.raises(BusError):
            await bus.publish("messages", IDS[10])
        await asyncio.to_thread(mine.start)
        async with asyncio.timeout(60):
            for each in IDS[10:20]:
                while True:
                    try:
                        await bus.publish("messages", each)
                    except BusError:
                        await asyncio.sleep(0.05)
                    else:
                        break
        await recorder.has(20)
        await bus.stop()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("amqp://broker.example/", "amqps, verified"),
        ("amqps://broker.example/?no_verify_ssl=1", "amqps, verified"),
        ("http://localhost/", "is one"),
        ("amqp://x@localhost/?password_file=/nowhere/at/all", "password_file"),
    ],
)
def test_an_unsafe_address_is_refused(url: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        RabbitBus(url, mac, name="x")


def test_the_drivers_loggers_do_not_speak_of_bodies() -> None:
    for name in ("aiormq", "aiormq.connection", "aio_pika"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
