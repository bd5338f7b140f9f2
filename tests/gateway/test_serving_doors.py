"""A whole gateway's doors: HTTPS of TLS 1.2 or newer, mutual TLS on MLLP, and no door beyond this machine while anything is missing."""

import asyncio
import json
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from adapters.mllp.frames import framed
from gateway.api.documents import base_address
from gateway.clients import issue_token
from gateway.errors import SettingsError
from gateway.serving import Serving
from gateway.settings import Settings, Tls
from gateway.smart.keys import add_keys
from tests.builders import adt_a01
from tests.certificates import authority, certified
from tests.gateway.smart.signer import assertion, both_keys, form
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


async def test_an_answer_waits_for_no_acknowledgement_of_its_head(config: Path) -> None:
    """Nagle's algorithm (RFC 896) with delayed acknowledgements: a body that follows its head would leave 40 ms after it, each time."""
    gateway = open_gateway(config, MovableClock())
    async with Serving(gateway, gateway.settings) as serving, aiohttp.ClientSession() as session:
        address = serving.addresses()[0].split()[1]
        async with session.get(f"{address}/health/live") as answer:
            assert answer.status == 200
        (connection,) = serving._http.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_a_bearer_is_bound_to_the_certificate_that_it_was_given_to(config: Path, tmp_path: Path) -> None:
    """RFC 8705: with its certificate it opens; with another one, with none, and as a bearer of the command line it does not."""
    gateway = open_gateway(config, MovableClock())
    register_clients(gateway)
    add_keys(gateway, EHR, both_keys())
    settings = with_tls(gateway.settings, tmp_path)
    assert settings.tls is not None
    settings = settings.model_copy(update={"tls": settings.tls.model_copy(update={"http_mutual": True})})
    gateway.settings = settings
    own, other, none = (ssl.create_default_context(cafile=str(authority().write(tmp_path, "ca")[0])) for _ in range(3))
    own.load_cert_chain(*certified(EHR).write(tmp_path, "ehr"))
    other.load_cert_chain(*certified("somebody").write(tmp_path, "somebody"))
    stranger = ssl.create_default_context(cafile=str(authority().write(tmp_path, "ca")[0]))
    stranger.load_cert_chain(*certified("stranger", by="Another CA").write(tmp_path, "stranger"))
    async with Serving(gateway, settings) as serving:
        address = serving.addresses()[0].split()[1]

        async def ask(method: str, path: str, shown: ssl.SSLContext, **more: Any) -> tuple[int, str]:
            connector = aiohttp.TCPConnector(ssl=shown)
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.request(method, f"{address}{path}", **more) as answer,
            ):
                return answer.status, await answer.text()

        def signed(number: int) -> dict[str, str]:
            asked = assertion(iss=EHR, sub=EHR, aud=base_address(settings), jti=f"a-jti-of-its-own-{number}")
            return form(asked, "system/Binary.c")

        assert (await ask("GET", "/health/ready", none))[0] == 200
        status, text = await ask("GET", "/.well-known/smart-configuration", none)
        assert (status, json.loads(text)["tls_client_certificate_bound_access_tokens"]) == (200, True)
        status, text = await ask("POST", "/oauth2/token", none, data=signed(1))
        assert (status, json.loads(text)["error"]) == (401, "invalid_client")
        status, text = await ask("POST", "/oauth2/token", own, data=signed(1))
        assert status == 200, text
        bearer = json.loads(text)["access_token"]
        loose = issue_token(gateway, EHR, 300)
        for number, (token, shown, expected) in enumerate(
            ((bearer, own, 200), (bearer, other, 401), (bearer, none, 401), (loose, own, 401), (loose, none, 401))
        ):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/hl7-v2+er7"}
            body = adt_a01(message_id=f"M-{number}")
            assert (await ask("POST", "/hl7v2", shown, data=body, headers=headers))[0] == expected
        with pytest.raises(aiohttp.ClientError):
            await ask("GET", "/health/live", stranger)


def test_mutual_tls_over_http_needs_to_know_who_signs(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="client_ca"):
        Tls(certificate=tmp_path, key=tmp_path, http_mutual=True)


@pytest.mark.parametrize("host", ["http_host", "mllp_host"])
async def test_serve_refuses_a_door_beyond_this_machine(config: Path, host: str) -> None:
    gateway = open_gateway(config, MovableClock())
    open_to_all = gateway.settings.gateway.model_copy(update={host: "0.0.0.0", "public_url": "https://gateway.example"})
    settings = gateway.settings.model_copy(update={"gateway": open_to_all})
    with pytest.raises(SettingsError, match="beyond loopback"):
        Serving(gateway, settings)
    gateway.store.close()


async def test_beyond_so_many_connections_a_caller_is_asked_to_come_again(config: Path) -> None:
    """And is served once there is room."""
    gateway = open_gateway(config, MovableClock())
    settings = gateway.settings.model_copy(
        update={"limits": gateway.settings.limits.model_copy(update={"http_connections": 3})}
    )
    gateway.settings = settings
    async with Serving(gateway, settings) as serving:
        address = serving.addresses()[0].split()[1]
        idle = [await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2])) for _ in range(3)]

        async def ask() -> tuple[int, dict[str, str], Any]:
            async with aiohttp.ClientSession() as session, session.get(f"{address}/health/live") as answer:
                return answer.status, dict(answer.headers), await answer.json(content_type=None)

        status, headers, said = await ask()
        assert (status, headers["Retry-After"], headers["Connection"]) == (503, "30", "close")
        assert said["resourceType"] == "OperationOutcome"
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        assert (await ask())[0] == 200
