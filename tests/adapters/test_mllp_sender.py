"""The MLLP sender against a receiver on a real socket: what each acknowledgement, silence and broken connection says; TLS; one letter a connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from adapters.contract import AdapterError, Letter, Outcome, Permanent, Receipt, Transient
from adapters.fhir_http.settings import OutboundSettings as HttpSettings
from adapters.hl7v2_http.outbound import Hl7v2HttpOutbound
from adapters.mllp.acknowledgement import judged
from adapters.mllp.frames import framed
from adapters.mllp.outbound import MllpOutbound
from adapters.mllp.settings import OutboundSettings
from tests.certificates import authority, certified

ID = "0123456789ABCDEFGHJK"
BODY = f"MSH|^~\\&|TG|Y1|EHR|Y2|20260115||MDM^T02^MDM_T02|{ID}|P|2.5.1\rEVN|T02\r".encode()
LETTER = Letter(delivery_id=ID, recipient="ehr", wire="hl7v2", content_type="application/hl7-v2+er7", body=BODY)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def ack(code: str, about: str = ID, error: str = "") -> bytes:
    err = f"ERR|||{error}^x^HL70357|E\r" if error else ""
    return f"MSH|^~\\&|EHR|Y2|TG|Y1|20260115||ACK|9|P|2.5.1\rMSA|{code}|{about}\r{err}".encode()


TABLE = [
    (ack("AA"), "delivered", "aa"),
    (ack("CA"), "delivered", "ca"),
    (ack("AE"), "transient", "ae"),
    (ack("CE"), "transient", "ce"),
    (ack("AE", error="207"), "transient", "ae"),
    (ack("AE", error="101"), "permanent", "ae"),
    (ack("CE", error="204"), "permanent", "ce"),
    (ack("AE", error="205"), "ambiguous", "duplicate"),
    (ack("CR", error="205"), "ambiguous", "duplicate"),
    (ack("AR") + b"ERR|MSH^1^9^205&Duplicate key identifier\r", "ambiguous", "duplicate"),
    (ack("AR"), "permanent", "ar"),
    (ack("CR"), "permanent", "cr"),
    (ack("CR", error="203"), "permanent", "cr"),
    (ack("AR", error="207"), "transient", "ar"),
    (ack("CR", error="206"), "transient", "cr"),
    (ack("AE").replace(b"\r", b"\n"), "transient", "ae"),
    (ack("AR") + b"ERR|MSH^1^9^207&Application internal error\r", "transient", "ar"),
    (ack("AA", about="X" * 20), "ambiguous", "another-answer"),
    (ack("CR", about=""), "ambiguous", "another-answer"),
    (ack("OK"), "ambiguous", "unreadable-answer"),
    (b"thank you", "ambiguous", "unreadable-answer"),
    (b"MSH|", "ambiguous", "unreadable-answer"),
    (b"MSH|^~\\&|EHR\rMSA\r", "ambiguous", "unreadable-answer"),
    (b"\xff\xfe\x00", "ambiguous", "unreadable-answer"),
    (b"", "ambiguous", "unreadable-answer"),
]


@asynccontextmanager
async def receiver(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def answering(*answers: bytes, seen: list[bytes] | None = None) -> Serve:
    """Answers each connection by the next of these, as it stands; the last one again and again."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frame = await reader.readuntil(b"\x1c\r")
        if seen is not None:
            seen.append(frame)
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()
        writer.close()

    return serve


def sender(port: int, **more: Any) -> MllpOutbound:
    return MllpOutbound(OutboundSettings(host="127.0.0.1", port=port, **more))


async def known(send: Awaitable[Receipt]) -> tuple[str, str]:
    """What is known after a send, in words of this table."""
    try:
        receipt = await send
    except Transient as error:
        return "transient", error.code
    except Permanent as error:
        return "permanent", error.code
    return receipt.outcome.value, receipt.code


@pytest.mark.parametrize(("answer", "outcome", "code"), TABLE)
def test_what_an_answer_says(answer: bytes, outcome: str, code: str) -> None:
    async def once() -> Receipt:
        return judged(answer, ID)

    assert asyncio.run(known(once())) == (outcome, code)


async def test_each_answer_over_a_socket_and_over_http() -> None:
    """The same table over both transports; a letter that failed is sent again with the same bytes."""
    answers = [row for row in TABLE if row[0]]
    seen: list[bytes] = []
    async with receiver(answering(*(framed(row[0]) for row in answers), seen=seen)) as port:
        for _, outcome, code in answers:
            assert await known(sender(port).send(LETTER)) == (outcome, code)
    assert seen == [framed(BODY)] * len(answers)
    left = [row[0] for row in answers]

    async def take(request: web.Request) -> web.Response:
        assert await request.read() == BODY
        assert request.headers["Accept"] == request.headers["Content-Type"] == LETTER.content_type
        assert request.headers["Idempotency-Key"] == ID
        return web.Response(body=left.pop(0) if left else b"", content_type="application/hl7-v2+er7")

    app = web.Application()
    app.router.add_post("/hl7v2", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    http = Hl7v2HttpOutbound(HttpSettings(url=f"{site.name}/hl7v2"))
    try:
        for _, outcome, code in answers:
            assert await known(http.send(LETTER)) == (outcome, code)
        assert await known(http.send(LETTER)) == ("ambiguous", "unreadable-answer")
    finally:
        await http.close()
        await runner.cleanup()


async def test_an_answer_cut_anywhere_is_the_same_answer() -> None:
    whole = framed(ack("CA"))

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        for place in range(len(whole) - 1):  # and no last <CR>
            writer.write(whole[place : place + 1])
            await writer.drain()
        writer.close()

    async with receiver(drip) as port:
        assert await known(sender(port).send(LETTER)) == ("delivered", "ca")


async def test_silence_and_broken_connections_are_ambiguous_and_no_connection_is_not() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        writer.write(b"\x0b" + b"x" * 4_096)
        await reader.read()
        writer.close()

    async with receiver(silent) as port:
        assert await known(sender(port, total_seconds=0.2).send(LETTER)) == ("ambiguous", "timeout")
    async with receiver(hangs_up) as port:
        assert (await known(sender(port).send(LETTER)))[0] == "ambiguous"
    async with receiver(endless) as port:
        assert await known(sender(port, max_answer_bytes=1_024).send(LETTER)) == ("ambiguous", "connection-lost")
    assert await known(sender(port).send(LETTER)) == ("transient", "unreachable")


async def test_one_letter_is_on_its_way_at_once() -> None:
    now = most = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await reader.readuntil(b"\x1c\r")
        await asyncio.sleep(0.02)
        now -= 1
        writer.write(framed(ack("AA")))
        await writer.drain()
        writer.close()

    async with receiver(slow) as port:
        out = sender(port)
        receipts = await asyncio.gather(*(out.send(LETTER) for _ in range(4)))
    assert {receipt.outcome for receipt in receipts} == {Outcome.DELIVERED}
    assert most == 1


async def test_a_letter_that_would_end_its_frame_never_leaves() -> None:
    bad = Letter(delivery_id=ID, recipient="e", wire="hl7v2", content_type="x", body=BODY + b"\x1c\rMSH")
    with pytest.raises(Permanent, match="cannot be framed"):
        await sender(1).send(bad)


async def test_under_tls_only_the_named_receiver_is_sent_to(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certified("ehr").write(tmp_path, "ehr"))
    tls.verify_mode = ssl.CERT_REQUIRED
    ca = authority().write(tmp_path, "ca")[0]
    other = authority("Other CA").write(tmp_path, "other")[0]
    tls.load_verify_locations(ca)
    certificate, key = certified("gateway").write(tmp_path, "gateway")
    async with receiver(answering(framed(ack("AA"))), tls) as port:
        ours = {"certificate": certificate, "key": key}
        assert await known(sender(port, ca=ca, **ours).send(LETTER)) == ("delivered", "aa")
        assert await known(sender(port, ca=other, **ours).send(LETTER)) == ("transient", "unreachable")
        assert (await known(sender(port, ca=ca).send(LETTER)))[0] in {"transient", "ambiguous"}


def test_beyond_this_machine_there_is_tls(tmp_path: Path) -> None:
    OutboundSettings(host="localhost", port=2575)
    OutboundSettings(host="ehr.example", port=2575, ca=tmp_path / "ca.pem")
    table: tuple[dict[str, Any], ...] = (
        {},
        {"ca": tmp_path / "a", "key": tmp_path / "k"},
        {"certificate": tmp_path / "c", "key": tmp_path / "k"},
    )
    for bad in table:
        with pytest.raises(ValidationError, match=r"TLS|its key"):
            OutboundSettings(host="ehr.example", port=2575, **bad)


def test_no_error_quotes_an_answer() -> None:
    with pytest.raises(AdapterError) as raised:
        judged(ack("AR") + b"ERR|||101^Alex Example 9990000026\r", ID)
    assert "Example" not in str(raised.value)
