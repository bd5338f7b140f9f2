"""The prison's neighbours, simulated: servers and a mailbox poller that really receive over their wires and keep what they got.

They stand outside the gateway and know nothing of it but addresses; they MUST NOT share an object with it.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

Json = dict[str, Any]
FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True, kw_only=True)
class Got:
    """One letter as it arrived. `repeat` says that its idempotency key was seen before."""

    delivery_id: str
    content_type: str
    body: bytes
    repeat: bool

    def bundle(self) -> Json:
        """The letter as JSON."""
        read: Json = json.loads(self.body)
        return read


class HttpNeighbour:
    """A FHIR server on a loopback port. It can be down (nothing listens), and come back on the same port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.got: list[Got] = []
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    async def up(self) -> None:
        """Listen."""
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_post("/{tail:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def down(self) -> None:
        """Stop listening: connections are refused from now on."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        delivery_id = request.headers.get("Idempotency-Key", "")
        self.got.append(
            Got(
                delivery_id=delivery_id,
                content_type=request.content_type,
                body=body,
                repeat=any(earlier.delivery_id == delivery_id for earlier in self.got),
            )
        )
        outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]}
        return web.json_response(outcome, status=200, content_type=FHIR_JSON)


class MailboxNeighbour:
    """A recipient without a server: it asks its mailbox for letters, opens each and acknowledges it."""

    def __init__(self, gateway_url: str, bearer: Callable[[], str]) -> None:
        self.got: list[Got] = []
        self._url = gateway_url
        self._bearer = bearer

    async def collect(self) -> int:
        """One look into the mailbox; how many letters were taken."""
        headers = {"Authorization": f"Bearer {self._bearer()}"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as session:
            async with session.get(f"{self._url}/mailbox") as listed:
                listed.raise_for_status()
                letters = await listed.json(content_type=None)
            for letter in _entries(letters):
                await self._open(session, str(letter["id"]))
        return len(_entries(letters))

    async def _open(self, session: aiohttp.ClientSession, letter_id: str) -> None:
        async with session.get(f"{self._url}/mailbox/{letter_id}") as opened:
            opened.raise_for_status()
            body = await opened.read()
            repeat = any(earlier.delivery_id == letter_id for earlier in self.got)
            self.got.append(Got(delivery_id=letter_id, content_type=opened.content_type, body=body, repeat=repeat))
        async with session.put(f"{self._url}/mailbox/{letter_id}/acknowledged") as acknowledged:
            acknowledged.raise_for_status()


def _entries(listed: Any) -> list[Json]:
    """The list of letters, bare or under a name."""
    if isinstance(listed, dict):
        return next((value for value in listed.values() if isinstance(value, list)), [])
    return list(listed)


class PrisonEhr:
    """The prison's record system: one MLLP connection that sends a message and waits for its acknowledgement."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    async def send(self, message: bytes) -> str:
        """Send one message; the acknowledgement as text."""
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(b"\x0b" + message + b"\x1c\x0d")
            await writer.drain()
            framed = await asyncio.wait_for(reader.readuntil(b"\x1c\x0d"), timeout=20)
        finally:
            writer.close()
            await writer.wait_closed()
        return framed.strip(b"\x0b\x1c\x0d").decode("utf-8", "replace")


class ClinicalSystem:
    """A system that speaks FHIR messages: POST /fhir/$process-message with a bearer."""

    def __init__(self, gateway_url: str, bearer: Callable[[], str]) -> None:
        self._url = gateway_url
        self._bearer = bearer

    async def send(self, message: bytes) -> tuple[int, Json]:
        """Send one message Bundle; HTTP status and the answer."""
        headers = {"Authorization": f"Bearer {self._bearer()}", "Content-Type": FHIR_JSON, "Accept": FHIR_JSON}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.post(f"{self._url}/fhir/$process-message", data=message, headers=headers) as answered,
        ):
            text = await answered.read()
            return answered.status, json.loads(text) if text else {}
