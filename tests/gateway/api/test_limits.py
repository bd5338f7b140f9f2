"""Limits on every route, generated from the route table: parameters, size, time, compression, depth, count, and heads that never end."""

import asyncio
import contextlib
import gzip
import json
import socket
from typing import Any

import pytest

from gateway.api.routes import ROUTES, Route
from gateway.patience import MAX_HEAD_BYTES, MAX_WAITING
from tests.builders import adt_a01, fhir_message
from tests.gateway.api.conftest import LETTER, Http
from tests.gateway.api.test_access import MATRIX

POSTS = [route for route in ROUTES if route.method == "POST"]
READERS = [route for route in POSTS if route.path != "/oauth2/token"]


def asked(http: Http, route: Route) -> tuple[str, dict[str, Any]]:
    """A request of a route that would be served."""
    key = (route.method, route.path)
    path, more, allowed, *_ = MATRIX.get(key, (route.path, {}, (), 0, ()))
    bearer = http.bearer(allowed[0]) if allowed else {}
    return path, {**more, "headers": {**more.get("headers", {}), **bearer}}


def named(route: Route) -> str:
    """Its method and path: several routes of one kind share a name."""
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_a_parameter_that_a_route_does_not_have_is_named_and_refused(http: Http, route: Route) -> None:
    path, more = asked(http, route)
    for query, name in (
        ("surprise=1", "`surprise`"),
        ("_has:Observation:x=1", "`_has:Observation:x`"),
        ("_id=9990000018", "`_id`"),
    ):
        status, _, body = await http.ask(route.method, f"{path}?{query}", **more)
        assert status == 400
        outcome = json.loads(body)
        assert outcome["resourceType"] == "OperationOutcome"
        assert name in outcome["issue"][0]["details"]["text"]
        assert "9990000018" not in body.decode()
    status, _, body = await http.ask(route.method, f"{path}?A1234BC9990000018=1", **more)
    assert status == 400
    assert "9990000018" not in body.decode()  # a name with digits may be somebody: it is not repeated
    assert http.line.arrivals == []


@pytest.mark.parametrize("route", [route for route in ROUTES if route.parameters], ids=named)
async def test_a_parameter_twice_is_refused(http: Http, route: Route) -> None:
    path, more = asked(http, route)
    name = min(route.parameters)
    assert (await http.ask(route.method, f"{path}?{name}=json&{name}=json", **more))[0] == 400


@pytest.mark.parametrize("route", READERS, ids=named)
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
async def test_a_compressed_body_is_refused_unread(http: Http, route: Route, encoding: str) -> None:
    path, more = asked(http, route)
    more = {
        **more,
        "data": gzip.compress(b"0" * 1_000_000),
        "headers": {**more["headers"], "Content-Encoding": encoding},
    }
    assert (await http.ask("POST", path, **more))[0] == 415
    assert http.line.arrivals == []


@pytest.mark.parametrize("route", READERS, ids=named)
async def test_a_compressed_body_that_does_not_say_so_is_unreadable(http: Http, route: Route) -> None:
    path, more = asked(http, route)
    status, _, _ = await http.ask("POST", path, **{**more, "data": gzip.compress(more["data"])})
    assert 400 <= status < 500


@pytest.mark.parametrize("route", POSTS, ids=named)
async def test_a_body_beyond_the_limit_is_413_declared_or_not(http: Http, route: Route) -> None:
    path, more = asked(http, route)
    if route.path == "/oauth2/token":
        more["headers"]["Content-Type"] = "application/x-www-form-urlencoded"

    async def chunks() -> Any:
        for _ in range(30):
            yield b"x" * 10_000

    for body in (b"x" * 300_000, chunks()):
        try:
            status, headers, _ = await http.ask("POST", path, **{**more, "data": body})
        except ConnectionError:  # it closed while we were still sending
            continue
        assert status == 413
        assert headers.get("connection", "close") == "close"
    assert http.line.arrivals == []


@pytest.mark.parametrize("route", POSTS, ids=named)
async def test_a_body_that_dribbles_is_ended(http: Http, route: Route) -> None:
    path, more = asked(http, route)
    kind = more["headers"].get("Content-Type", "application/x-www-form-urlencoded")
    bearer = more["headers"].get("Authorization", "")
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n"
    head += f"Authorization: {bearer}\r\n\r\n" if bearer else "\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(head.encode())

    async def dribble() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)

    dribbling = asyncio.create_task(dribble())
    async with asyncio.timeout(3):
        assert b" 408 " in await reader.readline()
    dribbling.cancel()
    writer.close()
    assert http.line.arrivals == []


DEEP = b'{"resourceType":"Bundle","type":"message","entry":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
HOSTILE_JSON: dict[str, bytes] = {
    "nested 100,000 deep": DEEP,
    "never closed": b'{"a":' * 30_000,
    "a member twice": fhir_message()[:-1] + b',"type":"message"}',
    "NaN": b'{"resourceType":"Bundle","type":"message","total":NaN}',
    "infinity by exponent": b'{"resourceType":"Bundle","type":"message","total":1e999999}',
    "a number of 5,000 digits": b'{"resourceType":"Bundle","type":"message","total":' + b"9" * 5_000 + b"}",
    "a byte order mark": b"\xef\xbb\xbf" + fhir_message(),
    "a lone surrogate": b'{"resourceType":"Bundle","id":"\\ud800"}',
    "not UTF-8": b'{"resourceType":"Bundle","id":"\xff"}',
    "UTF-16": fhir_message().decode().encode("utf-16"),
    "something behind it": fhir_message() + b"{}",
    "2,001 entries": json.dumps({"resourceType": "Bundle", "type": "message", "entry": [{}] * 2_001}).encode(),
    "a list": b"[]",
    "a NUL": b"\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE_JSON)
async def test_hostile_json_is_refused_on_every_route_that_reads_it(http: Http, name: str) -> None:
    for route in READERS:
        path, more = asked(http, route)
        if not path.startswith("/fhir"):
            continue
        status, _, body = await http.ask("POST", path, **{**more, "data": HOSTILE_JSON[name]})
        assert 400 <= status < 500, (route.path, status)
        assert json.loads(body)["resourceType"] == "OperationOutcome"


async def test_too_many_segments_are_refused(http: Http) -> None:
    path, more = asked(http, READERS[0])
    status, _, body = await http.ask("POST", path, **{**more, "data": adt_a01() + b"NTE|1\r" * 6_000})
    assert 400 <= status < 500
    assert b"MSA|A" in body


async def test_a_head_that_never_ends_is_cut_by_size(http: Http) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: ")
    sent = 0
    try:
        while sent < 50 * MAX_HEAD_BYTES:
            writer.write(b"x" * 4_096)
            await writer.drain()
            await asyncio.sleep(0)  # the server is in this loop
            sent += 4_096
            if reader.at_eof():
                break
    except ConnectionError:
        pass
    assert sent < 10 * MAX_HEAD_BYTES
    writer.close()


async def test_a_head_that_dribbles_is_cut_by_time_and_others_are_served(http: Http) -> None:
    opened = [await asyncio.open_connection("127.0.0.1", http.port) for _ in range(50)]
    for _, writer in opened:
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-")
    assert (await http.ask("GET", "/health/live"))[0] == 200
    async with asyncio.timeout(3):
        for reader, writer in opened:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()


async def test_a_connection_that_says_nothing_is_cut(http: Http) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    async with asyncio.timeout(3):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_a_large_body_in_one_piece_with_its_head_is_no_long_head(http: Http) -> None:
    """Sabotage of the two above: what is right is not cut."""
    path, more = asked(http, READERS[0])
    body = adt_a01()
    padded = body + b"NTE|1||" + b"x" * (190_000 - len(body) - 8) + b"\r"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: {len(padded)}\r\n"
    head += f"Authorization: {more['headers']['Authorization']}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(head.encode() + padded)
    async with asyncio.timeout(5):
        assert b" 200 " in await reader.readline()
    writer.close()


async def opened(http: Http, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a request was sent and its answer, a 404 with a body, was read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(b"POST /nothing/here HTTP/1.1\r\nHost: x\r\n" + said)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 404 " in head
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return reader, writer


async def is_ended(reader: asyncio.StreamReader, seconds: float = 3) -> bool:
    """Does the other side end this connection in that time?"""
    try:
        async with asyncio.timeout(seconds):
            return await reader.read() == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize(
    ("head", "behind"),
    [
        (b"Content-Length: 100000\r\n\r\n", b"x"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"Content-Length: 0\r\n\r\n", b"\r\n"),
    ],
    ids=["a body", "chunks", "empty lines"],
)
@pytest.mark.parametrize("again", [True, False], ids=["for ever", "once"])
async def test_what_comes_behind_an_answer_keeps_no_connection(
    http: Http, head: bytes, behind: bytes, again: bool
) -> None:
    """Whoever has no bearer has its answer before its body is read, and may not hold a place with what it says after it."""
    reader, writer = await opened(http, head)

    async def say() -> None:
        writer.write(behind)
        while again:
            await asyncio.sleep(0.05)
            writer.write(behind)

    saying = asyncio.create_task(say())
    assert await is_ended(reader)
    saying.cancel()
    writer.close()


async def test_a_second_request_of_a_connection_is_answered(http: Http) -> None:
    """Sabotage of the one above: what is right is not cut, also when the first one's body came after its answer."""
    reader, writer = await opened(http, b"Content-Length: 200000\r\n\r\n")
    for _ in range(20):
        writer.write(b"x" * 10_000)
        await asyncio.sleep(0.01)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(3):
        assert b" 200 " in await reader.readline()
    writer.close()


async def test_a_caller_that_does_not_read_its_answers_is_cut(http: Http) -> None:
    """A place is not held by leaving a large answer lie."""
    asked_for = 60
    one = len((await http.ask("GET", "/fhir/StructureDefinition"))[2])
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", http.port))
    sock.send(b"GET /fhir/StructureDefinition HTTP/1.1\r\nHost: x\r\n\r\n" * asked_for)
    await asyncio.sleep(2.5)
    got = 0
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while more := await asyncio.get_running_loop().sock_recv(sock, 1_000_000):
                got += len(more)
    sock.close()
    assert got < one * asked_for


async def test_many_requests_in_one_piece_are_cut(http: Http) -> None:
    """What waits behind the one that is answered is not kept without a limit."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 1_600)
    said = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            said = await reader.read()
    assert said.count(b"HTTP/1.1 200") <= MAX_WAITING
    writer.close()


async def test_some_requests_in_one_piece_are_answered(http: Http) -> None:
    """Sabotage of the one above."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * MAX_WAITING)
    async with asyncio.timeout(10):
        for _ in range(MAX_WAITING):
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    writer.close()


def test_the_letter_of_these_tests_is_the_one_of_the_matrix() -> None:
    assert any(LETTER.delivery_id in path for path, *_ in MATRIX.values())
