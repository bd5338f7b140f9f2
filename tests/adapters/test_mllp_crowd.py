"""A thousand connections at once: each is answered, idle ones cost little, half a frame from each stays within the declared memory."""

import asyncio
import resource
from pathlib import Path

from adapters.contract import Answer, Arrival
from adapters.mllp.frames import framed
from adapters.mllp.inbound import MllpInbound
from adapters.mllp.settings import InboundSettings

MANY = 1_000
MESSAGE = b"MSH|^~\\&|EHR|LEI|TG|TG|20260115||ADT^A01|%d|P|2.5\rPID|1\r"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


async def accept(arrival: Arrival) -> Answer:
    return Answer(body=b"ACK %d" % len(arrival.body), content_type="x")


async def crowd(listener: MllpInbound) -> list[Connection]:
    found: list[Connection] = []
    for _ in range(MANY // 100):
        found += await asyncio.gather(*(asyncio.open_connection("127.0.0.1", listener.port) for _ in range(100)))
    return found


async def leave(connections: list[Connection]) -> None:
    for _, writer in connections:
        writer.transport.abort()
    await asyncio.sleep(0.05)


async def test_a_thousand_connections_are_answered_within_bounded_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * MANY)), hard))
    listener = MllpInbound(InboundSettings(channel="ehr", client="c", port=0, max_connections=MANY))
    await listener.start(accept)
    before = resident()
    connections = await crowd(listener)
    for number, (_, writer) in enumerate(connections):
        writer.write(framed(MESSAGE % number))
    async with asyncio.timeout(60):
        for number, (reader, _) in enumerate(connections):
            assert await reader.readuntil(b"\x1c\r") == framed(b"ACK %d" % len(MESSAGE % number))
    assert listener.counts.connections == MANY
    assert (resident() - before) / MANY < 200_000  # both ends are in this process
    await leave(connections)
    await listener.stop()
    assert not listener.connections


async def test_half_a_frame_from_each_stays_within_the_declared_memory() -> None:
    """1,000 x 40 kB would be 40 MB; 8 MB are declared: who goes beyond it is closed without an answer."""
    limit = 8_000_000
    listener = MllpInbound(
        InboundSettings(channel="ehr", client="c", port=0, max_connections=MANY, max_buffered_bytes=limit)
    )
    await listener.start(accept)
    connections = await crowd(listener)
    highest = 0
    for _, writer in connections:
        writer.write(b"\x0bMSH|" + b"x" * 40_000)
        await asyncio.sleep(0)
        highest = max(highest, listener.buffered)
    for _ in range(50):
        await asyncio.sleep(0.01)
        highest = max(highest, listener.buffered)
    assert listener.counts.over_memory > 0
    assert highest <= limit + 300_000  # one read more
    await leave(connections)
    await listener.stop()
    assert listener.buffered == 0
