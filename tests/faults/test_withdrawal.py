"""People take their consent back while their letters are on their way and the process is killed: nothing is sent under the old word after it.

500 letters in `make test`, 10,000 in `make soak`; on PostgreSQL and RabbitMQ 200 and 1,000. The recipients get some of each person's letters,
then refuse all; the rest is queued when everybody withdraws at once, and the recipients are there again when half of them have. The judge reads
the dead process's database, and the order in which the ledger's entries were committed.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.journeys.tasks import NOTICE
from tests.builders import care_plan, fhir_message, synthetic_person
from tests.engines import database, own_broker
from tests.faults.account import Account, number
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
from tests.flow.test_change_of_mind import word
from tests.flow.test_notice_of_withdrawal import TOLD_BY_LETTER

LETTERS = 12
"""Prescriptions of one person, each a letter to the pharmacy; the first arrive before the recipients are down."""
ARRIVED_BEFORE = 1
KILLS = {
    "door.after-commit": 4,
    "reconsider.before-commit": 2,
    "send.after": 3,
    "reconsider.after-commit": 2,
    "release.after-commit": 3,
    "notice.before-commit": 2,
}
"""The first word of a withdrawal to its last effect: where, and at which time that it comes by there, the process dies. Which comes
next is a matter of speed: each process dies at the first that it comes to of those that nothing has died at yet."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """On which engines, and how many letters wait when everybody withdraws."""

    mode: str
    queued: int

    @property
    def people(self) -> int:
        return self.queued // (LETTERS - ARRIVED_BEFORE) + 1


PLANS = (
    Plan(mode="embedded", queued=number(500, 10_000)),
    Plan(mode="production", queued=number(200, 1_000)),
)

MAY_HAVE_HAD = (
    f"SELECT person_id FROM delivery JOIN task ON task.delivery_id = delivery.id WHERE task.code = '{NOTICE}'"
)
TAKEN = "the word was taken"
Entries = Iterable[tuple[int, str, str]]
"""(order of commit, person, event) of everything that the ledger says of a person's messages and letters."""


def sent_after_withdrawal(entries: Entries) -> list[tuple[int, str]]:
    """Intents that were committed after the person's word was taken."""
    withdrawn: dict[str, int] = {}
    late = []
    for order, person, event in sorted(entries):
        if event == TAKEN:
            withdrawn.setdefault(person, order)
        elif event == "sending" and person in withdrawn:
            late.append((order, person))
    return late


def test_the_judge_finds_an_intent_that_came_too_late() -> None:
    entries = [(1, "a", "sending"), (2, "a", TAKEN), (3, "b", "sending"), (4, "a", "sending")]

    assert sent_after_withdrawal(entries) == [(4, "a")]


def entries_of(site: Site) -> list[tuple[int, str, str]]:
    """On PostgreSQL the word counts from its registration on: an intent and an acceptance that commit side by side have no order there."""
    letters = f"SELECT id, person_id FROM delivery WHERE letter != '{NOTICE}'"  # the notice of the word comes after it
    people = dict(ask(site, f"SELECT id, person_id FROM message UNION ALL {letters}"))
    rows = ask(site, "SELECT sequence, chain, body FROM ledger_entry ORDER BY sequence")
    events = [(order, chain, json.loads(body)["event"]) for order, chain, body in rows if people.get(chain)]
    words = {chain for _, chain, event in events if event == "registered"}
    first = "received" if site.database_url is None else "registered"
    taken = [(order, people[chain], TAKEN) for order, chain, event in events if chain in words and event == first]
    return taken + [(order, people[chain], event) for order, chain, event in events]


def copies(site: Site) -> set[str]:
    """The prescriptions that the pharmacy has: a calendar report comes by itself."""
    return {each.key for each in site.taken() if each.recipient == "pharmacy"} - notices(site)


def notices(site: Site) -> set[str]:
    """The notices of withdrawal that anybody has."""
    made = {key for (key,) in ask(site, f"SELECT id FROM delivery WHERE letter = '{NOTICE}'")}
    return made & {each.key for each in site.taken()}


class Withdrawing:
    """A process that dies where it is told to, until nothing more kills it."""

    def __init__(self, site: Site, forge: Forge, bearer: str) -> None:
        self.site, self.forge, self.bearer = site, forge, bearer
        self.acked: list[bytes] = []
        self.kills: dict[str, int] = {}
        self.died = 0
        self.child = self.start()

    def start(self) -> Child:
        """What was tried before the last death is due again."""
        while True:
            try:
                return Child(self.forge, self.site.config, die_at=self.kills, ahead_seconds=self.died * 30)
            except Died:
                self.look()

    def send(self, body: bytes) -> None:
        """Until it is acknowledged, by whoever is alive."""
        while True:
            fhir = body.startswith(b"{")
            if send_fhir(self.child, body, self.bearer) if fhir else send_hl7(self.child, body):
                self.acked.append(body)
                return
            time.sleep(0.02)
            if not self.child.is_alive():
                self.start_again()

    def start_again(self) -> None:
        self.child.kill()
        self.look()
        self.child = self.start()

    def look(self) -> None:
        """At what is on the disks of the dead."""
        self.died += 1
        del self.kills[self.site.died_at()]
        permitted(self.site, self.site.taken())
        assert sent_after_withdrawal(entries_of(self.site)) == []

    def withdraw(self, words: Sequence[bytes]) -> None:
        """Everybody's word, one after the other, with a process that dies on the way, and again. The recipients are there again for the second half."""
        self.child.stop()
        self.kills = dict(KILLS)
        self.child = self.start()
        for at, each in enumerate(words):
            if at == len(words) // 2:
                (self.site.folder / "down").unlink()
            self.send(each)

    def rest(self) -> None:
        """Until nothing is on its way."""
        for _ in range(400):
            try:
                self.child.tell("settle")
                if not open_letters(self.site):
                    return
                self.child.tell("advance 20")
            except Died:
                self.start_again()
        raise AssertionError("not everything came to an end")


@pytest.mark.slow(seconds=100)
@pytest.mark.timeout(0)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.mode)
def test_nothing_is_sent_after_a_withdrawal_whoever_dies(
    tmp_path: Path, plan: Plan, account: Callable[..., Account]
) -> None:
    """0 intents after each person's word, every letter that had not left is recalled, a clinician is told, every earlier recipient has its notice."""
    with ExitStack() as ending:
        database_url = None
        if plan.mode == "production":
            database_url = database().prepared()
            ending.enter_context(engines(database_url, ending.enter_context(own_broker()).url, "withdrawal"))
        forge, recorder = Forge(), Recorder(tmp_path, steady=True)
        ending.callback(forge.close)
        ending.callback(recorder.close)
        bearer = make_template(tmp_path / "template", recorder.port, TOLD_BY_LETTER)
        site = Site(tmp_path / "template", tmp_path / "withdrawal", recorder, database_url)
        run = Withdrawing(site, forge, bearer)
        people = [synthetic_person(place) for place in range(plan.people)]
        cared = care_plan(start="2026-01-02", description="plan")
        for place, person in enumerate(people):
            run.send(fhir_message(person, resources=[cared], message_id=f"F-{place}"))
        for each in range(LETTERS):
            if each == ARRIVED_BEFORE:
                run.child.tell("settle")
                (site.folder / "down").touch()
            for place, person in enumerate(people):
                run.send(step(person, each + 1, of=str(place)))
        run.child.tell("settle")
        arrived_before = len(copies(site))
        queued = open_letters(site)
        assert arrived_before == plan.people * ARRIVED_BEFORE
        assert queued >= plan.queued

        run.withdraw([word("deny", person=person, message_id=f"W-{place}") for place, person in enumerate(people)])
        run.rest()
        run.child.stop()

        entries = entries_of(site)
        assert sent_after_withdrawal(entries) == []
        assert len({person for _, person, event in entries if event == "registered"}) == plan.people
        taken = site.taken()
        permitted(site, taken)
        judge_store(site, run.acked)
        states: dict[str, int] = defaultdict(int)
        for (state,) in ask(site, "SELECT state FROM delivery WHERE letter = 'prescription-copy'"):
            states[state] += 1
        assert states.keys() <= {"delivered", "recalled", "withheld", "parked"}, dict(states)
        # of those whose word comes second, how many leave before it is a matter of speed: the recipients are there while the words come
        assert states["recalled"] > plan.queued // 4, "the letters had left before anybody withdrew"
        told = ask(
            site,
            "SELECT DISTINCT delivery.person_id FROM task JOIN delivery ON delivery.id = task.delivery_id"
            " WHERE task.code = 'withheld-by-consent'",
        )
        assert len(told) == plan.people
        noticed = [
            person
            for person, key in ask(site, f"SELECT person_id, id FROM delivery WHERE letter = '{NOTICE}'")
            if key in notices(site)
        ]
        assert len(noticed) == len(set(noticed)) == plan.people, "an earlier recipient did not get its one notice"
        by_hand = {person for (person,) in ask(site, MAY_HAVE_HAD)}
        assert by_hand <= set(noticed), "who only may have had a letter is told by hand, and here everybody had one"
        assert run.died >= len(KILLS) - 2, f"only {run.died} of the deaths came about"
        note = f"{run.died} kills, {states['recalled']} letters recalled, {len(copies(site)) - arrived_before} left before the word"
        account(
            name=f"withdrawal/{plan.mode}",
            attempted=len(run.acked),
            acked=len(run.acked),
            recovered=states["recalled"],
            note=note,
        )
