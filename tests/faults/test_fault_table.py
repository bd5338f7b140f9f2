"""The fault table: every durable write of a story x {lost, kept but reported as failed}, then a death, a restart, a sweep, every rule.

The story runs in a world without any other fault (tests/faults/simulation.py), so that the k-th write is the same write each time.
"""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from tests.faults.account import Account
from tests.faults.simulation import Found, Odds, SimulatedStore, World

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
