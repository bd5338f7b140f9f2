"""`kill -9` at random moments while many people's messages come in over many connections; recipients in another process are the judge.

In `make test` 60 kills of the process and 10 of the broker over 5,000 messages: 50 of the process over 4,000 on the engines of one process,
10 and 10 over 1,000 on PostgreSQL and RabbitMQ; in `make soak` 500 and 60 over 50,000, divided alike.
The ledger is verified after every restart of the process, and at every death the database must already permit whatever a recipient has.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.demo.people import SyntheticPerson
from tests.builders import adt_a03, care_plan, fhir_message, synthetic_person
from tests.engines import Broker, database, own_broker
from tests.faults.account import Account, number
from tests.faults.crash import (
    Child,
    Died,
    Forge,
    Recorder,
    Site,
    Taken,
    engines,
    judge_store,
    make_template,
    open_letters,
    permitted,
    send_fhir,
    send_hl7,
    step,
)

STEPS = 8
SENDERS = 12
AHEAD = 60
"""So many messages are acknowledged at most while a kill is under way: the storm does not pass while a broker starts."""
BACKLOG = 100
"""So many are acknowledged at most ahead of the letters: kills strike what is on its way, and not only intake, which is quicker."""
LOOK_SECONDS = 0.05
"""How often it is looked at what has arrived."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many people, with ten messages each, and what is killed how often."""

    mode: str
    people: int
    kills: int
    broker_kills: int = 0

    @property
    def messages(self) -> int:
        return self.people * (STEPS + 2)


PLANS = (
    Plan(mode="embedded", people=number(400, 4_000), kills=number(50, 400)),
    Plan(mode="production", people=number(100, 1_000), kills=number(10, 100), broker_kills=number(10, 60)),
)


def messages_of(person: SyntheticPerson, name: str) -> list[bytes]:
    """A plan that names a pharmacy, prescriptions, a release."""
    plan = care_plan(start="2026-01-02", description="plan")
    return [
        fhir_message(person, resources=[plan], message_id=f"F-{name}"),
        *(step(person, each + 1, of=name) for each in range(STEPS)),
        adt_a03(person, message_id=f"A-{name}"),
    ]


class Storm:
    """Senders that send each person's messages in order, each until it is acknowledged, whoever is alive at the other end."""

    def __init__(self, site: Site, forge: Forge, bearer: str, plan: Plan) -> None:
        self.site, self.forge, self.bearer = site, forge, bearer
        self.people = list(range(plan.people))
        self.moved = threading.Condition()
        """Told of every acknowledgement, of more room, and of an error: who waits for one of them does not look again and again."""
        self.acked: list[bytes] = []
        self.limit = AHEAD
        self.kills = 0
        self.seen = 0
        self.before: list[Taken] = []
        self.errors: list[BaseException] = []
        self.child = self._start()

    def _start(self) -> Child:
        return Child(self.forge, self.site.config, die_at={}, ahead_seconds=self.kills * 3)

    def send_all(self) -> None:
        """One sender's life."""
        try:
            while not self.errors:
                with self.moved:
                    if not self.people:
                        return
                    person = self.people.pop(0)
                for body in messages_of(synthetic_person(person), str(person)):
                    self._send(body)
        except BaseException as error:
            self.fail(error)
            raise

    def fail(self, error: BaseException) -> None:
        """Everybody stops."""
        with self.moved:
            self.errors.append(error)
            self.moved.notify_all()

    def allow(self, limit: int) -> None:
        """So many may be acknowledged."""
        with self.moved:
            if limit != self.limit:
                self.limit = limit
                self.moved.notify_all()

    def _send(self, body: bytes) -> None:
        with self.moved:
            self.moved.wait_for(lambda: len(self.acked) < self.limit or self.errors)
        until = time.monotonic() + 240
        while not self.errors:
            child = self.child
            if send_fhir(child, body, self.bearer) if body.startswith(b"{") else send_hl7(child, body):
                with self.moved:
                    self.acked.append(body)
                    self.moved.notify_all()
                return
            assert time.monotonic() < until, "not acknowledged"
            time.sleep(0.02)

    def wait_for(self, acked: int) -> None:
        """Until so many were acknowledged. Nine letters come of ten messages."""
        while len(self.acked) < acked and not self.errors:
            self.allow(min(acked + AHEAD, len(self.site.taken()) * 10 // 9 + BACKLOG))
            with self.moved:
                self.moved.wait_for(lambda: len(self.acked) >= acked or self.errors, LOOK_SECONDS)

    def kill_and_restart(self) -> None:
        """What is on the disks then must fit; the ledger verifies."""
        self.child.kill()
        self.kills += 1
        self.before = self.site.taken()
        permitted(self.site, self.before[self.seen :])
        self.seen = len(self.before)
        child = self._start()
        found = child.tell("verify")
        assert found["verified"], found["faults"]
        self.child = child

    def rest(self) -> None:
        """Until everything has arrived."""
        for _ in range(200):
            self.child.tell("settle")
            if not open_letters(self.site):
                return
            self.child.tell("advance 20")
        raise AssertionError("not everything went on")


def kill_at_random(storm: Storm, plan: Plan, broker: Broker | None) -> None:
    """Every kill at its place among the messages, somewhere in the next moments; the broker is away as long as it takes to start."""
    chance = random.Random(7)
    places = chance.sample(range(plan.messages - plan.messages // 20), plan.kills + plan.broker_kills)
    of_broker = set(places[: plan.broker_kills])
    for place in sorted(places):
        storm.wait_for(place)
        time.sleep(chance.random() * 0.2)
        if place in of_broker:
            assert broker is not None
            broker.kill()
            broker.start()
        else:
            storm.kill_and_restart()
    storm.allow(plan.messages)


@pytest.mark.slow(seconds=250)
@pytest.mark.timeout(0)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.mode)
def test_kills_at_random(tmp_path: Path, plan: Plan, account: Callable[..., Account]) -> None:
    """0 lost, 0 doubled, 0 out of order, 0 without a permit."""
    with ExitStack() as ending:
        broker, database_url = None, None
        if plan.mode == "production":
            broker = ending.enter_context(own_broker())
            database_url = database().prepared()
            ending.enter_context(engines(database_url, broker.url, "kills"))
        forge, recorder = Forge(), Recorder(tmp_path, steady=False)
        ending.callback(forge.close)
        ending.callback(recorder.close)
        bearer = make_template(tmp_path / "template", recorder.port)
        site = Site(tmp_path / "template", tmp_path / "storm", recorder, database_url)
        site.config.write_text(site.config.read_text().replace("sweep_seconds = 300", "sweep_seconds = 1"))
        storm = Storm(site, forge, bearer, plan)
        senders = [threading.Thread(target=storm.send_all) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            kill_at_random(storm, plan, broker)
        except BaseException as error:
            storm.fail(error)
            raise
        finally:
            for sender in senders:
                sender.join()
        assert not storm.errors, storm.errors
        try:
            storm.rest()
        except Died:
            pytest.fail("it died by itself")
        storm.child.stop()
        taken = site.taken()
        permitted(site, taken)
        judge_store(site, storm.acked)
        # `before` is what had left at the last kill: when it is a good part of all, kills struck letters on their way too.
        assert len(storm.before) > len(taken) // 4, "the kills struck intake alone"
        note = f"{storm.kills} kills of the process, {plan.broker_kills} of the broker"
        account(name=f"random-kills/{plan.mode}", **judged(taken, storm, plan), note=note)


def judged(taken: list[Taken], storm: Storm, plan: Plan) -> dict[str, int]:
    """The account of the letters: every prescription of everybody once and in order, one handover that holds all of them."""
    copies: dict[str, dict[str, list[str]]] = defaultdict(dict)
    handovers: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for each in taken:
        if each.recipient == "security":  # a month's report is about nobody, and comes when its month is over
            continue
        (copies if each.recipient == "pharmacy" else handovers)[each.person].setdefault(each.key, each.steps)
    steps = [f"step {each + 1}" for each in range(STEPS)]
    lost = duplicated = 0
    for at in range(plan.people):
        person = synthetic_person(at).nhs_number
        arrived = [text for texts in copies[person].values() for text in texts]
        lost += sum(text not in arrived for text in steps) + (not handovers[person])
        duplicated += len(arrived) - len(set(arrived)) + max(len(handovers[person]) - 1, 0)
        assert list(dict.fromkeys(arrived)) == [text for text in steps if text in arrived], "out of order"
        for texts in handovers[person].values():
            assert sorted(texts) == steps, "a handover without what was acknowledged before it"
    return {
        "attempted": plan.messages,
        "acked": len(storm.acked),
        "recovered": len({each.key for each in taken} - {each.key for each in storm.before}),
        "duplicated": duplicated,
        "lost": lost,
    }
