"""Drives a gateway, a peer or the empty pipe: so many messages at once, each until its letters have come. Knows wires, not engines.

INVARIANT: what was sent is compared with what arrived. A letter that is missing, or came twice, is said beside the speed, and is a fault.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import aiohttp

from adapters.mllp.frames import framed
from gateway.bench.messages import Message
from gateway.bench.processes import Process
from gateway.errors import ThroughgateError

LATEST_SECONDS = 120
"""How long a letter may take before it is called lost."""
ER7 = "application/hl7-v2+er7"
ACCEPTED = (b"MSA|AA|", b"MSA|CA|")


class NotAccepted(ThroughgateError):
    """A message of the bench was refused: the run says nothing about speed. The text is the acknowledgement code alone."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of one thing. `seconds` are those that one message took, each; `started` and `ended` are monotonic."""

    seconds: tuple[float, ...]
    started: float
    ended: float
    sent: int
    lost: int = 0

    @property
    def per_second(self) -> float:
        return len(self.seconds) / max(self.ended - self.started, 1e-9)

    def percentile_ms(self, percent: int) -> float:
        """Milliseconds that this share of the messages did not exceed."""
        ordered = sorted(self.seconds) or [0.0]
        return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] * 1000


@dataclass(kw_only=True)
class Arrivals:
    """What the receivers got, as they say it. A message is named by its person's number and, among several of one person, its order."""

    copies: int = 1
    letters: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    orders: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    last: float = 0
    _open: dict[tuple[str, int], "asyncio.Future[float]"] = field(default_factory=dict)

    async def listen(self, receivers: Process) -> None:
        """Take every line until the receivers end."""
        assert receivers.output is not None
        while line := await receivers.output.readline():
            self.take(line.decode())

    def expect(self, message: Message) -> "asyncio.Future[float]":
        """The instant at which the last letter of a message had come; call it before the message is sent."""
        found: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._open[message.nhs_number, message.order] = found
        return found

    def lost(self, messages: Sequence[Message]) -> int:
        """Letters that did not come."""
        return sum(
            self.letters[message.nhs_number, message.order, place] == 0
            for message in messages
            for place in range(self.copies)
        )

    def doubled(self) -> int:
        """Letters beyond the first of each."""
        return sum(found - 1 for found in self.letters.values())

    def disordered(self) -> int:
        """Letters of one person that came to a recipient before an earlier one."""
        return sum(earlier > later for seen in self.orders.values() for earlier, later in pairwise(seen))

    def take(self, line: str) -> None:
        """One letter, as the receivers say it."""
        at_recipient, nhs_number, written, at, _ = line.split()
        self._count(int(at_recipient), nhs_number, int(written), float(at))

    def _count(self, place: int, nhs_number: str, order: int, at: float) -> None:
        # The empty pipe and a release do not say which prescription: then the person alone names the message.
        order = order if (nhs_number, order) in self._open or order == 0 else 0
        self.letters[nhs_number, order, place] += 1
        self.orders.setdefault((nhs_number, place), []).append(order)
        self.last = max(self.last, at)
        waiting = self._open.get((nhs_number, order))
        if waiting is None or waiting.done():
            return
        if all(self.letters[nhs_number, order, each] for each in range(self.copies)):
            waiting.set_result(at)


Post = Callable[[bytes], Awaitable[None]]
"""Sends one message and returns when it was acknowledged. Raises NotAccepted."""


@contextlib.asynccontextmanager
async def posting(url: str, bearer: str, connections: int) -> AsyncIterator[Post]:
    """`POST url` over kept connections."""
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": ER7}
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, headers=headers, trust_env=False) as session:

        async def post(body: bytes) -> None:
            async with session.post(url, data=body) as answer:
                _accepted(await answer.read())

        yield post


@contextlib.asynccontextmanager
async def speaking_mllp(port: int) -> AsyncIterator[Post]:
    """One connection, one message at a time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def post(body: bytes) -> None:
        writer.write(framed(body))
        _accepted(await reader.readuntil(b"\x1c\r"))

    try:
        yield post
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _accepted(answer: bytes) -> None:
    if not any(code in answer for code in ACCEPTED):
        raise NotAccepted(answer.partition(b"MSA|")[2][:2].decode("ascii", "replace") or "no acknowledgement")


async def until_arrived(
    post: Post, arrivals: Arrivals, messages: Iterator[Message], *, at_once: int, seconds: float
) -> Measured:
    """`at_once` messages under way, from the post until the last letter of each has come; new ones for so many seconds."""
    took: list[float] = []
    sent: list[Message] = []
    started = time.monotonic()

    async def one_after_another() -> None:
        while time.monotonic() - started < seconds:
            message = next(messages)
            sent.append(message)
            arrived = arrivals.expect(message)
            begun = time.monotonic()
            for earlier in message.before:
                await post(earlier)
            await post(message.body)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATEST_SECONDS):
                    took.append(await arrived - begun)

    await _all(one_after_another() for _ in range(at_once))
    return Measured(seconds=tuple(took), started=started, ended=arrivals.last, sent=len(sent), lost=arrivals.lost(sent))


async def flood(post: Post, sequences: Iterable[Sequence[Message]]) -> None:
    """Every message without waiting for a letter: the sequences at once, each in its order."""

    async def one_after_another(messages: Sequence[Message]) -> None:
        for message in messages:
            await post(message.body)

    await _all(one_after_another(each) for each in sequences)


async def until_acknowledged(
    posts: Sequence[Post], messages: Iterator[Message], *, seconds: float, rest_seconds: float = 0
) -> Measured:
    """Each connection sends one message after another; the time is that of the acknowledgement alone."""
    took: list[float] = []
    started = time.monotonic()

    async def one_after_another(post: Post) -> None:
        while time.monotonic() - started < seconds:
            message = next(messages)
            begun = time.monotonic()
            await post(message.body)
            took.append(time.monotonic() - begun)
            if rest_seconds:
                await asyncio.sleep(rest_seconds)

    await _all(one_after_another(post) for post in posts)
    return Measured(seconds=tuple(took), started=started, ended=time.monotonic(), sent=len(took))


async def _all(parts: Iterable[Coroutine[None, None, None]]) -> None:
    """Until every part has ended; the first fault ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from None
