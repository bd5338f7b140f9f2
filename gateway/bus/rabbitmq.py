"""The bus of the production mode: RabbitMQ, with an id and its MAC in every body and nothing anywhere else.

The broker may be away, full, or lose everything: whatever is not confirmed in time is noticed, said, and left to the sweep. An id is
acknowledged to the broker when its effect is committed or its state is in the store. Attempts are counted in the store: brokers of
different versions count differently, so that the broker's own limit is only a backstop. This module MUST NOT put anything about a
message into a header or a routing key, nor believe an id whose MAC is not ours.
"""

import asyncio
import contextlib
import hmac
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import ChannelAccessRefused

from gateway.bus.protocol import BusError, Handler, Topic, check_id
from gateway.errors import SettingsError
from gateway.failpoints import pass_point
from gateway.log import Code, log

Mac = Callable[[str, str], bytes]
"""(topic, id) to the MAC under a key of this installation."""

Arguments = dict[str, Any]
TOPICS: Final[tuple[Topic, ...]] = ("messages", "deliveries", "answers")
LONGEST_QUEUE = 100_000
LONGEST_DEAD = 10_000
DELIVERY_LIMIT = 20
"""Redeliveries before the broker gives an id up: a backstop. The store has parked it long before, and the sweep knows it anyway."""
PUBLISH_SECONDS = 5.0
CONNECT_SECONDS = 5.0
BACKOFF_SECONDS = (0.1, 0.3, 1.0, 2.0)
LONGEST_BODY = 128
HEARTBEAT_SECONDS = 10
LATELY_SECONDS = 5.0
"""A sweep does not bring again what was confirmed this lately: in a long queue it would only wait there twice."""

for _noisy in ("aiormq", "aiormq.connection", "aiormq.channel", "aio_pika"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)  # INVARIANT: at DEBUG they write bodies


class _Line:
    """One topic: its handler, what is handled here now, and what came again meanwhile."""

    def __init__(self, topic: Topic, handler: Handler, concurrency: int) -> None:
        self.topic = topic
        self.handler = handler
        self.concurrency = concurrency
        self.free = asyncio.Semaphore(concurrency)
        self.running: set[str] = set()
        self.again: set[str] = set()
        self.taken = 0


class RabbitBus:
    """See `Bus`. `name` begins the names of its queues, so that installations may share a virtual host.

    Any number of processes may share the broker; an id may be handled by two of them at once, which the store sees to.
    """

    def __init__(
        self,
        url: str,
        mac: Mac,
        *,
        name: str,
        longest_queue: int = LONGEST_QUEUE,
        publish_seconds: float = PUBLISH_SECONDS,
    ) -> None:
        self._url = _safe(url)
        self._name = name
        self._mac = mac
        self._longest_queue = longest_queue
        self._publish_seconds = publish_seconds
        self._lines: dict[Topic, _Line] = {}
        self._exchange: AbstractExchange | None = None
        self._connection: AbstractConnection | None = None
        self._lost: asyncio.Event = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._consumers: list[tuple[AbstractQueue, str]] = []
        self._idle: asyncio.Event = asyncio.Event()
        self._stopping = False
        self._sent: dict[tuple[str, str], float] = {}
        self.refused = 0
        """Bodies that were not ours."""

    def subscribe(self, topic: Topic, handler: Handler, concurrency: int) -> None:
        if topic in self._lines:
            raise ValueError("a topic has one handler")
        self._lines[topic] = _Line(topic, handler, concurrency)

    async def publish(self, topic: Topic, id: str) -> None:  # noqa: A002  the word of the contract
        check_id(id)
        pass_point("bus.before-publish")
        exchange = self._exchange
        if exchange is None:
            raise BusError("the broker is away")
        message = aio_pika.Message(self._body(topic, id), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        if len(self._sent) >= self._longest_queue:
            self._sent.clear()
        self._sent[topic, id] = asyncio.get_running_loop().time()  # before it goes: it may be back before the confirm
        try:
            async with asyncio.timeout(self._publish_seconds):
                await exchange.publish(message, routing_key=topic, mandatory=True)
        except TimeoutError:
            self._sent.pop((topic, id), None)
            self._lost.set()  # half open or stuck: the next ones are refused at once until it is connected again
            raise BusError("the broker did not confirm in time") from None
        except Exception as error:  # noqa: BLE001  returned, refused, cut: whatever it was, the broker has not taken it
            self._sent.pop((topic, id), None)
            raise BusError(f"the broker did not take it: {type(error).__name__}") from None
        pass_point("bus.after-publish")

    def lately(self, topic: Topic, id: str) -> bool:  # noqa: A002  the word of the contract
        """Handed to this broker in the last seconds, not refused, and not come back here since."""
        sent = self._sent.get((topic, id))
        return sent is not None and asyncio.get_running_loop().time() - sent < LATELY_SECONDS

    def _body(self, topic: str, some_id: str) -> bytes:
        return f"{some_id}.{self._mac(topic, some_id).hex()}".encode()

    async def start(self) -> None:
        """Does not fail when the broker is away: it is looked for until it is there."""
        self._stopping = False
        first = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep_connected(first))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await first.wait()

    async def stop(self) -> None:
        self._stopping = True
        for queue, tag in self._consumers:
            with contextlib.suppress(Exception):  # the broker may be away; what was not acknowledged comes again
                async with asyncio.timeout(1):
                    await queue.cancel(tag)
        self._consumers = []
        while self._running():
            self._idle.clear()
            await self._idle.wait()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        await self._let_go()

    def pending(self) -> int:
        return sum(line.taken for line in self._lines.values())

    def _running(self) -> int:
        return sum(len(line.running) for line in self._lines.values())

    async def _keep_connected(self, first: asyncio.Event) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS * 4):
                    await self._connect()
            except Exception as error:  # noqa: BLE001  whatever it was, the broker is not there and is looked for again
                if failures == 0:
                    log(Code.BUS_AWAY, error=type(error).__name__)
            else:
                failures = 0
                first.set()
                await self._lost.wait()
                log(Code.BUS_AWAY, error="connection-lost")
            await self._let_go()
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            failures += 1

    async def _connect(self) -> None:
        self._lost.clear()
        self._sent.clear()  # what another life of the broker confirmed may be gone
        connection = await aio_pika.connect(self._url, timeout=CONNECT_SECONDS)
        self._connection = connection
        connection.close_callbacks.add(self._is_lost)
        publishing = await connection.channel(publisher_confirms=True, on_return_raises=True)
        publishing.close_callbacks.add(self._is_lost)
        exchange = await self._declare(publishing)
        for line in self._lines.values():
            taking = await connection.channel(publisher_confirms=False)
            taking.close_callbacks.add(self._is_lost)
            await taking.set_qos(prefetch_count=2 * line.concurrency)
            queue = await taking.get_queue(f"{self._name}.{line.topic}", ensure=False)
            self._consumers.append((queue, await queue.consume(self._taker(line))))
        self._exchange = exchange

    def _is_lost(self, *_: Any) -> None:
        self._lost.set()

    async def _declare(self, channel: AbstractChannel) -> AbstractExchange:
        """Everything durable; a full queue refuses; what the broker gives up goes to the dead letters, which nobody reads but people."""
        dead_letters = f"{self._name}.dead"
        dead = await channel.declare_exchange(dead_letters, aio_pika.ExchangeType.FANOUT, durable=True)
        limits: Arguments = {"x-queue-type": "quorum", "x-max-length": LONGEST_DEAD}
        await (await channel.declare_queue(dead_letters, durable=True, arguments=limits)).bind(dead)
        exchange = await channel.declare_exchange(self._name, aio_pika.ExchangeType.DIRECT, durable=True)
        for topic in TOPICS:
            arguments: Arguments = {
                "x-queue-type": "quorum",
                "x-overflow": "reject-publish",
                "x-max-length": self._longest_queue,
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": dead_letters,
                "x-dead-letter-strategy": "at-least-once",
            }
            queue = await channel.declare_queue(f"{self._name}.{topic}", durable=True, arguments=arguments)
            await queue.bind(exchange, routing_key=topic)
        return exchange

    async def _let_go(self) -> None:
        self._exchange = None
        self._consumers = []
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it may be gone already, or hang: nothing depends on a good end
                async with asyncio.timeout(2):
                    await connection.close()

    # What comes

    def _taker(self, line: _Line) -> Callable[[AbstractIncomingMessage], Any]:
        async def take(message: AbstractIncomingMessage) -> None:
            line.taken += 1
            try:
                await self._take(line, message)
            finally:
                line.taken -= 1
                if not self._running():
                    self._idle.set()

        return take

    async def _take(self, line: _Line, message: AbstractIncomingMessage) -> None:
        some_id = self._read(line.topic, message.body)
        self._sent.pop((line.topic, some_id or ""), None)
        if some_id is None:
            self.refused += 1
            log(Code.BUS_REFUSED, topic=line.topic)
        elif some_id in line.running:
            line.again.add(some_id)
        else:
            line.running.add(some_id)
            try:
                async with line.free:
                    if self._stopping:
                        return  # not acknowledged: it comes again, here or elsewhere
                    await self._handle(line, some_id)
            finally:
                line.running.discard(some_id)
        pass_point("bus.before-ack")
        with contextlib.suppress(Exception):  # the connection is gone: it comes again, and is done again without effect
            await message.ack()
        pass_point("bus.after-ack")

    async def _handle(self, line: _Line, some_id: str) -> None:
        while True:
            line.again.discard(some_id)
            try:
                await line.handler(some_id)
            except Exception as error:  # noqa: BLE001  one poisoned id never stops the topic; its state is in the store
                log(Code.BUS_HANDLER_FAILED, topic=line.topic, id=some_id, error=type(error).__name__)
            if some_id not in line.again or self._stopping:
                return

    def _read(self, topic: str, body: bytes) -> str | None:
        """The id, if this installation wrote it for this topic."""
        if len(body) > LONGEST_BODY:
            return None
        text, _, mac = body.partition(b".")
        try:
            some_id = text.decode("ascii")
            check_id(some_id)
            given = bytes.fromhex(mac.decode("ascii"))
        except ValueError:
            return None
        # INVARIANT: whoever can write to the broker cannot make the gateway do anything
        return some_id if hmac.compare_digest(given, self._mac(topic, some_id)) else None


def _safe(url: str) -> str:
    """INVARIANT: beyond this machine only TLS with a verified name."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise SettingsError("throughgate.toml", "gateway.bus_url", "amqps://user@host/vhost is one")
    if (not here and parts.scheme != "amqps") or "no_verify_ssl" in asked:
        raise SettingsError("throughgate.toml", "gateway.bus_url", "a broker on another machine needs amqps, verified")
    query = {name: values[-1] for name, values in asked.items()}
    if (place := query.pop("password_file", None)) is not None:
        try:
            password = quote(Path(place).read_text("utf-8").strip(), safe="")
        except OSError as error:
            raise SettingsError(
                "throughgate.toml", "gateway.bus_url", f"password_file cannot be read: {error.strerror}"
            ) from None
        user, _, where = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{user}:{password}@{where}")
    return urlunsplit(parts._replace(query=urlencode({"heartbeat": HEARTBEAT_SECONDS, **query})))


async def faults(url: str, name: str) -> list[str]:
    """What is missing before this broker can be used, each in a sentence: TLS, the way in, the user's rights, room.

    It makes an exchange and a queue of its own for a moment, under the same prefix as the real ones, and leaves nothing.
    """
    try:
        safe = _safe(url)
        async with asyncio.timeout(CONNECT_SECONDS * 2):
            connection = await aio_pika.connect(safe, timeout=CONNECT_SECONDS)
            try:
                await _try_everything(connection, f"{name}.check")
            finally:
                await connection.close()
    except SettingsError as error:
        return [error.text]
    except ChannelAccessRefused:
        return [f"the user may not configure, write and read `^{name}`: rabbitmqctl set_permissions"]
    except (aio_pika.exceptions.ProbableAuthenticationError, aio_pika.exceptions.AuthenticationError):
        return ["the broker refuses this user or its virtual host"]
    except TimeoutError:
        return ["the broker does not answer or confirm in time: is it there, and has it disk and memory?"]
    except Exception as error:  # noqa: BLE001  whatever the driver raises, the broker cannot be used as it is
        return [f"the broker cannot be used: {type(error).__name__}"]
    return []


async def _try_everything(connection: AbstractConnection, name: str) -> None:
    """Declare, bind, publish with a confirm, and take: the rights that a gateway needs, on names that end with the connection."""
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.DIRECT, auto_delete=True)
    queue = await channel.declare_queue(f"{name}.{id(connection):x}", exclusive=True, auto_delete=True)
    await queue.bind(exchange, routing_key=queue.name)
    await exchange.publish(aio_pika.Message(b"check"), routing_key=queue.name, mandatory=True)
    await queue.get(no_ack=True, timeout=CONNECT_SECONDS)
    await queue.delete(if_unused=False, if_empty=False)
