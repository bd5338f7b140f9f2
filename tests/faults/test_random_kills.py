"""`kill -9` at random moments while many people's messages come in over many connections; recipients in another process are the judge.

In `make test` 60 kills over 500 messages (5,000 do not fit its time on two cores), in `make soak` 500 over 50,000. The ledger is
verified after every restart, and at every death the database must already permit whatever a recipient has.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.demo.people import SyntheticPerson
from tests.builders import adt_a03, care_plan, fhir_message, synthetic_person
from tests.faults.account import Account, number
from tests.faults.crash import (
    Child,
    Died,
    Forge,
    Recorder,
    Site,
    Taken,
    judge_store,
    make_template,
    open_letters,
    permitted,
    send_fhir,
    send_hl7,
    step,
)

STEPS = 8
PEOPLE = number(50, 5_000)  # with the plan and the release, ten messages each
KILLS = number(60, 500)
SENDERS = 12


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

    def __init__(self, site: Site, forge: Forge, bearer: str) -> None:
        self.site, self.forge, self.bearer = site, forge, bearer
        self.people = list(range(PEOPLE))
        self.lock = threading.Lock()
        self.acked: list[bytes] = []
        self.kills = 0
        self.errors: list[BaseException] = []
        self.child = self._start()

    def _start(self) -> Child:
        return Child(self.forge, self.site.config, die_at=None, ahead_seconds=self.kills * 3)

    def send_all(self) -> None:
        """One sender's life."""
        try:
            while not self.errors:
                with self.lock:
                    if not self.people:
                        return
                    person = self.people.pop(0)
                for body in messages_of(synthetic_person(person), str(person)):
                    self._send(body)
        except BaseException as error:
            self.errors.append(error)
            raise

    def _send(self, body: bytes) -> None:
        until = time.monotonic() + 120
        while True:
            child = self.child
            if send_fhir(child, body, self.bearer) if body.startswith(b"{") else send_hl7(child, body):
                with self.lock:
                    self.acked.append(body)
                return
            assert time.monotonic() < until, "not acknowledged"
            time.sleep(0.02)

    def kill_and_restart(self, chance: random.Random) -> list[Taken]:
        """Somewhere in the next moments; what is on the disks then must fit; the ledger verifies."""
        time.sleep(chance.random() * 0.2)
        self.child.kill()
        self.kills += 1
        taken = self.site.taken()
        permitted(self.site.database(), taken)
        child = self._start()
        found = child.tell("verify")
        assert found["verified"], found["faults"]
        self.child = child
        return taken

    def rest(self) -> None:
        """Until everything has arrived."""
        for _ in range(200):
            self.child.tell("settle")
            if not open_letters(self.site.database()):
                return
            self.child.tell("advance 20")
        raise AssertionError("not everything went on")


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_kills_at_random(tmp_path: Path, account: Callable[..., Account]) -> None:
    """0 lost, 0 doubled, 0 out of order, 0 without a permit."""
    chance = random.Random(7)
    forge, recorder = Forge(), Recorder(tmp_path, steady=False)
    bearer = make_template(tmp_path / "template", recorder)
    site = Site(tmp_path / "template", tmp_path / "storm", recorder)
    site.config.write_text(site.config.read_text().replace("sweep_seconds = 300", "sweep_seconds = 1"))
    storm = Storm(site, forge, bearer)
    senders = [threading.Thread(target=storm.send_all) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    before: list[Taken] = []
    wanted = PEOPLE * (STEPS + 2)
    for at in sorted(chance.sample(range(wanted - wanted // 20), KILLS)):
        while len(storm.acked) < at and not storm.errors:
            time.sleep(0.01)
        before = storm.kill_and_restart(chance)
    for sender in senders:
        sender.join()
    assert not storm.errors, storm.errors
    try:
        storm.rest()
    except Died:
        pytest.fail("it died by itself")
    storm.child.stop()
    taken = site.taken()
    forge.close()
    recorder.close()
    permitted(site.database(), taken)
    judge_store(site, storm.acked)
    account(name="random-kills", **judged(taken, before, wanted, len(storm.acked)), note=f"{storm.kills} kills")


def judged(taken: list[Taken], before: list[Taken], wanted: int, acked: int) -> dict[str, int]:
    """The account of the letters: every prescription of everybody once and in order, one handover that holds all of them."""
    copies: dict[str, dict[str, list[str]]] = defaultdict(dict)
    handovers: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for each in taken:
        (copies if each.recipient == "pharmacy" else handovers)[each.person].setdefault(each.key, each.steps)
    steps = [f"step {each + 1}" for each in range(STEPS)]
    lost = duplicated = 0
    for each in range(PEOPLE):
        person = synthetic_person(each).nhs_number
        arrived = [text for texts in copies[person].values() for text in texts]
        lost += sum(text not in arrived for text in steps) + (not handovers[person])
        duplicated += len(arrived) - len(set(arrived)) + max(len(handovers[person]) - 1, 0)
        assert [text for at, text in enumerate(arrived) if text not in arrived[:at]] == [
            text for text in steps if text in arrived
        ], "out of order"
        for texts in handovers[person].values():
            assert sorted(texts) == steps, "a handover without what was acknowledged before it"
    recovered = len({each.key for each in taken} - {each.key for each in before})
    return {"attempted": wanted, "acked": acked, "recovered": recovered, "duplicated": duplicated, "lost": lost}
