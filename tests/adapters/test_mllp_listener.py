"""The listener on real loopback sockets: order, backpressure, limits, timers, bounded memory, and nothing acknowledged that failed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.contract import Answer, Arrival
from adapters.mllp import SPEC
from adapters.mllp.frames import framed
from adapters.mllp.inbound import MllpInbound
from adapters.mllp.settings import InboundSettings

MESSAGE = b"MSH|^~\\&|EHR|LEI|TG|TG|20260115||ADT^A01|1|P|2.5\rPID|1\r"

OPEN: list[asyncio.StreamWriter] = []


class Gate:
    """Stands for the gateway: keeps arrivals, answers `ACK <body length>`, as slowly as it is told."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.seconds = 0.0
        self.answer: Answer | None = None
        self.fails = False
        self.go = asyncio.Event()
        self.go.set()

    async def accept(self, arrival: Arrival) -> Answer:
        self.arrivals.append(arrival)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await self.go.wait()
        await asyncio.sleep(self.seconds)
        self.in_flight -= 1
        if self.fails:
            raise RuntimeError("disk full")
        return self.answer or Answer(body=b"ACK %d" % len(arrival.body), content_type="x")


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[tuple[MllpInbound, Gate]]:
    gate = Gate()
    listener = MllpInbound(InboundSettings(channel="ehr", client="lei-ehr", port=0, **settings))
    await listener.start(gate.accept)
    try:
        yield listener, gate
    finally:
        for writer in OPEN:
            writer.close()
        OPEN.clear()
        gate.go.set()
        await listener.stop()
        assert not listener.connections
        assert listener.buffered == 0


async def connect(listener: MllpInbound) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    OPEN.append(writer)
    return reader, writer


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        frame = await reader.readuntil(b"\x1c\r")
    assert frame[:1] == b"\x0b"
    return frame[1:-2]


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes."""
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_a_message_arrives_with_its_channel_and_client() -> None:
    async with listening() as (listener, gate):
        reader, writer = await connect(listener)
        writer.write(framed(MESSAGE))
        assert await answer(reader) == b"ACK %d" % len(MESSAGE)
        assert gate.arrivals == [
            Arrival(channel="ehr", client="lei-ehr", body=MESSAGE, content_type="application/hl7-v2+er7")
        ]


async def test_cut_at_every_byte_on_one_connection() -> None:
    async with listening() as (listener, _gate):
        reader, writer = await connect(listener)
        stream = framed(b"MSH|1\r") + framed(b"MSH|22\r")
        for cut in range(1, len(stream)):
            writer.write(stream[:cut])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(stream[cut:])
            assert [await answer(reader), await answer(reader)] == [b"ACK 6", b"ACK 7"]
        assert listener.counts.junk_bytes == 0


async def test_many_frames_in_one_segment_are_answered_in_order_one_at_a_time() -> None:
    async with listening() as (listener, gate):
        reader, writer = await connect(listener)
        sizes = list(range(1, 200))
        writer.write(b"".join(framed(b"m" * size) for size in sizes))
        assert [await answer(reader) for _ in sizes] == [b"ACK %d" % size for size in sizes]
        assert gate.most_in_flight == 1


async def test_backpressure_the_sender_waits_on_tcp() -> None:
    """While one message is in flight, megabytes that are sent behind it stay outside of this process."""
    async with listening() as (listener, gate):
        gate.go.clear()
        reader, writer = await connect(listener)
        flood = framed(b"m" * 10_000) * 3_000
        writer.write(flood)
        await asyncio.sleep(0.3)
        assert len(gate.arrivals) == 1
        assert listener.buffered < 1_000_000
        gate.go.set()
        for _ in range(3_000):
            await answer(reader)
        assert gate.most_in_flight == 1


async def test_junk_is_counted_and_a_flood_of_it_closes_the_connection() -> None:
    async with listening(max_junk_bytes=100) as (listener, gate):
        reader, writer = await connect(listener)
        writer.write(b"x" * 50 + framed(MESSAGE))
        await answer(reader)
        assert listener.counts.junk_bytes == 50
        writer.write(b"y" * 200)
        assert await ended(reader) == b""
        assert len(gate.arrivals) == 1


async def test_the_last_cr_may_be_missing() -> None:
    async with listening(missing_cr_seconds=0.05) as (listener, _gate):
        reader, writer = await connect(listener)
        writer.write(framed(MESSAGE)[:-1])
        assert await answer(reader) == b"ACK %d" % len(MESSAGE)
        assert listener.counts.missing_cr == 1
        writer.write(b"\r" + framed(MESSAGE))
        await answer(reader)
        assert listener.counts.junk_bytes == 0


async def test_the_last_cr_may_be_missing_when_the_sender_closes_its_side() -> None:
    async with listening(missing_cr_seconds=5) as (listener, _gate):
        reader, writer = await connect(listener)
        writer.write(framed(MESSAGE)[:-1])
        writer.write_eof()
        assert await answer(reader) == b"ACK %d" % len(MESSAGE)
        assert await ended(reader) == b""


async def test_the_last_of_several_may_want_its_cr_when_the_sender_closes_its_side_while_the_first_is_taken() -> None:
    async with listening(missing_cr_seconds=5) as (listener, gate):
        gate.seconds = 0.05
        reader, writer = await connect(listener)
        writer.write(framed(b"a") + framed(b"bb")[:-1])
        writer.write_eof()
        assert [await answer(reader) for _ in range(2)] == [b"ACK 1", b"ACK 2"]
        assert await ended(reader) == b""
        assert listener.counts.missing_cr == 1


async def test_half_a_message_is_never_handed_over() -> None:
    async with listening() as (listener, gate):
        reader, writer = await connect(listener)
        writer.write(framed(MESSAGE)[:-10])
        writer.write_eof()
        assert await ended(reader) == b""
        assert gate.arrivals == []


async def test_messages_sent_before_the_sender_closed_its_side_are_answered() -> None:
    async with listening() as (listener, gate):
        gate.seconds = 0.01
        reader, writer = await connect(listener)
        writer.write(framed(b"a") + framed(b"bb") + framed(b"ccc"))
        writer.write_eof()
        assert [await answer(reader) for _ in range(3)] == [b"ACK 1", b"ACK 2", b"ACK 3"]
        assert await ended(reader) == b""


async def test_a_frame_beyond_the_limit_is_refused_then_closed() -> None:
    async with listening(max_frame_bytes=1_000) as (listener, gate):
        reader, writer = await connect(listener)
        writer.write(framed(MESSAGE + b"x" * 200_000))
        assert await answer(reader) == b"ACK 1000"
        assert await ended(reader) == b""
        assert [arrival.truncated for arrival in gate.arrivals] == [True]
        assert gate.arrivals[0].body == (MESSAGE + b"x" * 1_000)[:1_000]
        assert listener.counts.too_large == 1


async def test_a_refused_frame_is_not_followed_by_what_stood_behind_it() -> None:
    async with listening(max_frame_bytes=1_000) as (listener, gate):
        reader, writer = await connect(listener)
        writer.write(framed(b"x" * 2_000) + framed(MESSAGE))
        await answer(reader)
        assert await ended(reader) == b""
        assert len(gate.arrivals) == 1


async def test_five_megabytes_pass() -> None:
    async with listening() as (listener, gate):
        reader, writer = await connect(listener)
        body = MESSAGE + b"O" * (5 * 1024 * 1024 - len(MESSAGE))
        writer.write(framed(body))
        assert await answer(reader) == b"ACK 5242880"
        assert gate.arrivals[0].body == body


async def test_a_slow_dribble_is_closed_though_it_never_stops() -> None:
    async with listening(frame_seconds=0.3, idle_seconds=30) as (listener, gate):
        reader, writer = await connect(listener)
        writer.write(b"\x0bMSH")
        dribbled = 0
        async with asyncio.timeout(5):
            while not reader.at_eof() and reader.exception() is None:
                writer.write(b"x")
                dribbled += 1
                await asyncio.sleep(0.02)
        assert 5 < dribbled < 50
        assert listener.counts.timeouts == 1
        assert gate.arrivals == []


async def test_silence_is_closed_and_junk_does_not_count_as_life() -> None:
    async with listening(idle_seconds=0.3) as (listener, _gate):
        reader, writer = await connect(listener)
        async with asyncio.timeout(5):
            while not reader.at_eof() and reader.exception() is None:
                writer.write(b"\r\n")
                await asyncio.sleep(0.02)
        assert listener.counts.timeouts == 1


async def test_a_message_that_takes_long_is_no_silence() -> None:
    async with listening(idle_seconds=0.1, frame_seconds=0.1) as (listener, gate):
        gate.seconds = 0.5
        reader, writer = await connect(listener)
        writer.write(framed(MESSAGE))
        assert await answer(reader) == b"ACK %d" % len(MESSAGE)


async def test_nothing_is_acknowledged_when_the_gateway_fails() -> None:
    async with listening() as (listener, gate):
        gate.fails = True
        reader, writer = await connect(listener)
        writer.write(framed(MESSAGE))
        assert await ended(reader) == b""
        assert listener.counts.failures == 1


async def test_an_answer_may_be_nothing_or_two() -> None:
    async with listening() as (listener, gate):
        reader, writer = await connect(listener)
        gate.answer = Answer(body=b"", content_type="x")
        writer.write(framed(MESSAGE))
        await asyncio.sleep(0.05)
        gate.answer = Answer(body=b"CA", content_type="x", then=(b"AA",))
        writer.write(framed(MESSAGE))
        assert [await answer(reader), await answer(reader)] == [b"CA", b"AA"]


async def test_empty_frames_are_counted_and_not_handed_over() -> None:
    async with listening() as (listener, gate):
        reader, writer = await connect(listener)
        writer.write(framed(b"") * 3 + framed(MESSAGE))
        await answer(reader)
        assert listener.counts.empty_frames == 3
        assert len(gate.arrivals) == 1


async def test_two_hundred_connections_each_with_its_own_order() -> None:
    async with listening() as (listener, gate):
        gate.seconds = 0.001

        async def one(number: int) -> list[bytes]:
            reader, writer = await connect(listener)
            answers = []
            for size in range(1, 6):
                stream = framed(b"m" * (number * 10 + size))
                writer.write(stream[: len(stream) // 2])
                await asyncio.sleep(0)
                writer.write(stream[len(stream) // 2 :])
                answers.append(await answer(reader))
            writer.close()
            return answers

        results = await asyncio.gather(*(one(number) for number in range(200)))
        assert results == [[b"ACK %d" % (number * 10 + size) for size in range(1, 6)] for number in range(200)]
        assert gate.most_in_flight > 20


async def test_connections_beyond_the_limit_are_refused_and_room_comes_back() -> None:
    async with listening(max_connections=2) as (listener, _gate):
        first, second = await connect(listener), await connect(listener)
        await asyncio.sleep(0.02)
        third, _ = await connect(listener)
        assert await ended(third) == b""
        assert listener.counts.refused_connections == 1
        first[1].close()
        await asyncio.sleep(0.05)
        reader, writer = await connect(listener)
        writer.write(framed(MESSAGE))
        await answer(reader)
        second[1].close()


async def test_unfinished_frames_of_all_connections_together_stay_bounded() -> None:
    async with listening(max_buffered_bytes=400_000, max_frame_bytes=5_000_000) as (listener, _gate):
        peers = [await connect(listener) for _ in range(20)]
        for _, writer in peers:
            writer.write(b"\x0bMSH" + b"m" * 50_000)
        await asyncio.sleep(0.3)
        assert listener.counts.over_memory > 0
        assert listener.buffered <= 400_000
        alive = [writer for reader, writer in peers if not reader.at_eof() and reader.exception() is None]
        assert alive
        for _, writer in peers:
            writer.close()


async def test_a_sender_that_does_not_read_its_answers_is_closed() -> None:
    async with listening(write_seconds=0.3) as (listener, gate):
        gate.answer = Answer(body=b"A" * 20_000_000, content_type="x")
        _, writer = await connect(listener)
        writer.write(framed(MESSAGE))
        await asyncio.sleep(1)
        assert listener.counts.timeouts == 1
        assert not listener.connections


async def test_a_stop_lets_what_is_in_flight_finish_and_takes_no_more() -> None:
    async with listening() as (listener, gate):
        gate.seconds = 0.2
        reader, writer = await connect(listener)
        idle, _ = await connect(listener)
        writer.write(framed(b"a") + framed(b"bb"))
        await asyncio.sleep(0.05)
        port = listener.port
        await listener.stop()
        assert await answer(reader) == b"ACK 1"
        assert await ended(reader) == b""
        assert await ended(idle) == b""
        assert len(gate.arrivals) == 1
        with pytest.raises(OSError, match=r"\[Errno|Connect"):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_taken_port_is_an_error_at_the_start() -> None:
    async with listening() as (listener, gate):
        second = SPEC.make_inbound
        assert second is not None
        with pytest.raises(OSError, match=r"\[Errno|Connect"):
            await second(InboundSettings(channel="x", client="x", port=listener.port)).start(gate.accept)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])
def test_only_loopback_can_be_listened_on(host: str) -> None:
    with pytest.raises(ValidationError, match="loopback"):
        InboundSettings(channel="x", client="x", port=0, host=host)
