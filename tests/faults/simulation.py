"""One seed, one world: the real handlers on one event loop whose time, ids, store failures, deaths, bus and recipients come from the seed.

Nothing waits: when nobody can go on, the clock jumps to whoever is next. What a thread would do is done in the loop, after a delay by the
seed, so that everything interleaves and the same seed is the same run. `python -m tests.faults.simulation SEED` plays one seed alone.
"""

import asyncio
import json
import random
import selectors
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from adapters.contract import Arrival, Outcome, Outgoing, Receipt, Transient
from consent.shapes import Agreement
from gateway import activation, wiring
from gateway.bus import UnreliableBus
from gateway.errors import StoreUnavailable
from gateway.keys import Keys
from gateway.keys.identifiers import SeededIds
from gateway.ledger import HeadInMemory, Ledger
from gateway.parts import Told
from gateway.pipeline import Gateway
from gateway.recipients import Recipient
from gateway.settings import Settings, parse_settings
from gateway.store import MemoryStore
from gateway.store.memory import outcome_of
from tests.builders import adt_a03, care_plan, fhir_message, synthetic_person
from tests.faults.crash import step
from tests.line import CLINICAL, EHR, START, Got, Line, Neighbour, make_installation, register_clients
from tests.world import (
    Rows,
    check_world,
    everything_received_was_permitted,
    ledger_verifies,
    no_effect_twice,
    nothing_acknowledged_is_lost,
    nothing_is_forgotten,
    nothing_left_under_another_decision,
    nothing_sent_twice_under_one_intent,
    states_are_legal,
)

T = TypeVar("T")
SERVED = ("northfell", "pharmacy", "security")
SEND_TIMEOUT = 1.0  # this number and the next belong to the simulation: quick virtual seconds, because the ledger is looked at in each
BACKOFF, LONGEST_BACKOFF, SWEEP = 0.2, 1.6, 2
LONGEST_AFTERMATH = 4  # virtual seconds: most letters leave after the last acknowledgement, and have to meet faults too
REST_SECONDS = 0.5  # how often it is looked whether a world that is well again has come to rest
# Belongs to the simulation: a world whose gateway never opens again says so in a minute.
LONGEST_VIRTUAL_SECONDS = 12 * 3600.0
ORIGIN = "throughgate.example/test"


class Killed(Exception):
    """The process is dead: whatever it still tries comes to nothing."""


class _Selector(selectors.SelectSelector):
    """Instead of waiting it moves the clock."""

    loop: "SimulatedLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for nobody")
        if timeout > 0:
            self.loop.now += timeout
        assert self.loop.now < LONGEST_VIRTUAL_SECONDS, "the simulation does not end"
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Virtual time; threads become calls at a time by the seed."""

    def __init__(self, chance: random.Random) -> None:
        self.now = 0.0
        self.chance = chance
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]  # the base has a ParamSpec here, and nothing else calls it
        """Called once, a little later."""
        future: asyncio.Future[T] = self.create_future()

        def run() -> None:
            try:
                answer = func(*args)
            except Exception as error:  # noqa: BLE001  as a thread does it: whatever it raises is its caller's
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(answer)

        self.call_later(self.chance.random() * 0.02, run)
        return future


@dataclass(kw_only=True)
class Odds:
    """How often what goes wrong. All nought at the end of a run, when the world is well again and has to come to rest."""

    lost_write: float = 0.02
    kept_write: float = 0.02
    failed_read: float = 0.005
    death: float = 0.01
    bad_recipient: float = 0.35
    lost_answer: float = 0.15
    repeat: float = 0.15

    @classmethod
    def none(cls) -> "Odds":
        return cls(lost_write=0, kept_write=0, failed_read=0, death=0, bad_recipient=0, lost_answer=0, repeat=0)


class SimulatedStore:
    """A store that fails, loses, keeps and says it failed, and dies in the middle. What was committed stays for the next process."""

    in_one = 4

    def __init__(self, world: "World") -> None:
        self.world, self.dead = world, False

    def _live(self) -> None:
        if self.dead:
            raise Killed

    def read(self) -> AbstractContextManager[Connection]:
        self._live()
        if self.world.throws("failed_read"):
            raise StoreUnavailable("by the seed")
        return self.world.kept.read()

    def write(self, work: Callable[[Connection], T]) -> T:
        self._live()
        if self.world.throws("death"):
            self._die()
        if self.world.throws("lost_write"):
            raise StoreUnavailable("by the seed: nothing was kept")
        answer = self.world.kept.write(work)
        if self.world.throws("death"):
            self._die()
        if self.world.throws("kept_write"):
            raise StoreUnavailable("by the seed: it was kept all the same")
        return answer

    def write_all(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        return [outcome_of(self.write, work) for work in works]

    def _die(self) -> None:
        self.dead = True
        self.world.deaths.set()
        raise Killed

    async def write_async(self, work: Callable[[Connection], T]) -> T:
        await asyncio.sleep(self.world.chance.random() * 0.01)
        return self.write(work)

    def lead(self, duty: str) -> bool:
        return not self.dead

    def compact(self, asked_for: str, *, at_most_bytes: int | None) -> bool:
        return self.world.kept.compact(asked_for, at_most_bytes=at_most_bytes)

    def close(self) -> None:
        self.dead = True


class SimulatedHead(HeadInMemory):
    """The head file: lost, or kept and reported as failed."""

    def __init__(self, first: str, world: "World") -> None:
        super().__init__(first)
        self.world = world

    def replace(self, expected: str, new: str) -> None:
        if self.world.throws("lost_write"):
            raise OSError("by the seed: nothing was kept")
        super().replace(expected, new)
        if self.world.throws("kept_write"):
            raise OSError("by the seed: it was kept all the same")


class SimulatedRecipient:
    """Takes letters, and lies, is slow, repeats and breaks by the seed. What it took has its effect once a key."""

    def __init__(self, world: "World", store: SimulatedStore, neighbour: Neighbour) -> None:
        self.world, self.store, self.neighbour = world, store, neighbour

    def _take(self, letter: Outgoing, answered: int) -> None:
        effect = not any(each.key == letter.delivery_id for each in self.neighbour.got)
        self.neighbour.got.append(
            Got(
                key=letter.delivery_id,
                body=letter.body,
                content_type=letter.content_type,
                answered=answered,
                effect=effect,
            )
        )

    async def send(self, letter: Outgoing) -> Receipt:
        """One attempt."""
        if self.store.dead:
            raise Killed  # a dead process sends nothing
        self.world.sent[letter.delivery_id] += 1
        await asyncio.sleep(self.world.chance.random() * 0.2)
        if not self.world.throws("bad_recipient"):
            self._take(letter, 200)
            return Receipt(outcome=Outcome.DELIVERED, code="http-200")
        match self.world.chance.randrange(8):
            case 0:
                raise Transient("http-503", "busy", retry_after_seconds=self.world.chance.choice([None, 1, 10]))
            case 1:
                self._take(letter, 503)  # a lie: it took it
                raise Transient("http-503", "busy")
            case 2:
                self._take(letter, 200)
                await asyncio.sleep(SEND_TIMEOUT * 3)  # the effect, and no answer in time
            case 3:
                await asyncio.sleep(SEND_TIMEOUT * 3)
            case 4:
                self._take(letter, 200)
                return Receipt(outcome=Outcome.AMBIGUOUS, code="connection-lost")
            case 5:
                arrival = self.world.loop.now + 6 * self.world.chance.random()
                self.world.last_arrival = max(self.world.last_arrival, arrival)
                self.world.loop.call_at(arrival, self._take, letter, 200)
                return Receipt(outcome=Outcome.AMBIGUOUS, code="connection-lost")  # it arrives later
            case 6:
                await asyncio.sleep(SEND_TIMEOUT * 0.95 * self.world.chance.random())  # slow
                self._take(letter, 200)
                return Receipt(outcome=Outcome.DELIVERED, code="http-200")
            case _:
                if self.world.chance.random() < 0.5:
                    self._take(letter, 200)
                raise ValueError("not HTTP")
        return Receipt(outcome=Outcome.AMBIGUOUS, code="connection-lost")

    async def close(self) -> None:
        """Nothing is open."""


class WorldIds(SeededIds):
    """Ids by the seed, under keys that every world has: so the signed agreements of one store are those of all."""

    def __init__(self, seed: int | str) -> None:
        super().__init__(seed)
        self._of_keys = SeededIds("keys")

    def key(self) -> bytes:
        return self._of_keys.key()


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What is the same for every seed: made once. `store` has the agreements, signed by two people, and the clients, and nothing else."""

    settings: Settings
    recipients: Mapping[str, Recipient]
    agreements: Mapping[str, Agreement]
    signatures: frozenset[str]
    store: MemoryStore


@cache
def installation() -> Installed:
    """Settings, recipients and agreements, read once."""
    with tempfile.TemporaryDirectory() as name:
        config = make_installation(Path(name), dict.fromkeys(SERVED, 9), send_timeout_seconds=SEND_TIMEOUT)
        text = config.read_text()
        for old, new in (
            ("attempts = 4", "attempts = 100"),
            ("sweep_seconds = 300", f"sweep_seconds = {SWEEP}"),
            ("backoff_seconds = 1", f"backoff_seconds = {BACKOFF}"),
            ("backoff_max_seconds = 8", f"backoff_max_seconds = {LONGEST_BACKOFF}"),
        ):
            assert old in text
            text = text.replace(old, new)
        settings = parse_settings(text, str(config))
        recipients, agreements = wiring.read_sharing(settings)
        texts = {path.stem: path.read_text("utf-8") for path in settings.gateway.agreements_dir.glob("*.toml")}
    ids = WorldIds("agreements")
    keys = Keys.in_memory(ids)
    store = MemoryStore.create()
    head = HeadInMemory(Ledger.first_head(keys.ledger_signer(), ORIGIN))
    signing = Gateway(
        settings=settings,
        store=store,
        bus=UnreliableBus(0),
        keys=keys,
        ledger=Ledger(store=store, signer=keys.ledger_signer(), head=head, origin=ORIGIN, clock=lambda: START),
        clock=lambda: START,
        ids=ids,
        recipients=recipients,
        agreements={},
        establishments=settings.establishment_names(),
        outbounds={},
    )
    for sign, person in ((activation.propose, "Ada Example"), (activation.approve, "Ben Example")):
        sign(signing, texts, by=person, reason="for a test")
    signatures = activation.in_force(store, keys).signatures
    register_clients(signing)
    return Installed(
        settings=settings, recipients=recipients, agreements=agreements, signatures=signatures, store=store
    )


@cache
def bodies_of(person: int, steps: int) -> tuple[bytes, ...]:
    """One person's messages, in order: a plan, prescriptions, the release."""
    someone = synthetic_person(person)
    plan = care_plan(start="2026-01-02", description="plan")
    return (
        fhir_message(someone, resources=[plan], message_id=f"F-{person}"),
        *(step(someone, number + 1, of=str(person)) for number in range(steps)),
        adt_a03(someone, message_id=f"A-{person}"),
    )


@dataclass(kw_only=True)
class Found:
    """What one seed came to."""

    attempted: int
    acked: int
    recovered: int
    duplicated: int
    lost: int
    deaths: int
    trace: tuple[str, ...] = field(repr=False)


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, *, odds: Odds | None = None, jumps: tuple[float, ...] = ()) -> None:
        self.seed = seed
        self.people, self.steps = range(1, 2 + seed % 2), 1 + seed // 2 % 2
        self.chance = random.Random(seed)
        self.odds = odds or Odds()
        self.kept = installation().store.copy()
        self.ids = WorldIds(seed)
        self.keys = Keys.in_memory(self.ids)
        self.head = SimulatedHead(Ledger.first_head(self.keys.ledger_signer(), ORIGIN), self)
        self.neighbours = {name: Neighbour(name=name) for name in SERVED}
        self.accepted: list[bytes] = []
        self.sent: Counter[str] = Counter()
        self.last_arrival = 0.0
        self.told: list[Told] = []
        self.number = 0
        self.ticks = 0
        self.ahead = timedelta()
        self.jumps = jumps
        self.deaths: asyncio.Event
        self.up = False
        self.gateway: Gateway
        self.store: SimulatedStore
        self.effects_at_last_death = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def throws(self, what: str) -> bool:
        """Does it happen now?"""
        odds: float = getattr(self.odds, what)
        return odds > 0 and self.chance.random() < odds

    def clock(self) -> datetime:
        """Virtual time; no two looks are one instant; a jump when there is one."""
        self.ticks += 1
        return START + self.ahead + timedelta(seconds=self.loop.now, microseconds=self.ticks)

    def make_store(self) -> SimulatedStore:
        """The store of the next process, on what the last one kept."""
        return SimulatedStore(self)

    def build(self) -> None:
        """The next process. Nobody of it has died."""
        self.deaths.clear()
        self.up = False
        installed = installation()
        self.number += 1
        self.store = self.make_store()
        outbounds = {name: SimulatedRecipient(self, self.store, each) for name, each in self.neighbours.items()}
        ledger = Ledger(
            store=self.store,
            signer=self.keys.ledger_signer(),
            head=self.head,
            origin=ORIGIN,
            clock=self.clock,
        )
        self.gateway = Gateway(
            settings=installed.settings,
            store=self.store,
            bus=UnreliableBus(self.seed * 1000 + self.number),
            keys=self.keys,
            ledger=ledger,
            clock=self.clock,
            ids=self.ids,
            recipients=installed.recipients,
            agreements=dict(installed.agreements),
            signatures=installed.signatures,
            establishments=installed.settings.establishment_names(),
            outbounds=outbounds,
            teller=self._hear,
        )

    async def _hear(self, told: Told) -> None:
        if self.throws("lost_write"):
            raise OSError("nobody answers")
        self.told.append(told)

    def run(self) -> Found:
        """The whole life of this world."""
        self.loop = SimulatedLoop(self.chance)
        asyncio.set_event_loop(self.loop)
        try:
            return self.loop.run_until_complete(self._live())
        finally:
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            asyncio.set_event_loop(None)
            self.loop.close()

    async def _live(self) -> Found:
        self.deaths = asyncio.Event()
        self.build()
        await self._open()
        keeper = asyncio.create_task(self._keep_alive())
        await asyncio.gather(*(self._sender(person) for person in self.people))
        await asyncio.sleep(self.chance.random() * LONGEST_AFTERMATH)
        self.odds = Odds.none()
        while self.deaths.is_set() or not self.up or self._is_open():  # noqa: ASYNC110  the rows of the store say it, and wake nobody
            await asyncio.sleep(REST_SECONDS)
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await self._settle()
        found = self._judge()
        await self.gateway.abandon()
        return found

    async def _settle(self) -> None:
        """The last look, again where the store was away: a fault of one write (tests/faults/test_fault_table.py) may strike here too."""
        try:
            await self.gateway.settle(3600)
        except StoreUnavailable:
            await self._settle()

    async def _keep_alive(self) -> None:
        """Whoever died is buried, and the next one starts; the clock jumps now and then."""
        for jump in self.jumps:
            await asyncio.sleep(self.chance.random())
            self.ahead += timedelta(seconds=jump)
        while True:
            await self.deaths.wait()
            self.effects_at_last_death = len(self._effects())
            await self.gateway.abandon()
            await asyncio.sleep(self.chance.random() * 0.2)
            self.build()
            await self._open()

    async def _open(self) -> None:
        """A process that dies at its start, or whose store is away, ends, and another is started, as whoever keeps it running does."""
        while True:
            try:
                await self.gateway.start()
            except (StoreUnavailable, Killed):
                await self.gateway.abandon()
                await asyncio.sleep(self.chance.random() * 0.2)
                self.build()
            else:
                self.up = True
                return

    def _is_open(self) -> bool:
        """Is anything unfinished, or a letter still on its way to a recipient?"""
        with self.kept.read() as c:
            rows = c.exec_driver_sql(
                "SELECT (SELECT count(*) FROM message WHERE state = 'received'),"
                " (SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending', 'ambiguous')),"
                " (SELECT count(*) FROM task WHERE tell AND told_at IS NULL AND ended_at IS NULL AND due_at <= ?)",
                (self.gateway.now(),),
            ).one()
        return any(rows) or self.loop.now <= self.last_arrival

    async def _sender(self, person: int) -> None:
        """One system that sends one person's messages, each again until it hears an acknowledgement, and now and then twice at once."""
        for body in bodies_of(person, self.steps):
            await asyncio.sleep(self.chance.random() * 0.6)
            while not await self._send(body):  # noqa: ASYNC110  a sender that waits and sends again
                await asyncio.sleep(self.chance.random() * 0.4)

    async def _send(self, body: bytes) -> bool:
        gateway, store = self.gateway, self.store
        copies = 2 if self.throws("repeat") else 1
        answers = await asyncio.gather(*(self._once(gateway, store, body) for _ in range(copies)))
        return any(answers) and not self.throws("lost_answer")

    async def _once(self, gateway: Gateway, store: SimulatedStore, body: bytes) -> bool:
        fhir = body.startswith(b"{")
        name = CLINICAL if fhir else EHR
        channel = gateway.settings.http_channel(name, "fhir").name if fhir else "fellgate-ehr"
        kind = "application/fhir+json" if fhir else "text/plain"
        with suppress(Killed):
            answer = await gateway.accept(Arrival(channel=channel, client=name, body=body, content_type=kind))
            if Line.is_accepted(answer) and not store.dead:
                if body not in self.accepted:
                    self.accepted.append(body)
                return True
        return False

    def _effects(self) -> list[Got]:
        return [each for neighbour in self.neighbours.values() for each in neighbour.got if each.effect]

    def _judge(self) -> Found:
        """By what the recipients have, and by every rule that the store and the ledger show."""
        line = Line(
            gateway=self.gateway, neighbours=self.neighbours, folder=Path(), config=Path(), accepted=self.accepted
        )
        if self.jumps:
            check_world_without_instants(line)
        else:
            check_world(line)
        rows = Rows(self.gateway)
        nothing_sent_twice_under_one_intent(rows, self.sent)
        arrived_in_order(rows, self.neighbours)
        lost = duplicated = 0
        for person in self.people:
            number = synthetic_person(person).nhs_number
            copies = [
                texts_of(each)
                for each in self.neighbours["pharmacy"].got
                if each.effect and number in each.body.decode()
            ]
            handovers = [
                texts_of(each)
                for each in self.neighbours["northfell"].got
                if each.effect and number in each.body.decode()
            ]
            wanted = [f"step {each + 1}" for each in range(self.steps)]
            lost += sum([each] not in copies for each in wanted) + (not handovers)
            duplicated += sum(copies.count(each) - 1 for each in map(list, {tuple(copy) for copy in copies})) + max(
                len(handovers) - 1, 0
            )
            if handovers:
                assert sorted(handovers[0]) == wanted, "a handover without what was acknowledged before it"
        trace = tuple(
            f"{name} {each.key} {each.answered} {each.effect}"
            for name, one in self.neighbours.items()
            for each in one.got
        )
        return Found(
            attempted=len(self.people) * (self.steps + 2),
            acked=len(self.accepted),
            recovered=len(self._effects()) - self.effects_at_last_death if self.number > 1 else 0,
            duplicated=duplicated,
            lost=lost,
            deaths=self.number - 1,
            trace=trace,
        )


def texts_of(got: Got) -> list[str]:
    """The texts of a letter's prescriptions."""
    resources = [entry["resource"] for entry in json.loads(got.body)["entry"]]
    return [each["dosageInstruction"][0]["text"] for each in resources if each["resourceType"] == "MedicationRequest"]


def check_world_without_instants(line: Line) -> None:
    """`check_world`, but order by instants: where the clock jumps, an instant says nothing, and arrival and sequence must hold all the same."""
    rows = Rows(line.gateway)
    nothing_acknowledged_is_lost(line.gateway, rows, line.accepted)
    states_are_legal(rows)
    everything_received_was_permitted(rows, {name: each.got for name, each in line.neighbours.items()})
    no_effect_twice(each.effects for each in line.neighbours.values())
    nothing_left_under_another_decision(rows)
    nothing_is_forgotten(rows)
    ledger_verifies(line.gateway)


def arrived_in_order(rows: Rows, neighbours: dict[str, Neighbour]) -> None:
    """Rule 10 as the recipient sees it: first effects of letters that change something come in the order of their release."""
    known = {row.id: row for row in rows.deliveries}
    for name, neighbour in neighbours.items():
        seen: dict[str, int] = {}
        for each in neighbour.effects:
            row = known[each.key]
            if row.whole_picture or row.person_id is None:
                continue
            assert row.sequence > seen.get(row.person_id, 0), f"{name} got a letter before an earlier one"
            seen[row.person_id] = row.sequence


def play(seed: int, **more: Any) -> Found:
    """One seed; AssertionError when a rule does not hold."""
    return World(seed, **more).run()


def play_many(seeds: range, make: Callable[[int], World] = World) -> Counter[str]:
    """Many seeds; the first that fails says how it is played alone."""
    total: Counter[str] = Counter()
    for seed in seeds:
        try:
            found = make(seed).run()
            assert (found.lost, found.duplicated) == (0, 0), found
        except Exception as error:
            raise AssertionError(f"seed {seed}: python -m tests.faults.simulation {seed}") from error
        for name in ("attempted", "acked", "recovered", "duplicated", "lost", "deaths"):
            total[name] += getattr(found, name)
    return total


def main(seed: int) -> None:
    """One seed alone, with its trace."""
    found = play(seed)
    sys.stdout.write("\n".join(found.trace) + f"\n{found}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
