"""The fault table: every durable write of a story x {lost, kept but reported as failed}, then a death, a restart, a sweep, every rule.

The story runs in a world without any other fault (tests/faults/simulation.py), so that the k-th write is the same write each time. On the real
engines it is one message after the other, each of which has one commit more behind it than the one before until its commit fails.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.failpoints import hooked
from tests.builders import care_plan, fhir_message, synthetic_person
from tests.faults.account import Account
from tests.faults.crash import step
from tests.faults.simulation import Found, Odds, SimulatedStore, World, texts_of
from tests.line import Line, running
from tests.world import check_world

DIES_AFTER = 4
"""Writes between the fault and the death: long enough that the line can build on what it believes."""


class OneFault(SimulatedStore):
    """Fails once, at the k-th write of the world, in one of the two ways; dies a little later."""

    world: "TableWorld"

    def write(self, work: Callable[[Any], Any]) -> Any:
        self._live()
        self.world.writes += 1
        at = self.world.writes - self.world.fault_at
        if at == DIES_AFTER and self.world.fault_at:
            self._die()
        if at == 0 and self.world.way == "lost":
            raise StoreUnavailable("nothing was kept")
        answer = self.world.kept.write(work)
        if at == 0:
            raise StoreUnavailable("it was kept all the same")
        return answer


class TableWorld(World):
    """One row of the table; `fault_at` 0 is the unharmed story."""

    def __init__(self, fault_at: int, way: str) -> None:
        super().__init__(1, odds=Odds.none())
        self.writes, self.fault_at, self.way = 0, fault_at, way

    def make_store(self) -> SimulatedStore:
        return OneFault(self)


def story_length() -> int:
    """Writes of the unharmed story."""
    world = TableWorld(0, "lost")
    world.fault_at = -1_000_000
    world.run()
    return world.writes


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("way", ["lost", "kept"])
def test_every_write(way: str, account: Callable[..., Account]) -> None:
    """Nothing lost, doubled or out of order, whichever write it was."""
    last = story_length()
    assert last > 30
    found: list[Found] = []
    for fault_at in range(1, last + 1):
        try:
            found.append(TableWorld(fault_at, way).run())
        except Exception as error:
            raise AssertionError(f"write {fault_at} {way}") from error
    assert sum(each.deaths for each in found) >= len(found) - DIES_AFTER - 2
    account(
        name=f"fault-table/{way}",
        attempted=sum(each.attempted for each in found),
        acked=sum(each.acked for each in found),
        recovered=sum(each.recovered for each in found),
        duplicated=sum(each.duplicated for each in found),
        lost=sum(each.lost for each in found),
        note=f"{len(found)} writes, a restart after each",
    )


POINT = {"lost": "store.before-commit", "kept": "store.after-commit"}
PERSON = synthetic_person(1)


class FailingCommit:
    """The k-th commit that comes is not made, or it is made and whoever waits for it hears that it failed."""

    def __init__(self, at: int, way: str) -> None:
        self.left, self.point = at, POINT[way]

    @property
    def struck(self) -> bool:
        return self.left <= 0

    def __call__(self, passed: str) -> None:
        if passed == self.point:
            self.left -= 1
            if self.left == 0:
                raise StoreUnavailable


@pytest.mark.slow(seconds=15)
@pytest.mark.parametrize("way", POINT)
async def test_every_commit_of_a_message_on_the_engines(
    tmp_path: Path, way: str, on_both: str, account: Callable[..., Account]
) -> None:
    """From the first commit of a message to the one behind its last; the gateway lives on for a turn, dies, and another one sweeps once."""
    recovered, bodies = 0, list[bytes]()
    async with running(tmp_path) as line:
        plan = care_plan(start="2026-01-02", description="plan")
        await line.play(fhir_message(PERSON, resources=[plan], message_id="F-1"))
        struck = True
        while struck:
            bodies.append(step(PERSON, len(bodies) + 1))
            struck, acked = await _strike(line, bodies[-1], FailingCommit(len(bodies), way))
            recovered += struck
            if not acked:
                assert line.is_accepted(await line.send(bodies[-1])), "a sender that heard nothing sends again"
            await line.gateway.sweep()
            await line.gateway._idle()
            line.clock.advance(seconds=30)  # what was counted as failed waits its time
            await line.settle()
            assert line.messages()[-1].state == "released", (way, len(bodies))
            check_world(line)
        effects = [texts_of(each) for each in line.neighbours["pharmacy"].effects]
    wanted = [[f"step {each + 1}"] for each in range(len(bodies))]
    assert [each for at, each in enumerate(effects) if each not in effects[:at]] == wanted, "out of order, or lost"
    assert len(bodies) > 6, "a message has more commits than that"
    account(
        name=f"fault-table-engines/{way}/{on_both}",
        attempted=len(bodies),
        acked=len(bodies),
        recovered=recovered,
        duplicated=len(effects) - len(wanted),
        lost=0,
        note=f"{recovered} commits, a restart after each",
    )


async def _strike(line: Line, body: bytes, failing: FailingCommit) -> tuple[bool, bool]:
    """One message, with nothing that goes on by itself, so that the k-th commit is its own; was it struck, and was it acknowledged?"""
    await line.gateway._end_background()
    with hooked(failing):
        acked = line.is_accepted(await line.send(body))
        with suppress(StoreUnavailable):
            await line.settle()
        with suppress(StoreUnavailable):
            await asyncio.to_thread(line.gateway._sign)
    await line.restart()
    return failing.struck, acked
