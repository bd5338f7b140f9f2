"""The crash matrix: every failpoint x `kill -9` x message types, with recipients in another process as the judge.

A first run, unharmed, counts which points are passed and how often. Then for every point and every pass of it a gateway is killed right
there, started again, sent again what it did not acknowledge; and beside the points: killed by the sender on its acknowledgement, and by
the recipient between its effect and its answer. The sender, the recipients and the judge are other processes than the gateway.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.builders import adt_a03, care_plan, fhir_message, synthetic_person
from tests.faults.account import SOAKING, Account
from tests.faults.crash import (
    ANSWERS,
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
from tests.faults.test_boundaries import OF_A_DOOR

PERSON = synthetic_person(1)
BY_SENDER, BY_RECIPIENT = "acknowledgement.after", "effect.after"
PATIENCE = 8


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A message type of the matrix: what is sent, what a recipient must have, and how many deaths a run by a point is."""

    name: str
    bodies: tuple[bytes, ...]
    recipient: str
    letters: tuple[tuple[str, ...], ...]
    own: tuple[str, ...] = ("",)
    """In `make test` it dies at points of these names alone: the others it passes as the other kinds do."""


COPIES = Kind(
    name="rde-prescription-copy",
    bodies=(step(PERSON, 1), step(PERSON, 2)),
    recipient="pharmacy",
    letters=(("step 1",), ("step 2",)),
)
HANDOVER = Kind(
    name="a03-handover", bodies=(adt_a03(PERSON, message_id="A-1"),), recipient="northfell", letters=(("step 0",),)
)


LATER = Kind(
    name="fhir-later-answer",
    bodies=(
        fhir_message(
            PERSON, resources=[care_plan(start="2026-01-03", description="another plan")], message_id="F-later"
        ),
    ),
    recipient=ANSWERS,
    letters=((),),
    own=("answer-", *OF_A_DOOR),
)
"""What a sender asked to be told later (decision 0028): told once it is processed, under one id."""


@dataclass(kw_only=True)
class Bench:
    """What all runs of this module share."""

    folder: Path
    forge: Forge
    recorder: Recorder
    template: Path
    bearer: str

    def site(self, name: str) -> Site:
        return Site(self.template, self.folder / name, self.recorder)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A forge, the recipients, and an installation whose person has a pharmacy, a plan and a first prescription."""
    folder = tmp_path_factory.mktemp("crash")
    forge, recorder = Forge(), Recorder(folder, steady=True)
    template = folder / "template"
    bearer = make_template(template, recorder.port, answered=True)
    child = Child(forge, template / "throughgate.toml", die_at={}, ahead_seconds=0)
    plan = care_plan(start="2026-01-02", description="plan")
    assert send_fhir(child, fhir_message(PERSON, resources=[plan], message_id="F-1"), bearer)
    child.tell("settle")
    assert send_hl7(child, step(PERSON, 0))
    child.tell("settle")
    child.stop()
    for left in ("control", "child.log"):
        (template / left).unlink(missing_ok=True)
    yield Bench(folder=folder, forge=forge, recorder=recorder, template=template, bearer=bearer)
    forge.close()
    recorder.close()


class Run:
    """One installation, one death, one judgement."""

    def __init__(self, bench: Bench, name: str, kind: Kind, die_at: tuple[str, int] | None) -> None:
        self.bench, self.kind, self.die_at = bench, kind, die_at
        self.site = bench.site(name)
        self.deaths = 0
        self.before: list[Taken] = []
        in_gateway = die_at if die_at and die_at[0] not in (BY_SENDER, BY_RECIPIENT) else None
        self.child = self._start(in_gateway)
        if die_at and die_at[0] == BY_RECIPIENT:
            (self.site.folder / "kill-at-take").write_text(str(self.child.pid))

    def _start(self, die_at: tuple[str, int] | None) -> Child:
        try:
            return Child(
                self.bench.forge,
                self.site.config,
                die_at=dict([die_at] if die_at else []),
                ahead_seconds=self.deaths * 60,
            )
        except Died:
            return self._start_again()

    def _start_again(self) -> Child:
        """What stands in the database at the moment of the death permits what the recipients have; then a new process."""
        self.deaths += 1
        assert self.deaths < 3, "it dies again and again"
        self.before = self.site.taken()
        permitted(self.site, self.before)
        child = Child(self.bench.forge, self.site.config, die_at={}, ahead_seconds=self.deaths * 60)
        found = child.tell("verify")
        assert found["verified"], found["faults"]
        return child

    def play(self) -> None:
        """Send each until it is acknowledged, then wait until everything has arrived."""
        for number, body in enumerate(self.kind.bodies, 1):
            while not self._send(body):
                assert not self.child.is_alive() or self.deaths == 0, "refused"
                self.child.kill()
                self.child = self._start_again()
            if self.die_at == (BY_SENDER, number):
                self.child.kill()
                self.child = self._start_again()
        for _ in range(PATIENCE):
            try:
                self.child.tell("settle")
                if not open_letters(self.site):
                    return
                self.child.tell("advance 30")
            except Died:
                self.child = self._start_again()
        raise AssertionError("not everything went on")

    def _send(self, body: bytes) -> bool:
        """Was it acknowledged?"""
        fhir = body.startswith(b"{")
        return send_fhir(self.child, body, self.bench.bearer) if fhir else send_hl7(self.child, body)

    def judge(self) -> Counter[str]:
        """What the account is made of."""
        self.child.stop()
        taken = self.site.taken()
        permitted(self.site, taken)
        mine = [each for each in taken if each.recipient == self.kind.recipient]
        first: dict[str, Taken] = {}
        for each in mine:
            first.setdefault(each.key, each)
        letters = [tuple(each.steps) for each in first.values()]
        judge_store(self.site, self.kind.bodies)
        wanted = list(self.kind.letters)
        if len(letters) == len(wanted):
            assert letters == wanted, "out of order, or other letters"
        keys_before = {each.key for each in self.before if each.recipient == self.kind.recipient}
        return Counter(
            recovered=len(first) - len(keys_before) if self.deaths else 0,
            duplicated=sum(max(letters.count(each) - 1, 0) for each in set(letters)),
            lost=sum(each not in letters for each in wanted),
            deaths=self.deaths,
        )


def points_passed(bench: Bench, kind: Kind) -> Counter[str]:
    """An unharmed run's points."""
    run = Run(bench, f"{kind.name}-unharmed", kind, None)
    run.play()
    points = Counter(run.child.tell("points"))
    assert run.judge() == Counter(recovered=0, duplicated=0, lost=0, deaths=0)
    return points


def deaths_of(bench: Bench, kind: Kind) -> list[tuple[str, int]]:
    """Every pass of every point (of the longer story, in `make test`, the first and the last), and the two deaths that others see."""
    passed = points_passed(bench, kind)
    every = SOAKING or len(kind.bodies) == 1
    found = [
        (name, number)
        for name, times in sorted(passed.items())
        for number in range(1, times + 1)
        if (every or number in (1, times)) and (SOAKING or name.startswith(kind.own))
    ]
    return [*found, *((BY_SENDER, number) for number in range(1, len(kind.bodies) + 1)), (BY_RECIPIENT, 1)]


@pytest.mark.slow(seconds=60)
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [HANDOVER, COPIES, LATER], ids=lambda kind: kind.name)
def test_every_point_of_a_message(bench: Bench, kind: Kind, account: Callable[..., Account]) -> None:
    """Killed at each pass of each point: nothing acknowledged lost, no effect doubled, no order inverted, none without its permit."""
    deaths = deaths_of(bench, kind)
    total: Counter[str] = Counter()
    missed: list[Any] = []
    for number, die_at in enumerate(deaths):
        run = Run(bench, f"{kind.name}-{number}", kind, die_at)
        run.play()
        found = run.judge()
        total += found
        if not found["deaths"]:
            missed.append(die_at)
    names = {name for name, _ in deaths}
    steps = (
        {"answer-intent", "answer-outcome"}
        if kind is LATER
        else {"receive", "store", "identify", "release", "door", "send"}
    )
    assert {name.split(".")[0] for name in names} >= steps
    assert names >= set(OF_A_DOOR), "no death behind an acknowledgement"
    # A pass that another schedule does not reach is no death; every point has died at least once, and nearly every pass.
    assert names - {name for name, number in missed if number == 1} == names, missed
    assert len(missed) <= len(deaths) // 5, missed
    account(
        name=f"crash-matrix/{kind.name}",
        attempted=len(deaths) * len(kind.bodies),
        acked=len(deaths) * len(kind.bodies),
        recovered=total["recovered"],
        duplicated=total["duplicated"],
        lost=total["lost"],
        note=f"{total['deaths']} deaths at {len(names)} points",
    )
