"""MLLP under mutual TLS: only the certificate that is this client opens its channel, and never below TLS 1.2."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.contract import Answer, Arrival
from adapters.mllp.frames import framed
from adapters.mllp.inbound import MllpInbound
from adapters.mllp.settings import InboundSettings
from tests.certificates import authority, certified

MESSAGE = b"MSH|^~\\&|EHR|LEI|TG|TG|20260115||ADT^A01|1|P|2.5\rPID|1\r"


def settings(folder: Path, *clients: str, **more: Any) -> InboundSettings:
    certificate, key = certified("gateway").write(folder, "gateway")
    ca, _ = authority().write(folder, "ca")
    return InboundSettings(
        channel="ehr",
        client="zfg-ehr",
        port=0,
        certificate=certificate,
        key=key,
        client_ca=ca,
        client_certificates=clients or (certified("zfg-ehr").fingerprint,),
        **more,
    )


def shown(folder: Path, name: str | None, *, by: str = "Test CA") -> ssl.SSLContext:
    """A client that shows this certificate, or none."""
    context = ssl.create_default_context()
    context.load_verify_locations(authority().write(folder, "server-ca")[0])
    if name is not None:
        context.load_cert_chain(*certified(name, by=by).write(folder, name))
    return context


async def exchange(listener: MllpInbound, context: ssl.SSLContext | None) -> bytes:
    """Send one message; the first answered frame, or nothing."""
    async with asyncio.timeout(10):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
        except (OSError, ssl.SSLError):
            return b""
        try:
            writer.write(framed(MESSAGE))
            return await reader.readuntil(b"\x1c\r")
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()


async def run(listener: MllpInbound, *contexts: ssl.SSLContext | None) -> tuple[list[bytes], list[Arrival]]:
    arrivals: list[Arrival] = []

    async def accept(arrival: Arrival) -> Answer:
        arrivals.append(arrival)
        return Answer(body=b"ACK", content_type="x")

    await listener.start(accept)
    answers = [await exchange(listener, context) for context in contexts]
    await listener.stop()
    return answers, arrivals


async def test_the_clients_certificate_opens_its_channel(tmp_path: Path) -> None:
    listener = MllpInbound(settings(tmp_path))
    answers, arrivals = await run(listener, shown(tmp_path, "zfg-ehr"))
    assert answers == [framed(b"ACK")]
    assert [(one.client, one.body) for one in arrivals] == [("zfg-ehr", MESSAGE)]


async def test_nobody_else_does(tmp_path: Path) -> None:
    """No TLS, no certificate, another client's of the same CA, one of the same name by another CA."""
    listener = MllpInbound(settings(tmp_path))
    stranger = shown(tmp_path, "zfg-ehr", by="Another CA")
    answers, arrivals = await run(
        listener, None, shown(tmp_path, None), shown(tmp_path, "another-client"), stranger, shown(tmp_path, "zfg-ehr")
    )
    assert answers == [b"", b"", b"", b"", framed(b"ACK")]
    assert len(arrivals) == 1
    assert listener.counts.refused_certificates == 1  # the others did not get through the handshake


async def test_two_certificates_while_a_client_changes_over(tmp_path: Path) -> None:
    prints = (certified("zfg-ehr").fingerprint, certified("zfg-ehr-next").fingerprint)
    answers, _ = await run(
        MllpInbound(settings(tmp_path, *prints)), shown(tmp_path, "zfg-ehr"), shown(tmp_path, "zfg-ehr-next")
    )
    assert answers == [framed(b"ACK")] * 2


async def test_nothing_below_tls_1_2(tmp_path: Path) -> None:
    old = shown(tmp_path, "zfg-ehr")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    current = shown(tmp_path, "zfg-ehr")
    current.maximum_version = ssl.TLSVersion.TLSv1_2
    answers, arrivals = await run(MllpInbound(settings(tmp_path)), old, current)
    assert answers == [b"", framed(b"ACK")]
    assert len(arrivals) == 1


async def test_a_handshake_that_never_comes_is_closed(tmp_path: Path) -> None:
    listener = MllpInbound(settings(tmp_path, handshake_seconds=0.2))

    async def accept(_: Arrival) -> Answer:
        raise AssertionError

    await listener.start(accept)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await listener.stop()


def test_mutual_tls_is_whole_or_absent_and_needed_beyond_loopback(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="loopback"):
        InboundSettings(channel="ehr", client="c", port=0, host="0.0.0.0")
    with pytest.raises(ValidationError, match="needs certificate"):
        InboundSettings(channel="ehr", client="c", port=0, client_certificates=("00",))
    assert settings(tmp_path, host="0.0.0.0").mutual_tls


class _Records:
    """A TLS session over a socket of its own, record by record: it can say that no more comes, and still read."""

    def __init__(self, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._reader, self._writer = reader, writer
        self.session = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")

    def flush(self) -> None:
        self._writer.write(self._out.read())

    async def more(self) -> bool:
        """Whatever the other side says next; False when it has closed."""
        self.flush()
        data = await self._reader.read(65_536)
        self._in.write(data)
        return bool(data)

    async def handshake(self) -> None:
        while True:
            try:
                return self.session.do_handshake()
            except ssl.SSLWantReadError:
                assert await self.more()

    async def read(self) -> bytes:
        """Everything that comes, until the other side is done."""
        found = b""
        while True:
            try:
                data = self.session.read(65_536)
            except ssl.SSLWantReadError:
                if not await self.more():
                    return found
            except ssl.SSLError:
                return found
            else:
                if not data:
                    return found
                found += data


async def test_who_says_that_no_more_comes_before_the_answer_gets_it(tmp_path: Path) -> None:
    """close_notify right behind the frame, and the answer comes after it: else its sender would send the same again for ever."""
    listener = MllpInbound(settings(tmp_path))
    taken, said = asyncio.Event(), asyncio.Event()

    async def accept(_: Arrival) -> Answer:
        taken.set()
        await said.wait()
        await asyncio.sleep(0.1)  # it is at the listener by then
        return Answer(body=b"ACK", content_type="x")

    await listener.start(accept)
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        sender = _Records(shown(tmp_path, "zfg-ehr"), reader, writer)
        await sender.handshake()
        sender.session.write(framed(MESSAGE))
        sender.flush()
        await taken.wait()
        with contextlib.suppress(ssl.SSLWantReadError):
            sender.session.unwrap()
        sender.flush()
        said.set()
        assert await sender.read() == framed(b"ACK")
        writer.close()
    await listener.stop()
