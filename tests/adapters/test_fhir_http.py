"""What is known after a send, against real servers on loopback: every status, every way a connection can end, and what is never done."""

import asyncio
import gzip
import logging
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from adapters.contract import CHECKPOINT, Letter, Outcome, Permanent, Receipt, Transient
from adapters.fhir_http.outbound import FhirHttpOutbound, request_id
from adapters.fhir_http.settings import OutboundSettings

CANARY = "Zebediah-Canary"
LETTER = Letter(
    delivery_id="0123456789ABCDEFGHJK",
    recipient="northfell",
    wire="fhir-document",
    content_type="application/fhir+json",
    body=b'{"resourceType":"Bundle","note":"' + CANARY.encode() + b'"}',
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def recipient(handler: Handler, **settings: Any) -> AsyncIterator[FhirHttpOutbound]:
    """A recipient that answers by a handler, and its sender."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    outbound = FhirHttpOutbound(OutboundSettings(url=f"http://127.0.0.1:{port}/fhir", **settings))
    try:
        yield outbound
    finally:
        await outbound.close()
        await runner.cleanup()


@asynccontextmanager
async def raw_recipient(talk: Talk, **settings: Any) -> AsyncIterator[FhirHttpOutbound]:
    """A recipient that says bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outbound = FhirHttpOutbound(OutboundSettings(url=f"http://127.0.0.1:{port}/fhir", **settings))
    try:
        yield outbound
    finally:
        await outbound.close()
        server.close()
        await server.wait_closed()


async def whole_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(len(LETTER.body))


def status(code: int, **more: Any) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=code, **more)

    return handler


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
async def test_two_hundred_is_delivered(code: int) -> None:
    async with recipient(status(code)) as outbound:
        assert await outbound.send(LETTER) == Receipt(outcome=Outcome.DELIVERED, code=f"http-{code}")


@pytest.mark.parametrize("code", [408, 425, 429, 500, 501, 502, 503, 504, 599])
async def test_come_back_is_transient(code: int) -> None:
    async with recipient(status(code)) as outbound:
        with pytest.raises(Transient) as raised:
            await outbound.send(LETTER)
        assert raised.value.code == f"http-{code}"
        assert raised.value.retry_after_seconds is None


@pytest.mark.parametrize("code", [300, 304, 400, 401, 403, 404, 409, 410, 413, 415, 422, 451])
async def test_everything_else_is_permanent(code: int) -> None:
    async with recipient(status(code)) as outbound:
        with pytest.raises(Permanent) as raised:
            await outbound.send(LETTER)
        assert raised.value.code == f"http-{code}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "99999999999999999999"}, 60),
        ({"Retry-After": "Thu, 15 Jan 2026 12:00:30 GMT", "Date": "Thu, 15 Jan 2026 12:00:00 GMT"}, 30),
        ({"Retry-After": "Thu, 15 Jan 2026 11:00:00 GMT", "Date": "Thu, 15 Jan 2026 12:00:00 GMT"}, 0),
        ({"Retry-After": "Fri, 15 Jan 2027 12:00:00 GMT", "Date": "Thu, 15 Jan 2026 12:00:00 GMT"}, 60),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "٣"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_read_and_capped(headers: dict[str, str], seconds: float | None) -> None:
    async with recipient(status(429, headers=headers), retry_after_max_seconds=60) as outbound:
        with pytest.raises(Transient) as raised:
            await outbound.send(LETTER)
        assert raised.value.retry_after_seconds == seconds


async def test_what_is_sent_is_the_letter_and_the_same_ids_at_every_attempt() -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, dict(request.headers), await request.read()))
        return web.Response(status=503 if len(seen) == 1 else 200)

    async with recipient(handler) as outbound:
        with pytest.raises(Transient):
            await outbound.send(LETTER)
        await outbound.send(LETTER)
        await outbound.send(replace(LETTER, checkpoint="origin\n1\nroot\n"))
        talks = [replace(LETTER, delivery_id=key, conversation="one") for key in ("1" * 20, "2" * 20)]
        for talk in talks:
            await outbound.send(talk)
    told = [(headers["X-Request-ID"], headers["X-Correlation-ID"]) for _, headers, _ in seen[3:]]
    assert told == [(request_id(talk.delivery_id), request_id("one")) for talk in talks]
    seen = seen[:3]
    assert [headers.get(CHECKPOINT) for _, headers, _ in seen] == [None, None, "b3JpZ2luCjEKcm9vdAo="]
    for method, headers, body in seen:
        assert (method, body) == ("POST", LETTER.body)
        assert headers["Content-Type"] == "application/fhir+json"
        assert headers["Idempotency-Key"] == LETTER.delivery_id
        assert headers["X-Request-ID"] == headers["X-Correlation-ID"] == request_id(LETTER.delivery_id)
        assert headers["Content-Length"] == str(len(LETTER.body))
        assert CANARY not in str(headers)
    assert uuid.UUID(request_id(LETTER.delivery_id)).version == 5


async def test_a_redirect_is_never_followed() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with recipient(handler) as outbound:
        with pytest.raises(Permanent, match="redirect"):
            await outbound.send(LETTER)
    assert asked == ["/fhir"]


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with recipient(status(200)) as outbound:
        assert (await outbound.send(LETTER)).outcome is Outcome.DELIVERED


async def test_no_cookie_is_kept() -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "track=1"})

    async with recipient(handler) as outbound:
        await outbound.send(LETTER)
        await outbound.send(LETTER)
    assert cookies == [None, None]


async def test_nobody_listens_is_transient() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    outbound = FhirHttpOutbound(OutboundSettings(url=f"http://127.0.0.1:{port}/"))
    with pytest.raises(Transient) as raised:
        await outbound.send(LETTER)
    assert raised.value.code == "unreachable"
    await outbound.close()


async def test_a_connection_that_is_not_taken_in_time_is_transient() -> None:
    """A full backlog: the connection is never made, so nothing can have had an effect."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        outbound = FhirHttpOutbound(
            OutboundSettings(url=f"http://127.0.0.1:{full.getsockname()[1]}/", connect_seconds=0.3)
        )
        with pytest.raises(Transient):
            await outbound.send(LETTER)
        await outbound.close()
        for filler in fillers:
            filler.close()


async def test_an_effect_and_then_silence_is_ambiguous() -> None:
    effects = []

    async def handler(request: web.Request) -> web.Response:
        effects.append(await request.read())
        await asyncio.sleep(1)
        return web.Response()

    async with recipient(handler, total_seconds=0.3) as outbound:
        assert await outbound.send(LETTER) == Receipt(outcome=Outcome.AMBIGUOUS, code="timeout")
    assert effects == [LETTER.body]


async def test_an_effect_and_then_a_reset_is_ambiguous() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with raw_recipient(talk) as outbound:
        assert await outbound.send(LETTER) == Receipt(outcome=Outcome.AMBIGUOUS, code="connection-lost")


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-", b"garbage\r\n\r\n", b"HTTP/1.1 banana OK\r\n\r\n"],
    ids=["nothing", "half-status", "half-header", "garbage", "no-number"],
)
async def test_half_an_answer_or_nonsense_is_ambiguous(said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(said)
        await writer.drain()

    async with raw_recipient(talk) as outbound:
        assert (await outbound.send(LETTER)).outcome is Outcome.AMBIGUOUS


async def test_a_status_stands_though_its_body_breaks_off() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf")
        await writer.drain()

    async with raw_recipient(talk) as outbound:
        assert (await outbound.send(LETTER)).outcome is Outcome.DELIVERED


async def test_a_connection_kept_and_closed_by_the_recipient_is_never_called_delivered() -> None:
    """The second letter meets a connection that the recipient is closing: transient or ambiguous, and the third arrives."""
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await whole_request(reader)
        requests += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw_recipient(talk) as outbound:
        assert (await outbound.send(LETTER)).outcome is Outcome.DELIVERED
        outcomes = set()
        for _ in range(3):
            try:
                outcomes.add((await outbound.send(LETTER)).outcome.value)
            except Transient:
                outcomes.add("transient")
            await asyncio.sleep(0.05)
        assert outcomes <= {"delivered", "ambiguous", "transient"}
        delivered = requests
    assert delivered >= 2


async def test_a_huge_or_compressed_answer_is_not_taken_in() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        await request.read()
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        block = gzip.compress(b"\0" * 10_000_000)
        try:
            for _ in range(100_000):
                await response.write(block)
                sent += len(block)
        except ConnectionError:
            pass
        return response

    async with recipient(handler, max_answer_bytes=10_000) as outbound:
        assert (await outbound.send(LETTER)).outcome is Outcome.DELIVERED
        await asyncio.sleep(0.05)
    assert sent < 20_000_000


async def test_errors_and_logs_hold_nothing_of_the_letter_or_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with recipient(status(500, text=CANARY, headers={"X-Name": CANARY})) as outbound:
        with pytest.raises(Transient) as raised:
            await outbound.send(LETTER)
    async with recipient(status(422, text=CANARY, reason=CANARY)) as outbound:
        with pytest.raises(Permanent) as refused:
            await outbound.send(LETTER)
    shown = f"{raised.value!r} {raised.value} {refused.value!r} {refused.value} {refused.value.__cause__!r}"
    assert CANARY not in shown
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("adapters", "aiohttp.client"))]
    assert not any(CANARY in line for line in ours)


async def test_cancelling_is_cancelling() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    async with recipient(handler) as outbound:
        sending = asyncio.create_task(outbound.send(LETTER))
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/fhir",
        "https://user:secret@example.org/",
        "ftp://example.org/",
        "example.org",
        "https://",
        "http://127.0.0.1.example.org/",
        "http://localhost.example.org/",
        "https://example.org/#part",
        "file:///etc/passwd",
    ],
)
def test_an_unsafe_address_is_no_setting(url: str) -> None:
    with pytest.raises(ValidationError):
        OutboundSettings(url=url)


@pytest.mark.parametrize(
    "url",
    ["https://example.org/fhir/$process-message", "http://127.0.0.1:9/x", "http://[::1]:9/x", "http://localhost:9"],
)
def test_a_safe_address_is(url: str) -> None:
    assert OutboundSettings(url=url).url == url


@pytest.mark.parametrize(("size", "kept"), [(0, 0), (10, 10), (1_000, 1_000), (1_001, 0)])
async def test_the_answers_body_is_handed_over_whole_or_not_at_all(size: int, kept: int) -> None:
    """Within the limit; a reply that was cut off could say something else. What it says is not the adapter's to read."""
    async with recipient(status(200, body=b"x" * size), max_answer_bytes=1_000) as outbound:
        receipt = await outbound.send(LETTER)
    assert (receipt.outcome, len(receipt.reply)) == (Outcome.DELIVERED, kept)
    assert "xxx" not in repr(receipt)
