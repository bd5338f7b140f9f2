"""A gateway with a story behind it, its console on loopback, and people who log in: one for all tests of a file.

The gateway runs in a loop of its own thread, so that a test can drive a browser, or ask over plain HTTP, in its own.
"""

import asyncio
import contextlib
import hashlib
import hmac
import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI
from sqlalchemy import select

from gateway.api import create_app
from gateway.api.answers import refusal
from gateway.console import add_console
from gateway.console.app import cookie_name
from gateway.console.staff import Role, add_staff, invited
from gateway.errors import Fault
from gateway.patience import impatient
from tests.builders import (
    METHADONE,
    SyntheticPerson,
    administration,
    adt_a01,
    adt_a03,
    care_plan,
    consent,
    fhir_message,
    oru_r01,
    rde_o11,
    risk_flag,
    synthetic_person,
)
from tests.line import WITH_PRACTICE_AND_RECORD, Line, running

T = TypeVar("T")
PASSWORD = "four quiet words here"
PEOPLE: Mapping[str, Role] = {
    "ines": Role.IG_OFFICER,
    "ivor": Role.IG_OFFICER,
    "cleo": Role.CLINICAL_SAFETY,
    "gwen": Role.CALDICOTT_GUARDIAN,
    "owen": Role.OPERATOR,
    "aron": Role.AUDITOR,
}
ALEX, BAILEY, CASEY, DREW, ELLIS, FRANK = (synthetic_person(number) for number in range(1, 7))
NOWHERE = synthetic_person(7, postcode="ZZ9 9ZZ")
STRANGER = synthetic_person(99)


def rfc6238(secret: bytes, seconds: float) -> str:
    """RFC 6238 as its text says it: an oracle that shares nothing with the product."""
    mac = hmac.new(secret, struct.pack(">Q", int(seconds // 30)), hashlib.sha1).digest()
    at = mac[19] & 0xF
    return f"{(struct.unpack('>I', mac[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back over plain HTTP. A header that came twice has a line for each."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Site:
    """The console's address, the line behind it, and the second factors of its people."""

    base: str
    port: int
    line: Line
    app: FastAPI
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    secrets: dict[str, bytes] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def code(self, name: str) -> str:
        """What the person's app shows; half a minute later than the last time, so that none is used twice."""
        self.line.clock.advance(seconds=31)
        return rfc6238(self.secrets[name], self.line.clock().timestamp())

    def link(self, name: str, role: Role) -> str:
        """A one-time link as the terminal prints it; the second factor goes into the person's app."""
        link = add_staff(self.line.gateway, name, role)
        with self.line.gateway.store.read() as c:
            known = invited(c, self.line.gateway, link)
        assert known is not None
        self.secrets[name] = known.secret
        return f"/console/begin/{link}"

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """One request over plain HTTP, as no browser would have to make it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = urlencode(form) if form is not None else None
        given = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        try:
            connection.request(
                method, path, body, {**given, **{name.replace("_", "-"): value for name, value in headers.items()}}
            )
            answer = connection.getresponse()
            answered: dict[str, str] = {}
            for name, value in answer.getheaders():
                known = answered.get(name.lower())
                answered[name.lower()] = value if known is None else f"{known}\n{value}"
            return Answer(status=answer.status, headers=answered, text=answer.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def begin(self, name: str, role: Role) -> str:
        """Somebody's first time, over plain HTTP; the cookie."""
        path = self.link(name, role)
        form = {"password": PASSWORD, "again": PASSWORD, "code": self.code(name)}
        return self._cookie(self.ask("POST", path, form))

    def log_in(self, name: str) -> str:
        """The cookie of a new session."""
        form = {"name": name, "password": PASSWORD, "code": self.code(name)}
        return self._cookie(self.ask("POST", "/console/log-in", form))

    def _cookie(self, answer: Answer) -> str:
        assert answer.status == 303, answer.text
        return answer.headers["set-cookie"].partition(";")[0]

    def as_(self, name: str, method: str, path: str, form: Mapping[str, str] | None = None) -> Answer:
        """Asked by somebody who is logged in; a form carries the session's token."""
        cookie = self.cookies[name]
        sent = None if form is None else {"token": self.token(cookie), **form}
        return self.ask(method, path, sent, Cookie=cookie)

    def token(self, cookie: str) -> str:
        """What stands in every form of this session; read once."""
        if cookie not in self.tokens:
            found = re.search(r'name="token" value="([0-9a-f]{64})', self.ask("GET", "/console/", Cookie=cookie).text)
            assert found is not None
            self.tokens[cookie] = found[1]
        return self.tokens[cookie]

    def rows(self, table: Any, **where: Any) -> list[Any]:
        """Rows of a table, as the database has them."""
        with self.line.gateway.store.read() as c:
            return list(c.execute(select(table).where(*(table.c[name] == value for name, value in where.items()))))

    def ids(self, table: Any, **where: Any) -> list[str]:
        """Their ids."""
        return [row.id for row in self.rows(table, **where)]


def dissent(person: SyntheticPerson) -> bytes:
    """The person says no."""
    word = consent(resource_id="word", at="2026-01-02T09:00:00+00:00", decision="deny")
    return fhir_message(person, resources=[word], message_id=f"FHIR-no-{person.prison_number}", event="consent")


async def tell(line: Line) -> None:
    """Every kind of end that a letter or a message can have: delivered, withheld, held, refused, parked, ambiguous, nobody's."""

    def ids(person: SyntheticPerson) -> dict[str, str]:
        return {"message_id": f"A03-{person.prison_number}"}

    clinical = [
        care_plan(start="2026-01-02", description="Reduce slowly after release"),
        administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text="40 mg supervised"),
        risk_flag(resource_id="risk", text="Overdose risk on release", start="2026-01-02"),
    ]
    await line.play(adt_a01(ALEX), fhir_message(ALEX, resources=clinical), rde_o11(ALEX), oru_r01(ALEX))
    await line.play(adt_a03(ALEX, **ids(ALEX)))
    await line.play(dissent(BAILEY), adt_a03(BAILEY, **ids(BAILEY)))
    await line.play(adt_a03(NOWHERE, **ids(NOWHERE)))
    line.neighbours["northfell"].answers = [400]
    await line.play(adt_a03(CASEY, **ids(CASEY)))
    line.neighbours["northfell"].answers = [0]
    await line.play(adt_a03(DREW, **ids(DREW)))
    nobody = adt_a03(ELLIS, message_id="A03-nobody").replace(ELLIS.nhs_number.encode(), b"9990000001")
    await line.play(nobody.replace(ELLIS.prison_number.encode(), b"X"))


@contextlib.contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """A site from nothing to its end, with everybody of `PEOPLE` logged in."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(240)

    stack = contextlib.AsyncExitStack()
    try:
        line = run(stack.enter_async_context(running(folder, recipients=WITH_PRACTICE_AND_RECORD)))
        run(tell(line))
        app = create_app(line.gateway)
        add_console(app, line.gateway)
        port = run(serve(stack, app))
        site = Site(base=f"http://127.0.0.1:{port}", port=port, line=line, app=app, run=run)
        for name, role in PEOPLE.items():
            site.cookies[name] = site.begin(name, role)
        assert all(cookie.startswith(cookie_name(line.gateway)) for cookie in site.cookies.values())
        yield site
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


async def serve(stack: contextlib.AsyncExitStack, app: FastAPI) -> int:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    patient = impatient(30, most_connections=1_000, full=refusal(Fault.OVERLOADED))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="off", ws="none", http=patient
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)

    async def close() -> None:
        server.should_exit = True
        await task
        listener.close()

    stack.push_async_callback(close)
    return int(listener.getsockname()[1])
