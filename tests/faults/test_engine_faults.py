"""The crash matrix of the engines: at every failpoint the gateway, the database or the broker is killed and started again, or a connection is cut, or the
database's disk is full.

The gateway is held at the point until the fault has begun, and lives on unless the fault is its own death. It reaches PostgreSQL, RabbitMQ and the
recipients only through proxies of ours that cut after so many bytes, there or back. In `make test` for one message type its death at every point,
the others at the points that touch what fails; in `make soak` every point x every fault x five message types. The judge asks the recipients' disks
and, with the driver alone, the database.
"""

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.builders import adt_a01, adt_a03, adt_a40, care_plan, fhir_message, oru_r01, synthetic_person
from tests.engines import Broker, Database, own_broker, own_database
from tests.faults.account import FIRST_SEED, SHARE, SOAKING, Account
from tests.faults.crash import (
    Child,
    Died,
    Forge,
    Recorder,
    Site,
    ask,
    engines,
    judge_store,
    make_template,
    open_letters,
    permitted,
    send_fhir,
    send_hl7,
    step,
)
from tests.faults.disk_room import Room
from tests.faults.proxy import Proxy, Way

OF_THE_BROKER, OF_A_RECIPIENT = ("bus.", "publish."), ("send.before",)
"""After that nothing is said to a recipient any more that could be cut."""
OF_THE_CLOCK = ("credentials.", "retention.", "retention-rows.")
"""Passed by a sweep every few minutes and by no message: tests/faults/test_deaths.py is at them."""
FULL_SECONDS = 2
"""How long the disk stays full when nobody writes."""
OF_NO_FIXED_NUMBER = ("store.", "ledger.", "sequence.", "head-file.", "keep-head.")
"""Works share a commit, and the ledger is signed by the clock: how often these are passed while a message is under way is chance."""
PATIENCE_SECONDS = (
    180  # this number belongs to two busy cores: a broker that was killed is back in five to twenty seconds
)

Story = tuple[list[bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A message type: for the n-th fault, what is sent before, and the message that the fault strikes."""

    name: str
    story: Callable[[int], Story]


def _plan(person: int) -> bytes:
    plan = care_plan(start="2026-01-02", description="plan")
    return fhir_message(synthetic_person(person), resources=[plan], message_id=f"F-{person}")


def _prescription(number: int) -> Story:
    """Three people in turn, so that each person's prescriptions are a line of which no fault may change the order."""
    person = number % 3
    return (
        [_plan(person)] if number < 3 else [],
        step(synthetic_person(person), number // 3 + 1, of=str(person)),
    )


def _release(number: int) -> Story:
    person = synthetic_person(number)
    return [_plan(number), step(person, 1, of=str(number))], adt_a03(person, message_id=f"A-{number}")


def _result(number: int) -> Story:
    return [_plan(number)], oru_r01(synthetic_person(number), message_id=f"O-{number}")


def _merge(number: int) -> Story:
    """Two records of one person, each with something in its file. Two NHS numbers would be two people, and held."""
    stays, goes = synthetic_person(2 * number), synthetic_person(2 * number + 1)
    prescribed = step(goes, 1, of=str(2 * number + 1)).replace(f"{goes.nhs_number}^^^NHS^NH~".encode(), b"")
    before = [adt_a01(stays, message_id=f"I-{number}"), prescribed]
    return before, adt_a40(stays, prior_prison_number=goes.prison_number, message_id=f"M-{number}")


PRESCRIPTION = Kind(name="rde-prescription", story=_prescription)
KINDS = (
    PRESCRIPTION,
    Kind(name="a03-release", story=_release),
    Kind(name="oru-result", story=_result),
    Kind(name="fhir-message", story=lambda number: ([], _plan(number))),
    Kind(name="a40-merge", story=_merge),
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`begin` while the gateway is held at the point, `end` when it goes on."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None] = lambda: None


@dataclass(kw_only=True)
class Plant:
    """Everything outside of the gateway."""

    folder: Path
    forge: Forge
    recorder: Recorder
    broker: Broker
    database: Database
    room: Room
    """On the database's disk."""
    proxies: dict[str, Proxy]
    filled: list[bool] = field(default_factory=list)
    """Of each time that the disk was full: did the database want to write?"""
    refused: int = 0

    def fill(self) -> None:
        self.filled.append(False)
        self.refused = self.room.refused
        self.room.limit(0)

    def make_room(self) -> None:
        """When a write was refused, or nobody wants to write. A server that stopped for want of room is started again."""
        ends = time.monotonic() + FULL_SECONDS
        while self.room.refused == self.refused and time.monotonic() < ends:
            time.sleep(0.02)
        self.filled[-1] = self.room.refused > self.refused
        self.room.free()
        self.database.come_up()

    def faults_of(self, engine: str) -> list[Fault]:
        """A command, a letter, a publish is cut in the middle; or its answer."""
        proxy = self.proxies[engine]
        there, back = {"database": (9, 8), "broker": (60, 9), "recipient": (700, 12)}[engine]
        cuts = [
            Fault(name=f"{engine}-cut-there", begin=lambda: proxy.cut_after(there, Way.THERE)),
            Fault(name=f"{engine}-cut-back", begin=lambda: proxy.cut_after(back, Way.BACK)),
        ]
        if engine == "database":
            return [
                Fault(name="database-restart", begin=self.database.kill, end=self.database.start),
                Fault(name="database-full", begin=self.fill, end=self.make_room),
                *cuts,
            ]
        if engine == "broker":
            return [Fault(name="broker-restart", begin=self.broker.kill, end=self.broker.start), *cuts]
        return cuts


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, disk_library: Path) -> Iterator[Plant]:
    """Engines that may be killed, each behind a proxy."""
    folder, rooms = tmp_path_factory.mktemp("engines"), list[Room]()

    def with_little_room(server: Path) -> Mapping[str, str]:
        rooms.append(Room(server, disk_library, f"{server}/data/"))
        return rooms[-1].environment

    with ExitStack() as ending:
        broker = ending.enter_context(own_broker())
        database = ending.enter_context(own_database(with_little_room))
        forge, recorder = Forge(), Recorder(folder, steady=True)
        ending.callback(forge.close)
        ending.callback(recorder.close)
        targets = {"database": database.port, "broker": broker.port, "recipient": recorder.port}
        proxies = {name: Proxy(target) for name, target in targets.items()}
        for proxy in proxies.values():
            ending.callback(proxy.close)
        yield Plant(
            folder=folder,
            forge=forge,
            recorder=recorder,
            broker=broker,
            database=database,
            room=rooms[0],
            proxies=proxies,
        )


@dataclass(kw_only=True)
class Run:
    """One installation that lives through one fault after the other."""

    plant: Plant
    kind: Kind
    site: Site
    bearer: str
    child: Child
    number: int = 0
    acked: list[bytes] = field(default_factory=list)
    struck: list[int] = field(default_factory=list)
    """Where the messages that a fault struck stand in `acked`; the first was struck by none."""
    recovered: int = 0
    missed: list[str] = field(default_factory=list)
    deaths: int = 0
    ahead_seconds: int = 0
    """How far the gateway's clock is ahead of the machine's: the next gateway's is no less."""

    @classmethod
    def of(cls, plant: Plant, kind: Kind) -> "Run":
        name = plant.database.prepared().rsplit("/", 1)[1]
        through = f"postgresql://app@127.0.0.1:{plant.proxies['database'].port}/{name}"
        bus_url = f"amqp://guest:guest@127.0.0.1:{plant.proxies['broker'].port}/"
        # A story may be played twice on one plant: nothing of one is the other's.
        own = f"{kind.name}-{name}".replace("_", "-")
        template = plant.folder / f"template-{own}"
        with engines(through, bus_url, own):
            bearer = make_template(template, plant.proxies["recipient"].port)
        site = Site(template, plant.folder / own, plant.recorder, plant.database.url(name))
        child = Child(plant.forge, site.config, die_at={}, ahead_seconds=0)
        return cls(plant=plant, kind=kind, site=site, bearer=bearer, child=child)

    def send(self, body: bytes) -> None:
        """Until it is acknowledged."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while not (send_fhir(self.child, body, self.bearer) if body.startswith(b"{") else send_hl7(self.child, body)):
            assert time.monotonic() < ends, "not acknowledged"
            time.sleep(0.05)
            self.revive()
        self.acked.append(body)

    def die(self) -> None:
        """`kill -9`."""
        os.kill(self.child.pid, signal.SIGKILL)

    def revive(self) -> None:
        """A new process where the last one died, behind the doors of its own."""
        if self.child.is_alive():
            return
        self.child.kill()
        self.deaths += 1
        self.child = Child(self.plant.forge, self.site.config, die_at={}, ahead_seconds=self.ahead_seconds)

    def settle(self, striker: threading.Thread | None = None) -> None:
        """Until nothing is on its way and everything is well again."""
        ends = time.monotonic() + PATIENCE_SECONDS
        said, withdrawn = "", False
        while True:
            assert time.monotonic() < ends, f"not everything went on: {said}"
            try:
                said = self.child.tell("settle")
                # A hold that nobody came to is withdrawn, once: asked again, it would look like one that was met.
                busy = striker is not None and striker.is_alive() and not withdrawn and self.child.tell("go-on")
                withdrawn = not busy
                if said == "done" and not busy and not open_letters(self.site):
                    return
                time.sleep(0.05)
                self.child.tell("advance 30")
                self.ahead_seconds += 30
            except Died:
                self.revive()

    def prepare(self) -> bytes:
        """The next story up to the message that is struck."""
        before, body = self.kind.story(self.number)
        self.number += 1
        for each in before:
            self.send(each)
        self.settle()
        return body

    def unharmed(self) -> Counter[str]:
        """One message without a fault: the points that it passes."""
        body = self.prepare()
        before = Counter(self.child.tell("points"))
        self.struck.append(len(self.acked))
        self.send(body)
        self.settle()
        return Counter(self.child.tell("points")) - before

    def strike(self, point: str, number: int, fault: Fault) -> None:
        """One message; at that pass of the point the gateway is held, the fault begins, the gateway goes on, the fault ends."""
        body = self.prepare()
        had = len({each.key for each in self.site.taken()})
        with closing(socket.socket(socket.AF_UNIX)) as door:
            Path(self.child.door).unlink(missing_ok=True)
            door.bind(self.child.door)
            door.listen()
            door.settimeout(0.05)
            over = threading.Event()
            hit = threading.Event()
            striker = threading.Thread(target=self._strike, args=(door, fault, over, hit))
            self.child.tell(f"hold-at {point} {number}")
            striker.start()
            self.struck.append(len(self.acked))
            try:
                self.send(body)
                self.settle(striker)
            finally:
                over.set()
                striker.join()
                for proxy in self.plant.proxies.values():
                    proxy.let_pass()  # what found nothing to cut on this message strikes no other
        if not hit.is_set():
            self.missed.append(f"{point} {number} {fault.name}")
        self.recovered += len({each.key for each in self.site.taken()}) - had
        found = self.child.tell("verify")
        assert found["verified"], found["faults"]

    def _strike(self, door: socket.socket, fault: Fault, over: threading.Event, hit: threading.Event) -> None:
        # Until the message is through: a gateway that came to the point after this had given up would be held for ever.
        while not over.is_set():
            with suppress(TimeoutError):
                held = door.accept()[0]
                hit.set()
                try:
                    permitted(self.site, self.site.taken())
                    fault.begin()
                finally:
                    held.close()
                fault.end()
                return

    def judge(self) -> dict[str, int]:
        """Every rule, and that each message had exactly the effects of the one that nothing struck."""
        self.child.stop()
        taken = self.site.taken()
        permitted(self.site, taken)
        judge_store(self.site, self.acked)
        messages = ask(
            self.site, "SELECT id, state, attempts FROM message WHERE key_index IS NOT NULL ORDER BY sequence"
        )
        assert len(messages) == len(self.acked)
        assert {(state, attempts) for _, state, attempts in messages} == {("released", 0)}, (
            "a fault of an engine counted"
        )
        deliveries = ask(
            self.site,
            "SELECT id, message_id, recipient, letter, state, person_id, whole_picture FROM delivery"
            " WHERE state <> 'recalled' ORDER BY sequence",
        )
        effects = [
            sorted((row[2], row[3], row[4]) for row in deliveries if row[1] == messages[at][0]) for at in self.struck
        ]
        first: dict[str, int] = {}
        for at, each in enumerate(taken):
            first.setdefault(each.key, at)
        delivered = [row for row in deliveries if row[4] == "delivered"]
        for person, recipient in {(row[5], row[2]) for row in delivered}:
            arrived = [first[row[0]] for row in delivered if (row[5], row[2]) == (person, recipient) and not row[6]]
            assert arrived == sorted(arrived), "out of order"
        keys = {row[0] for row in delivered}
        return {
            "attempted": len(self.acked),
            "acked": len(self.acked),
            "recovered": self.recovered,
            "duplicated": len(set(first) - keys) + sum(len(each) > len(effects[0]) for each in effects),
            "lost": len(keys - set(first)) + sum(each != effects[0] for each in effects),
        }


def strikes_of(run: Run, passed: Counter[str]) -> list[tuple[str, int, Fault]]:
    """What happens where: in `make test` at each point the gateway dies, what it touches fails, and one of the two cuts, and at one in four the disk of the
    database is full; in `make soak` everything everywhere.
    """
    plant, death = run.plant, Fault(name="gateway-kill", begin=run.die)
    every = [death, *(fault for engine in plant.proxies for fault in plant.faults_of(engine))]
    found: list[tuple[str, int, Fault]] = []
    of_messages = sorted(each for each in passed.items() if not each[0].startswith(OF_THE_CLOCK))
    for at, (point, times) in enumerate(of_messages):
        if SOAKING:
            later = (times + 1) // 2 if point.startswith(OF_NO_FIXED_NUMBER) else times
            found += [(point, number, fault) for number in sorted({1, later}) for fault in every]
            continue
        engine = "database"
        if point.startswith(OF_THE_BROKER):
            engine = "broker"
        elif point.startswith(OF_A_RECIPIENT):
            engine = "recipient"
        *others, there, back = plant.faults_of(engine)
        chosen = [there, back] if engine == "recipient" else [*others[: 1 + (at % 4 == 0)], (there, back)[at % 2]]
        found += [(point, 1, fault) for fault in (death, *chosen)]
    every_how_many = max(round(1 / SHARE), 1) if SOAKING else 1
    return found[FIRST_SEED % every_how_many :: every_how_many]


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize("kind", KINDS[1:], ids=lambda kind: kind.name)
def test_a_story_that_nothing_strikes_goes_all_the_way(plant: Plant, kind: Kind) -> None:
    """What only `make soak` strikes has to be a story that the gateway takes: the merge had become one that is held, and no test said so."""
    run = Run.of(plant, kind)
    try:
        assert run.unharmed()
        assert run.judge()["lost"] == 0
    finally:
        run.child.kill()


@pytest.mark.slow(seconds=220)
@pytest.mark.timeout(0 if SOAKING else 1500)
@pytest.mark.parametrize("kind", KINDS if SOAKING else KINDS[:1], ids=lambda kind: kind.name)
def test_every_point_of_the_engines(plant: Plant, kind: Kind, account: Callable[..., Account]) -> None:
    """0 lost, 0 doubled, 0 out of order, 0 without a permit, no message blamed for it; the ledger verifies after every fault."""
    run = Run.of(plant, kind)
    cuts_before = {engine: proxy.cuts for engine, proxy in plant.proxies.items()}
    filled_before = len(plant.filled)
    try:
        strikes = strikes_of(run, run.unharmed())
        for point, number, fault in strikes:
            try:
                run.strike(point, number, fault)
            except AssertionError as error:
                raise AssertionError(f"{fault.name} at {point} ({number})") from error
    except BaseException:
        run.child.kill()
        raise
    numbers: dict[str, Any] = run.judge()
    points = {point.split(".")[0] for point, _, _ in strikes}
    assert SOAKING or points >= {"receive", "store", "identify", "release", "door", "send", "receipt", "bus", "publish"}
    assert len(run.missed) <= len(strikes) // 10, run.missed
    asked = Counter(fault.name.split("-")[0] for _, _, fault in strikes if "-cut-" in fault.name)
    # Everything everywhere cuts also where nothing is said to a broker or a recipient any more, so that there is nothing to cut; the database is always asked.
    sure = ("database",) if SOAKING else tuple(asked)
    cut = {engine: proxy.cuts - cuts_before[engine] for engine, proxy in plant.proxies.items()}
    assert all(cut[engine] >= asked[engine] * 9 // 10 for engine in sure), (asked, cut)
    by_name = Counter(fault.name for _, _, fault in strikes)
    assert sum(plant.filled[filled_before:]) >= by_name["database-full"] * 3 // 4, plant.filled[filled_before:]
    assert run.deaths >= by_name["gateway-kill"] * 9 // 10, (run.deaths, by_name)
    said = ", ".join(f"{number} {name}" for name, number in sorted(by_name.items()))
    account(name=f"engine-faults/{kind.name}", note=f"{said}; {len(run.missed)} did not happen", **numbers)
