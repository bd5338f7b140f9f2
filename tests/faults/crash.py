"""A gateway in a child process that a test kills or holds, the recipients that judge it, and a sender that sends again: for every test that kills.

The judge reads the recipients' fsynced files and, with the driver alone, the dead process's database: it shares no code with the line.
"""

import asyncio
import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import asyncpg  # type: ignore[import-untyped]  # the driver has no types

from gateway import wiring
from gateway.clients import issue_token
from gateway.settings import read_settings
from tests import line
from tests.builders import Course, Product, mllp_frame, rde_o11
from tests.faults.account import number
from tests.line import CLINICAL, make_installation, register_clients
from tests.world import (
    Rows,
    ledger_verifies,
    nothing_acknowledged_is_lost,
    nothing_is_forgotten,
    nothing_left_under_another_decision,
    order_holds,
    states_are_legal,
)

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
RECIPIENTS = ("northfell", "pharmacy", "security")
LEAVES = ("release", "reduce")
ANSWERS = "answers"
"""Where the clinical system gets the responses that it asked to get later."""
SEND_AGAIN = b"|207^"  # HL7 table 0357: an error of the application, and none of the message


class Died(Exception):
    """The gateway is dead; where it fell, if it did not die of a kill."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One letter on a recipient's disk."""

    run: str
    recipient: str
    key: str
    body: bytes

    @property
    def resources(self) -> list[Json]:
        return [entry["resource"] for entry in json.loads(self.body)["entry"]]

    @property
    def person(self) -> str:
        (patient,) = [each for each in self.resources if each["resourceType"] == "Patient"]
        return str(patient["identifier"][0]["value"])

    @property
    def steps(self) -> list[str]:
        """The texts of its prescriptions."""
        requests = [each for each in self.resources if each["resourceType"] == "MedicationRequest"]
        return [each["dosageInstruction"][0]["text"] for each in requests]


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Recorder:
    """All recipients in one process of its own; `taken` reads what is on its disk."""

    def __init__(self, folder: Path, *, steady: bool) -> None:
        self.folder, self.port, self.log = folder, free_port(), folder / "taken.log"
        self.log.touch()
        self._read: dict[str, list[Taken]] = defaultdict(list)
        self._at = 0
        words = [str(Path(__file__).with_name("recorder.py")), str(self.port), str(self.log)]
        self.process = subprocess.Popen([sys.executable, *words, *(["steady"] if steady else [])])
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with closing(socket.socket()) as asking:
                if asking.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("the recorder does not listen")

    def taken(self, run: str) -> list[Taken]:
        """In the order of arrival. Each line is read once; one that is not written to its end is left for the next time."""
        with self.log.open("rb") as log:
            log.seek(self._at)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                one = json.loads(line)
                _, where, recipient, *_ = one["path"].split("/")
                body = base64.b64decode(one["body"])
                self._read[where].append(Taken(run=where, recipient=recipient, key=one["key"], body=body))
        return list(self._read[run])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Forge:
    """See tests/faults/forge.py. `environment` is what its gateways have beside this process's."""

    def __init__(self, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forge"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(self, order: Json) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Child:
    """One gateway process. Every word to it raises `Died` when it is dead. It dies at the first of these passes (point -> number) that it comes to."""

    def __init__(self, forge: Forge, config: Path, *, die_at: Mapping[str, int], ahead_seconds: float) -> None:
        control = config.parent / "control"
        control.unlink(missing_ok=True)
        self._log = config.parent / "child.log"
        self.door = f"{control}.door"
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(str(control))
            listener.listen()
            listener.settimeout(0.02)
            order = {
                "config": str(config),
                "control": str(control),
                "die_at": dict(die_at),
                "ahead_seconds": ahead_seconds,
            }
            self.pid = forge.fork(order)
            self.line = self._connected(listener)
        self.line.settimeout(number(120, 1_200))  # a day's letters go through between a word and its answer
        self.said: IO[bytes] = self.line.makefile("rb")
        self.ports = self._answer()

    def _connected(self, listener: socket.socket) -> socket.socket:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with suppress(TimeoutError):
                return listener.accept()[0]
            if not self.is_alive():
                raise Died(self._last_words())
        raise AssertionError("the child does not start")

    def _last_words(self) -> str:
        _, _, told = self._log.read_text("utf-8").rpartition("Traceback (most recent call last):\n")
        return told[-4000:]

    def is_alive(self) -> bool:
        with suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return True
        return False

    def _answer(self) -> Any:
        try:
            line = self.said.readline()
        except TimeoutError:
            raise AssertionError("the gateway lives and does not answer") from None
        except OSError:
            line = b""
        if not line:
            self.close()
            raise Died(self._last_words())
        return json.loads(line)

    def tell(self, word: str) -> Any:
        """A word and its answer."""
        try:
            self.line.sendall(word.encode() + b"\n")
        except OSError:
            self.close()
            raise Died from None
        return self._answer()

    def kill(self) -> None:
        """`kill -9`, and wait until it has let go of everything."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(OSError):
            while self.line.recv(4096):
                pass
        self.close()

    def stop(self) -> None:
        """A good end."""
        with suppress(OSError):
            self.line.sendall(b"stop\n")
            while self.line.recv(4096):
                pass
        self.close()

    def close(self) -> None:
        self.said.close()
        self.line.close()


class Site:
    """One installation's folder, made from a template, whose recipients are in the recorder.

    `database_url` is where its PostgreSQL is asked; None when its database is in the folder.
    """

    def __init__(self, template: Path, folder: Path, recorder: Recorder, database_url: str | None = None) -> None:
        self.name, self.folder, self.recorder, self.database_url = folder.name, folder, recorder, database_url
        shutil.copytree(template, folder)
        self.config = folder / "throughgate.toml"
        for path in (self.config, *(folder / "recipients").glob("*.toml")):
            text = path.read_text().replace(str(template), str(folder)).replace("/template/", f"/{self.name}/")
            path.write_text(text)

    def taken(self) -> list[Taken]:
        return self.recorder.taken(self.name)

    def died_at(self) -> str:
        """The point at which its last gateway died."""
        _, _, name = (self.folder / "child.log").read_text("utf-8").rpartition("died at ")
        return name.strip()


@contextmanager
def engines(store_url: str, bus_url: str, installation: str) -> Iterator[None]:
    """The installations that are made meanwhile are on these."""
    before = line.Mode.engines_of
    found = line.Engines(store_url=store_url, bus_url=bus_url, installation=installation)
    line.Mode.engines_of = staticmethod(lambda _: found)
    try:
        yield
    finally:
        line.Mode.engines_of = before


def make_template(
    folder: Path,
    recorder_port: int,
    recipients: Mapping[str, line.RecipientOfTests] = line.RECIPIENTS,
    *,
    answered: bool = False,
) -> str:
    """An installation that is registered and has no messages; the bearer of its clinical system, which may be told later, at the recorder."""
    folder.mkdir()
    ports = dict.fromkeys(RECIPIENTS, recorder_port)
    config = make_installation(folder, ports, send_timeout_seconds=2, recipients=recipients)
    for name in RECIPIENTS:
        path = folder / "recipients" / f"{name}.toml"
        path.write_text(path.read_text().replace("/fhir", f"/template/{name}/fhir"))
    text = config.read_text()
    assert "attempts = 4" in text
    text = text.replace("attempts = 4", "attempts = 100")
    config.write_text(text.replace("[tell]\n", f"{_answers(recorder_port)}[tell]\n") if answered else text)
    with wiring.open_parts(read_settings(config)) as gateway:
        register_clients(gateway)
        return issue_token(gateway, CLINICAL, 24 * 3600)


def _answers(recorder_port: int) -> str:
    """The channel of the clinical system, with where its later answers go."""
    channel = f'[[channels]]\nname = "clinical-messages"\nadapter = "http"\nformat = "fhir"\nclient = "{CLINICAL}"\n'
    url = f"http://127.0.0.1:{recorder_port}/template/{ANSWERS}/fhir"
    return f'{channel}[channels.answers]\nadapter = "fhir_http"\nadapter_settings = {{url = "{url}"}}\n\n'


def step(person: Any, number: int, *, of: str = "") -> bytes:
    """One prescription of a person, known by its text."""
    return rde_o11(
        person,
        product=Product(code="36120711000001104", text="Methadone 1mg/ml oral solution", dose=str(number), unit="mg"),
        course=Course(start="20260102090000+0000", instruction=f"step {number}", order=f"RX-{of}-{number}"),
        message_id=f"R-{of}-{number}",
    )


@contextmanager
def connected(child: Child) -> Iterator[socket.socket]:
    """A line to its MLLP door."""
    with closing(socket.create_connection(("127.0.0.1", child.ports["mllp"]), timeout=60)) as line:
        yield line


def exchange_hl7(child: Child, body: bytes) -> bytes:
    """One attempt over MLLP: the acknowledgement, or nothing when none came back."""
    with suppress(OSError), connected(child) as line:
        line.sendall(mllp_frame(body))
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            more = line.recv(4096)
            if not more:
                return b""
            answer += more
        return answer
    return b""


def send_hl7(child: Child, body: bytes) -> bool:
    """Was it acknowledged? What is sound may be refused only so that it is sent again."""
    answer = exchange_hl7(child, body)
    assert not answer or b"MSA|AA|" in answer or SEND_AGAIN in answer, answer
    return b"MSA|AA|" in answer


def exchange_fhir(child: Child, body: bytes, bearer: str) -> bytes:
    """One attempt over HTTP: the whole answer, or as much of it as came back."""
    head = (
        "POST /fhir/$process-message?async=true HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {bearer}\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = b""
    with (
        suppress(OSError),
        closing(socket.create_connection(("127.0.0.1", child.ports["http"]), timeout=60)) as line,
    ):
        line.sendall(head.encode() + body)
        while more := line.recv(4096):
            answer += more
    return answer


def send_fhir(child: Child, body: bytes, bearer: str) -> bool:
    """Was it acknowledged?"""
    answer = exchange_fhir(child, body, bearer)
    assert answer.startswith((b"HTTP/1.1 202", b"HTTP/1.1 503")) or not answer, answer
    return answer.startswith(b"HTTP/1.1 202")


def ask(site: Site, question: str) -> list[tuple[Any, ...]]:
    """The rows of one question to the database as it is now, by the driver alone and past every proxy."""
    if site.database_url is not None:
        return asyncio.run(_fetch(site.database_url, question))
    with closing(sqlite3.connect(f"file:{site.folder}/throughgate.db?mode=ro", uri=True)) as c:
        return c.execute(question).fetchall()


async def _fetch(url: str, question: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return [tuple(row) for row in await connection.fetch(question)]
    finally:
        await connection.close()


def open_letters(site: Site) -> int:
    """Messages, letters and later answers that are on their way."""
    on_the_way = "state IN ('queued', 'sending', 'ambiguous')"
    (found,) = ask(
        site,
        f"SELECT (SELECT count(*) FROM delivery WHERE {on_the_way}),"
        f" (SELECT count(*) FROM owed_answer WHERE {on_the_way}),"
        " (SELECT count(*) FROM message WHERE state = 'received')",
    )
    return sum(int(each) for each in found)


def permitted(site: Site, taken: Sequence[Taken]) -> None:
    """Whatever a recipient has on its disk stands in the database, as it is now, with decision, digest and intent."""
    rows = {
        row[0]: row[1:]
        for row in ask(
            site,
            "SELECT delivery.id, delivery.recipient, delivery.digest, decision.outcome,"
            " (SELECT count(*) FROM attempt WHERE attempt.delivery_id = delivery.id)"
            " FROM delivery JOIN decision ON decision.id = delivery.decision_id",
        )
    }
    answers = dict(ask(site, "SELECT id, attempts FROM owed_answer"))
    for each in taken:
        if each.recipient == ANSWERS:
            assert answers.get(each.key), "answered without an intent"
            continue
        assert each.key in rows, "sent without a permit"
        recipient, digest, outcome, attempts = rows[each.key]
        assert (recipient, digest) == (each.recipient, hashlib.sha256(each.body).hexdigest()), "a permit for another"
        assert outcome in LEAVES, "sent against a decision"
        assert attempts, "sent without an intent"


def judge_store(site: Site, acked: Sequence[bytes]) -> None:
    """Every rule that the store shows, after a good end."""
    with wiring.open_parts(read_settings(site.config)) as gateway:
        rows = Rows(gateway)
        nothing_acknowledged_is_lost(gateway, rows, acked)
        states_are_legal(rows)
        order_holds(rows)
        nothing_left_under_another_decision(rows)
        nothing_is_forgotten(rows)
        ledger_verifies(gateway)
