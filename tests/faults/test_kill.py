"""`kill -9` of the real `serve` at random moments over 200 messages, a recording recipient in another process as the judge.

0 lost, 0 doubled effects, 0 out of order, 0 sent without an earlier permit, and the ledger verifies after every kill.
"""

import base64
import hashlib
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway import wiring
from gateway.clients import issue_token
from gateway.pipeline import Gateway
from gateway.settings import read_settings
from gateway.store.schema import decision, delivery
from tests.builders import Course, Product, adt_a03, care_plan, fhir_message, mllp_frame, rde_o11, synthetic_person
from tests.faults.command import started
from tests.line import CLINICAL, EHR, make_installation, register_clients
from tests.world import Rows, nothing_acknowledged_is_lost, order_holds, states_are_legal

ROOT = Path(__file__).resolve().parents[2]
PEOPLE, PRESCRIPTIONS = 20, 8  # a letter of registration with a pharmacy, 8 prescriptions, a release: 200 messages
KILLS = 7
LEAVES = ("release", "reduce")


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(port: int, seconds: float = 30) -> None:
    """Until something listens there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with closing(socket.socket()) as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("nothing listens")


@contextmanager
def recorders(folder: Path, *more: str) -> Iterator[dict[str, int]]:
    """The recipients, each a process of its own; `more` are words for them."""
    ports = {name: free_port() for name in ("northfell", "pharmacy", "security")}
    running = [
        subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("recorder.py")),
                str(port),
                str(folder / f"{name}.log"),
                *more,
            ]
        )
        for name, port in ports.items()
    ]
    try:
        for port in ports.values():
            wait_for(port)
        yield ports
    finally:
        for process in running:
            process.kill()
            process.wait()


class Served:
    """The real `throughgate serve`, which a test kills and starts again."""

    def __init__(self, config: Path, mllp_port: int, http_port: int) -> None:
        self.config, self.mllp_port, self.http_port = config, mllp_port, http_port
        self.process: BaseProcess | None = None

    def start(self) -> None:
        self.process = started(self.config.parent / "serve.log", "serve", "--config", str(self.config))
        wait_for(self.mllp_port)
        wait_for(self.http_port)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.join(30)
        assert self.process.exitcode == 0


def make(folder: Path, ports: dict[str, int]) -> tuple[Served, str]:
    """An installation with quick retries, and a bearer for the clinical system."""
    mllp_port, http_port = free_port(), free_port()
    config = make_installation(folder, ports, send_timeout_seconds=1)
    text = config.read_text()
    for old, new in (
        ("port = 0\nclient", f"port = {mllp_port}\nclient"),
        ("http_port = 0", f"http_port = {http_port}"),
        ("sweep_seconds = 300", "sweep_seconds = 0.3"),
        ("attempts = 4", "attempts = 50"),
        ("backoff_seconds = 1", "backoff_seconds = 0.1"),
        ("backoff_max_seconds = 8", "backoff_max_seconds = 0.4"),
    ):
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)
    with wiring.open_parts(read_settings(config)) as gateway:
        register_clients(gateway)
        bearer = issue_token(gateway, CLINICAL, 3600)
    return Served(config, mllp_port, http_port), bearer


def messages() -> list[bytes]:
    """Per person: a pharmacy is nominated with the first prescription, seven more follow over HL7 v2, then a release; people interleaved."""
    found: list[list[bytes]] = []
    for number in range(PEOPLE):
        person = synthetic_person(number)
        plan = care_plan(start="2026-01-02", description="plan")
        own = [fhir_message(person, resources=[plan], message_id=f"F-{number}")]
        own += [
            rde_o11(
                person,
                product=Product(
                    code="36120711000001104", text="Methadone 1mg/ml oral solution", dose=str(dose), unit="mg"
                ),
                course=Course(start="20260102090000+0000", instruction=f"step {dose}", order=f"RX-{number}-{dose}"),
                message_id=f"R-{number}-{dose}",
            )
            for dose in range(1, PRESCRIPTIONS + 1)
        ]
        found.append([*own, adt_a03(person, message_id=f"A-{number}")])
    return [own[step] for step in range(len(found[0])) for own in found]


class Sender:
    """A system that sends the same message again until it is acknowledged, over MLLP or HTTP."""

    def __init__(self, served: Served, bearer: str) -> None:
        self.served, self.bearer = served, bearer

    def try_once(self, body: bytes) -> bool:
        """One attempt; False when no acknowledgement came back."""
        with suppress(OSError):
            return self._over_http(body) if body.startswith(b"{") else self._over_mllp(body)
        return False

    def _over_mllp(self, body: bytes) -> bool:
        with closing(socket.create_connection(("127.0.0.1", self.served.mllp_port), timeout=5)) as line:
            line.sendall(mllp_frame(body))
            answer = b""
            while b"\x1c\r" not in answer:
                more = line.recv(4096)
                if not more:
                    return False
                answer += more
            return b"MSA|AA|" in answer

    def _over_http(self, body: bytes) -> bool:
        head = (
            "POST /fhir/$process-message?async=true HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Authorization: Bearer {self.bearer}\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with closing(socket.create_connection(("127.0.0.1", self.served.http_port), timeout=5)) as line:
            line.sendall(head.encode() + body)
            answer = b""
            while more := line.recv(4096):
                answer += more
            return answer.startswith((b"HTTP/1.1 202", b"HTTP/1.1 200"))


def taken(folder: Path, recipient: str) -> list[dict[str, Any]]:
    """What a recorder has on its disk, in order; a line that it is still writing is not there yet."""
    path = folder / f"{recipient}.log"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def contents(line: dict[str, Any]) -> tuple[bytes, str, list[str]]:
    """Bytes, NHS number, and the steps of the prescriptions in a letter."""
    body = base64.b64decode(line["body"])
    resources = [entry["resource"] for entry in json.loads(body)["entry"]]
    (patient,) = [each for each in resources if each["resourceType"] == "Patient"]
    requests = [each for each in resources if each["resourceType"] == "MedicationRequest"]
    return body, patient["identifier"][0]["value"], [each["dosageInstruction"][0]["text"] for each in requests]


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("seed", [1])
def test_nothing_is_lost_doubled_or_disordered(tmp_path: Path, seed: int) -> None:
    """The story of 200 messages under seven kills."""
    chance = random.Random(seed)
    bodies = messages()
    assert len(bodies) == 200
    with recorders(tmp_path) as ports, ExitStack() as running:
        served, bearer = make(tmp_path, ports)
        sender = Sender(served, bearer)
        running.callback(served.kill)
        served.start()
        kill_after = sorted(chance.sample(range(5, 200), KILLS))
        for number, body in enumerate(bodies):
            if kill_after and number == kill_after[0]:
                kill_after.pop(0)
                _kill_in_the_middle(served, sender, body, chance)
                _ledger_verifies(served.config)
                served.start()
            until = time.monotonic() + 30
            while not sender.try_once(body):
                assert time.monotonic() < until, "not acknowledged"
        _wait_until_everything_arrived(tmp_path)
        wait_until_nothing_is_on_its_way(served.config)
        served.stop()
    with wiring.open_parts(read_settings(served.config)) as gateway:
        judge(tmp_path, gateway, bodies)


def _kill_in_the_middle(served: Served, sender: Sender, body: bytes, chance: random.Random) -> None:
    """While this very message is on its way in: the sender does not know what became of it."""
    killer = threading.Timer(chance.random() * 0.03, served.kill)
    killer.start()
    sender.try_once(body)
    killer.join()


def _ledger_verifies(config: Path) -> None:
    with wiring.open_parts(read_settings(config)) as gateway:
        found = gateway.ledger.verify()
    assert found.verified, found.faults


def _wait_until_everything_arrived(folder: Path) -> None:
    until = time.monotonic() + 40
    while time.monotonic() < until:
        copies = {line["key"] for line in taken(folder, "pharmacy")}
        handovers = {line["key"] for line in taken(folder, "northfell")}
        if len(copies) >= PEOPLE * PRESCRIPTIONS and len(handovers) >= PEOPLE:
            return
        time.sleep(0.1)
    raise AssertionError(f"{len(copies)} copies and {len(handovers)} handovers arrived")


def wait_until_nothing_is_on_its_way(config: Path) -> None:
    """What arrived without a receipt is sent once more, and known again by its recipient."""
    until = time.monotonic() + 60
    on_its_way = select(func.count()).where(delivery.c.state.in_(("queued", "sending", "ambiguous")))
    with wiring.open_parts(read_settings(config)) as gateway:
        while time.monotonic() < until:
            with gateway.store.read() as c:
                if not c.execute(on_its_way).scalar_one():
                    return
            time.sleep(0.1)
    raise AssertionError("not everything went on")


def judge(folder: Path, gateway: Gateway, bodies: list[bytes]) -> None:
    """The recorders' disks against what was acknowledged, and the store against both."""
    copies: dict[str, dict[str, list[str]]] = defaultdict(dict)  # person -> key -> steps, in order of first arrival
    for line in taken(folder, "pharmacy"):
        body, person, steps = contents(line)
        copies[person].setdefault(line["key"], steps)
        _was_permitted(gateway, "pharmacy", line["key"], body)
    wanted = [f"step {dose}" for dose in range(1, PRESCRIPTIONS + 1)]
    assert len(copies) == PEOPLE, "lost"
    for person, letters in copies.items():
        arrived = [step for steps in letters.values() for step in steps]
        assert arrived == wanted, f"lost, doubled or out of order for {person}: {arrived}"
    handovers: dict[str, set[str]] = defaultdict(set)
    for line in taken(folder, "northfell"):
        body, person, steps = contents(line)
        handovers[person].add(line["key"])
        _was_permitted(gateway, "northfell", line["key"], body)
        assert set(steps) == set(wanted), "a handover without what was acknowledged before"
    assert {person: len(keys) for person, keys in handovers.items()} == dict.fromkeys(copies, 1)
    rows = Rows(gateway)
    nothing_acknowledged_is_lost(gateway, rows, bodies)
    states_are_legal(rows)
    order_holds(rows)
    assert {row.state for row in rows.deliveries} == {"delivered"}
    gateway.ledger.sequence()
    gateway.ledger.sign_head()
    found = gateway.ledger.verify()
    assert found.verified, found.faults


def _was_permitted(gateway: Gateway, recipient: str, key: str, body: bytes) -> None:
    with gateway.store.read() as c:
        row = c.execute(
            select(delivery.c.recipient, delivery.c.digest, decision.c.outcome)
            .join(decision, decision.c.id == delivery.c.decision_id)
            .where(delivery.c.id == key)
        ).one_or_none()
    assert row is not None, "sent without a permit"
    assert (row.recipient, row.digest) == (recipient, hashlib.sha256(body).hexdigest()), "sent without a permit for it"
    assert row.outcome in LEAVES


def test_the_client_names_are_those_of_the_line() -> None:
    """The channel's client is the EHR: otherwise every message would be refused and nothing proven."""
    assert EHR == "fellgate-ehr"
