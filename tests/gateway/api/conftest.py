"""A real uvicorn on loopback in front of real intake; the rest of the line is a small stand-in that remembers."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import uvicorn

from adapters.contract import Arrival, Letter
from gateway.api import create_app
from gateway.api.answers import refusal
from gateway.audit_feed import Page
from gateway.clients import Client, issue_token
from gateway.errors import Fault
from gateway.patience import impatient
from gateway.states import MessageState
from gateway.steps.receive import Received, receive
from tests.gateway.receive.line import PartsOfTests, make_parts

LETTER = Letter(
    delivery_id="0123456789ABCDEFGHJK",
    recipient="exampleton-pharmacy",
    wire="fhir-message",
    content_type="application/fhir+json",
    body=b'{"resourceType":"Bundle"}',
)

AUDIT_EVENT = {"resourceType": "AuditEvent", "id": "E0"}


@dataclass
class Item:
    id: str
    queued_at: str


class Line:
    """An `Intake`: real custody, and a mailbox with one letter for the pharmacy."""

    def __init__(self, parts: PartsOfTests) -> None:
        self.parts = parts
        self.settings = parts.settings
        self.store = parts.store
        self.ids = parts.ids
        self.refusals = parts.refusals
        self.doors = parts.doors
        self.arrivals: list[Arrival] = []
        self.state = MessageState.RELEASED
        self.fails: Exception | None = None
        self.acknowledged: list[str] = []
        self.is_ready = True

    def now(self) -> str:
        return self.parts.now()

    async def receive(self, arrival: Arrival) -> Received:
        self.arrivals.append(arrival)
        if self.fails:
            raise self.fails
        return await receive(self.parts, arrival)

    async def settle_message(self, message_id: str, timeout_seconds: float) -> MessageState:
        assert timeout_seconds == self.settings.limits.process_seconds
        return self.state

    async def mailbox_list(self, client: Client) -> Sequence[Item]:
        return [Item(LETTER.delivery_id, "2026-01-15T12:00:00.000000Z")] if client.recipient == LETTER.recipient else []

    async def mailbox_open(self, client: Client, delivery_id: str) -> Letter | None:
        mine = client.recipient == LETTER.recipient and delivery_id == LETTER.delivery_id
        return LETTER if mine else None

    async def signed_head(self) -> str:
        return "origin\n1\nroot\n"

    async def audit_page(self, after: int, count: int) -> Page:
        return Page(events=(AUDIT_EVENT,), last=after + 1, more=False, only_taking=False)

    async def mailbox_acknowledge(self, client: Client, delivery_id: str) -> bool:
        mine = client.recipient == LETTER.recipient and delivery_id == LETTER.delivery_id
        if mine:
            self.acknowledged.append(delivery_id)
        return mine

    async def ready(self) -> bool:
        return self.is_ready


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Http:
    """The server's address, a client session, and the line behind it."""

    base: str
    port: int
    session: aiohttp.ClientSession
    line: Line

    def token(self, client: str = "zfg-ehr", seconds: int = 600) -> str:
        return issue_token(self.line.parts, client, seconds)

    def bearer(self, client: str = "zfg-ehr") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(client)}"}

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, str], bytes]:
        async with self.session.request(method, self.base + path, allow_redirects=False, **more) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, await answer.read()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    line = Line(make_parts())
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    server = _Server(
        uvicorn.Config(
            create_app(line),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            # Both ends share one loop: a machine that stands still for seconds must not end a connection between two requests.
            timeout_keep_alive=600,
            http=impatient(
                line.settings.limits.http_read_seconds, most_connections=1_000, full=refusal(Fault.OVERLOADED)
            ),
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    port = listener.getsockname()[1]
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Http(base=f"http://127.0.0.1:{port}", port=port, session=session, line=line)
    server.should_exit = True
    await task
    listener.close()
    line.store.close()
