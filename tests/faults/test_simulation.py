"""Deterministic simulation: many seeds, each a world of its own that fails in its own way (tests/faults/simulation.py).

In `make test` 1,000 seeds, in `make soak` 100,000. A seed that fails is played alone by the command that its failure names.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from adapters.contract import Letter, Outgoing, Receipt
from gateway.errors import StoreUnavailable
from tests.faults import simulation
from tests.faults.account import FIRST_SEED, Account, number
from tests.faults.simulation import Odds, SimulatedRecipient, SimulatedStore, World, play, play_many

SHARDS = 8
SEEDS = number(1_000, 100_000) // SHARDS
JUMPED = number(40, 1_000)


@pytest.mark.slow(seconds=60)
@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_seeds(shard: int, account: Callable[..., Account]) -> None:
    """Store failures, deaths, an unreliable bus, recipients that lie, repeat, are slow, and time out after their effect."""
    seeds = range(FIRST_SEED + shard * SEEDS, FIRST_SEED + (shard + 1) * SEEDS)
    total = play_many(seeds)
    assert total["deaths"] > SEEDS // 10, "nobody dies: the odds are wrong"
    numbers = {name: total[name] for name in ("attempted", "acked", "recovered", "duplicated", "lost")}
    account(
        name=f"simulation/{shard}", note=f"seeds {seeds.start} to {seeds.stop - 1}, {total['deaths']} deaths", **numbers
    )


@pytest.mark.slow(seconds=40)
@pytest.mark.timeout(0)
def test_clock_faults(account: Callable[..., Account]) -> None:
    """The clock jumps back and forth by minutes, hours and a day, while everything else goes wrong too: order comes by sequence."""

    def jumping(seed: int) -> World:
        return World(seed, jumps=((-1800.0, 3600.0, -900.0), (86_400.0, -60.0), (-600.0, -600.0), (7200.0,))[seed % 4])

    total = play_many(range(JUMPED), jumping)
    numbers = {name: total[name] for name in ("attempted", "acked", "recovered", "duplicated", "lost")}
    account(name="clock-faults", note=f"{JUMPED} seeds, {total['deaths']} deaths", **numbers)


def test_a_seed_is_a_run() -> None:
    """Twice the same seed: every letter, in the same order, under the same id. Another seed is another run."""
    assert play(11) == play(11)
    assert play(11).trace != play(12).trace


def test_a_world_without_faults_dies_of_nothing() -> None:
    """What is found in the other runs comes from their faults."""
    found = play(1, odds=Odds.none())
    assert (found.acked, found.deaths, found.lost, found.duplicated) == (found.attempted, 0, 0, 0)


class _ForgetfulStore(SimulatedStore):
    """Sabotage: says that it kept what it did not."""

    def write(self, work: Any) -> Any:
        kept: list[Any] = []

        def undone(c: Any) -> None:
            kept.append(work(c))
            raise StoreUnavailable

        if self.world.chance.random() < 0.1 and self.world.odds.lost_write:
            with suppress(StoreUnavailable):
                self.world.kept.write(undone)
            return kept[0]
        return super().write(work)


class _ForgetfulRecipient(SimulatedRecipient):
    """Sabotage: somebody else's key on a letter, as a gateway would that made a new id for each attempt."""

    times = 0

    def _take(self, letter: Outgoing, answered: int) -> None:
        _ForgetfulRecipient.times += 1
        other = Letter(
            delivery_id=f"{letter.delivery_id[:16]}{_ForgetfulRecipient.times:04d}",
            recipient=letter.recipient,
            wire=letter.wire,
            content_type=letter.content_type,
            body=letter.body,
        )
        super()._take(other, answered)


class _SendsTwice(SimulatedRecipient):
    """Sabotage: two sends under one intent, as a gateway did for an id that came twice in one turn. The second has no effect."""

    async def send(self, letter: Outgoing) -> Receipt:
        await super().send(letter)
        return await super().send(letter)


@pytest.mark.parametrize(
    ("name", "sabotage"),
    [
        ("SimulatedStore", _ForgetfulStore),
        ("SimulatedRecipient", _ForgetfulRecipient),
        ("SimulatedRecipient", _SendsTwice),
    ],
)
def test_sabotage_is_found(name: str, sabotage: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that acknowledges what it lost, a key that is another at each attempt, a second send: some seed of ten says so, and how to play it."""
    monkeypatch.setattr(simulation, name, sabotage)
    with pytest.raises(AssertionError, match=r"seed \d+: python -m tests.faults.simulation \d+"):
        play_many(range(10))
