"""A whole gateway's doors: HTTPS of TLS 1.2 or newer, mutual TLS on MLLP, and no door beyond this machine while anything is missing."""

import asyncio
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from adapters.mllp.frames import framed
from gateway.errors import SettingsError
from gateway.serving import Serving
from gateway.settings import Settings, Tls
from tests.builders import adt_a01
from tests.certificates import authority, certified
from tests.line import EHR, MovableClock, make_installation, open_gateway, register_clients


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return make_installation(tmp_path, {"northfell": 9, "pharmacy": 9, "security": 9})


def with_tls(settings: Settings, folder: Path) -> Settings:
    """HTTPS, and the EHR's channel under mutual TLS on a free port."""
    certificate, key = certified("gateway").write(folder, "gateway")
    tls = Tls(certificate=certificate, key=key, client_ca=authority().write(folder, "ca")[0])
    channel = settings.channels[0].model_copy(
        update={"certificates": (certified(EHR).fingerprint,), "port": free_port()}
    )
    return settings.model_copy(update={"tls": tls, "channels": (channel,)})


async def test_https_and_mutual_tls(config: Path, tmp_path: Path) -> None:
    gateway = open_gateway(config, MovableClock())
    register_clients(gateway)
    settings = with_tls(gateway.settings, tmp_path)
    gateway.settings = settings
    trusting = ssl.create_default_context(cafile=str(authority().write(tmp_path, "ca")[0]))
    async with Serving(gateway, settings) as serving, aiohttp.ClientSession() as session:
        http, mllp = serving.addresses()
        assert mllp.endswith("mutual TLS")
        address = http.split()[1]
        assert address.startswith("https://")
        async with session.get(f"{address}/health/ready", ssl=trusting) as answer:
            assert answer.status == 200
        old = ssl.create_default_context(cafile=str(authority().write(tmp_path, "ca")[0]))
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLS"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{address}/health/live", ssl=old)
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{address.replace('https', 'http')}/health/live")
        trusting.load_cert_chain(*certified(EHR).write(tmp_path, "ehr"))
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.channels[0].port, ssl=trusting)
        writer.write(framed(adt_a01()))
        async with asyncio.timeout(10):
            assert b"MSA|AA|" in await reader.readuntil(b"\x1c\r")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("host", ["http_host", "mllp_host"])
async def test_serve_refuses_a_door_beyond_this_machine(config: Path, host: str) -> None:
    gateway = open_gateway(config, MovableClock())
    open_to_all = gateway.settings.gateway.model_copy(update={host: "0.0.0.0", "public_url": "https://gateway.example"})
    settings = gateway.settings.model_copy(update={"gateway": open_to_all})
    with pytest.raises(SettingsError, match="beyond loopback"):
        Serving(gateway, settings)
    gateway.store.close()
