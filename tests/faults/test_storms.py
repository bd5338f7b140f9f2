"""Storms that a line lives with: senders that never hear an answer, a disk that is full, messages that are poison."""

import asyncio
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import update

from gateway import unfinished
from gateway.bus import InProcessBus
from gateway.bus.protocol import BusError, Topic
from gateway.failpoints import hooked
from gateway.store.schema import sealed
from gateway.unfinished import MESSAGE_ATTEMPTS
from tests.builders import care_plan, fhir_message, synthetic_person
from tests.engines import MODES
from tests.faults.account import Account, number
from tests.faults.crash import step
from tests.faults.simulation import texts_of
from tests.line import Line, running
from tests.world import check_world

OTHERS_KEEP = 0.95
TURNS = 15


def plan_of(person: int) -> bytes:
    """Names the pharmacy."""
    plan = care_plan(start="2026-01-02", description="plan")
    return fhir_message(synthetic_person(person), resources=[plan], message_id=f"F-{person}")


def copies_of(line: Line) -> list[tuple[str, ...]]:
    """What the pharmacy has, by effect."""
    return [tuple(texts_of(each)) for each in line.neighbours["pharmacy"].effects]


@pytest.mark.parametrize("mode", MODES)
async def test_duplicates_with_lost_acknowledgements(
    tmp_path: Path, account: Callable[..., Account], request: pytest.FixtureRequest, mode: str
) -> None:
    """Each message up to three times at once, and again whenever its answer was lost (30 %): one effect each, the stored answer each time."""
    if mode == "production":
        request.getfixturevalue("on_production")
    chance = random.Random(3)
    people, steps = number(12, 200) if mode == "embedded" else number(4, 50), 2
    sent = 0
    async with running(tmp_path) as line:

        async def sender(person: int) -> None:
            nonlocal sent
            for body in (
                plan_of(person),
                *(step(synthetic_person(person), each + 1, of=str(person)) for each in range(steps)),
            ):
                answers = set()
                while True:
                    copies = chance.randrange(1, 4)
                    sent += copies
                    for answer in await asyncio.gather(*(line.send(body) for _ in range(copies))):
                        assert line.is_accepted(answer), answer
                        answers.add(answer.body)
                    if chance.random() >= 0.3:
                        break
                assert len(answers) == 1 or body.startswith(b"{"), "another acknowledgement of the same message"

        await asyncio.gather(*(sender(person) for person in range(people)))
        await line.settle(120)
        copies = copies_of(line)
        check_world(line)
        wanted = people * steps
        account(
            name=f"duplicate-storm/{mode}",
            attempted=people * (steps + 1),
            acked=len(set(line.accepted)),
            recovered=sent - people * (steps + 1),
            duplicated=len(copies)
            - len({each.key for each in line.neighbours["pharmacy"].effects})
            + max(len(copies) - wanted, 0),
            lost=max(wanted - len(copies), 0),
            note="recovered: repeats that had no effect",
        )


async def test_intake_that_never_pauses_starves_nobody(tmp_path: Path) -> None:
    """Another message comes in whenever the people of some have been found: the first letter leaves long before that ends."""
    sent, left_at, most = 0, list[int](), 40
    async with running(tmp_path) as line:
        loop = asyncio.get_running_loop()
        await line.play(plan_of(1))

        def one_more(name: str) -> None:
            nonlocal sent
            if name == "identify.after-commit" and sent < most:
                sent += 1
                asyncio.run_coroutine_threadsafe(line.send(plan_of(sent + 1)), loop).result(20)

        line.neighbours["pharmacy"].before_answer = lambda: left_at.append(sent)
        with hooked(one_more):
            await line.send(step(synthetic_person(1), 1))
            await line.settle(60)
        assert sent == most
        assert left_at[0] < most, "it waited until nobody sent any more"
        check_world(line)


async def test_poison_harms_nobody_else(
    tmp_path: Path, account: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 % of what is kept cannot be opened: parked after the limit and told; everybody else keeps 95 % of their speed.

    Speed is what the line's threads do for everybody's messages, counted in calls: processor time says more of what else runs on the machine
    than of one message in a hundred. The least of several runs of each is compared: a turn that was cut otherwise adds calls and takes none.
    Between two attempts lie more than the looks of one settling at the test's clock, so that both have their sweeps by the clock.
    """
    monkeypatch.setattr(unfinished, "RETRY_SECONDS", (5.0,))
    people = number(100, 1_000)
    clean, poisoned, kept = list[int](), list[int](), 0.0
    with _counted() as made:
        await _calls(
            tmp_path / "first", people // 4, made, poisoned=0
        )  # what is compiled and read once counts in neither
        for turn in range(TURNS):
            clean.append(await _calls(tmp_path / f"clean-{turn}", people, made, poisoned=0))
            told = None if turn else account
            bad = people // 100
            poisoned.append(await _calls(tmp_path / f"poison-{turn}", people, made, poisoned=bad, account=told))
            kept = min(clean) / min(poisoned)
            if turn and kept >= OTHERS_KEEP:
                break
    assert kept >= OTHERS_KEEP, f"others keep {kept:.0%} of their speed: {clean} {poisoned}"


@pytest.mark.usefixtures("on_production")
async def test_poison_is_parked_on_postgresql(
    tmp_path: Path, account: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rules where the store is a server; how fast the others are is asked where calls can be counted."""
    monkeypatch.setattr(unfinished, "RETRY_SECONDS", (5.0,))
    await _calls(
        tmp_path / "poison", number(20, 200), itertools.count(), poisoned=2, account=account, where="production"
    )


class HeldBus(InProcessBus):
    """Takes nothing until it is open: then the sweep brings what was kept meanwhile."""

    is_open = False

    async def publish(self, topic: Topic, id: str) -> None:  # noqa: A002  the word of the contract
        if not self.is_open:
            raise BusError("held")
        await super().publish(topic, id)


@contextmanager
def _counted() -> Iterator[Iterator[int]]:
    """Calls that are made in the threads which begin meanwhile, by all of them together."""
    made = itertools.count()

    def count(_frame: FrameType, event: str, _what: object) -> None:
        if event in ("call", "c_call"):
            next(made)

    threading.setprofile(count)
    try:
        yield made
    finally:
        threading.setprofile(None)


async def _calls(
    folder: Path,
    people: int,
    made: Iterator[int],
    *,
    poisoned: int,
    account: Callable[..., Account] | None = None,
    where: str = "embedded",
) -> int:
    """Calls in the line's threads for everybody's message, the poison among them."""
    folder.mkdir()  # noqa: ASYNC240  before anything runs
    bus = HeldBus()
    async with running(folder, bus=bus) as line:
        for person in range(people):
            await line.send(plan_of(person))
        bad = line.messages()[:poisoned]
        _poison(line, bad)
        bus.is_open = True
        started = next(made)
        for _ in range(MESSAGE_ATTEMPTS):
            await line.settle(250)
            line.clock.advance(seconds=15)
        spent = next(made) - started
        states = {row.id: row for row in line.messages()}
        assert {states[row.id].state for row in bad} <= {"parked"}
        assert all(states[row.id].attempts == MESSAGE_ATTEMPTS for row in bad)
        others = [row.state for row in states.values() if row.id not in {each.id for each in bad}]
        if account:
            assert line.told_codes().count("message-parked") == poisoned
            account(
                name=f"poison/{where}",
                attempted=people,
                acked=len(line.accepted),
                recovered=poisoned,
                lost=sum(state != "released" for state in others),
                note=f"{poisoned} parked after {MESSAGE_ATTEMPTS} attempts",
            )
    return spent


def _poison(line: Line, bad: list[Any]) -> None:
    """What was kept of these messages cannot be opened any more."""
    broken = update(sealed).where(sealed.c.id.in_([row.body_id for row in bad])).values(ciphertext=b"broken")
    line.gateway.store.write(lambda c: c.execute(broken))
    for row in bad:
        line.gateway.translations.forget(row.id)
