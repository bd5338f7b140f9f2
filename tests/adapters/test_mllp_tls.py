"""MLLP under mutual TLS: only the certificate that is this client opens its channel, and never below TLS 1.2."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.contract import Answer, Arrival
from adapters.mllp.frames import framed
from adapters.mllp.inbound import MllpInbound
from adapters.mllp.settings import InboundSettings
from tests.certificates import authority, certified

MESSAGE = b"MSH|^~\\&|EHR|LEI|TG|TG|20260115||ADT^A01|1|P|2.5\rPID|1\r"


def settings(folder: Path, *clients: str, **more: object) -> InboundSettings:
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
        **more,  # type: ignore[arg-type] - a table of settings
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
