"""The clock jumps by hours, back and forth, around the start and the end of a dissent, while the recipient comes and goes.

Whatever the clock did: no intent is committed inside the dissent by the clock that the door itself reads, nobody's letters change their
order, and each is either sent or withheld, never lost.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.instants import to_text
from gateway.store.schema import attempt
from tests.builders import care_plan, consent, fhir_message, synthetic_person
from tests.faults.account import Account, number
from tests.faults.crash import step
from tests.faults.simulation import texts_of
from tests.line import START, Line, running

SEEDS = number(12, 1_000)
STEPS = 5
BEGINS, ENDS = START + timedelta(hours=6), START + timedelta(hours=18)
PERSON = synthetic_person(1)


def plan_and_dissent() -> bytes:
    """A pharmacy, and a word against it for twelve hours."""
    said = consent(resource_id="word", at="2026-01-02T09:00:00+00:00", decision="deny", recipient_ods="ZZP01")
    period = {"start": BEGINS.isoformat(), "end": ENDS.isoformat()}
    said = {**said, "provision": {**said["provision"], "period": period}}
    plan = care_plan(start="2026-01-02", description="plan")
    return fhir_message(PERSON, resources=[plan, said], message_id="F")


async def play(folder: Path, seed: int) -> dict[str, int]:
    """One story; what became of its prescriptions."""
    chance = random.Random(seed)
    folder.mkdir()  # noqa: ASYNC240  before anything runs
    async with running(folder) as line:
        pharmacy = line.neighbours["pharmacy"]
        patient = line.gateway.settings.delivery.model_copy(update={"attempts": 100})
        line.gateway.settings = line.gateway.settings.model_copy(update={"delivery": patient})
        await line.play(plan_and_dissent())
        for each in range(STEPS):
            pharmacy.up = chance.random() < 0.6
            assert line.is_accepted(await line.send(step(PERSON, each + 1)))
            for _ in range(2):
                await line.settle()
                line.clock.instant = chance.choice((BEGINS, ENDS)) + timedelta(minutes=chance.randrange(-300, 300))
        pharmacy.up = True
        line.clock.instant = max(line.clock.instant, ENDS + timedelta(days=2))
        for _ in range(12):
            line.clock.advance(minutes=2)
            await line.settle()
        return judged(line)


def judged(line: Line) -> dict[str, int]:
    """No intent inside the dissent; effects in order; each prescription once, sent or withheld."""
    rows = line.deliveries(recipient="pharmacy")
    mine = {row.id for row in rows}
    with line.gateway.store.read() as c:
        intents = [row.intent_at for row in c.execute(select(attempt)) if row.delivery_id in mine]
    inside = [at for at in intents if to_text(BEGINS) <= at < to_text(ENDS)]
    assert not inside, "sent against a dissent by the door's own clock"
    arrived = [text for each in line.neighbours["pharmacy"].effects for text in texts_of(each)]
    assert arrived == sorted(arrived), "out of order"
    fates: dict[str, list[str]] = {}
    for row in rows:
        fates.setdefault(row.message_id, []).append(row.state)
    ended = [states for states in fates.values() if {"delivered", "withheld"} & set(states)]
    return {
        "attempted": STEPS,
        "acked": len(line.accepted) - 1,
        "recovered": sum("recalled" in states for states in fates.values()),
        "duplicated": len(arrived) - len(set(arrived)),
        "lost": STEPS - len(ended),
        "sent": len(arrived),
    }


@pytest.mark.slow(seconds=40)
async def test_a_dissent_holds_by_the_door_s_own_clock(tmp_path: Path, account: Callable[..., Account]) -> None:
    """Many stories, each with its own jumps."""
    total: dict[str, Any] = {}
    for seed in range(SEEDS):
        try:
            found = await play(tmp_path / str(seed), seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
        total = {name: total.get(name, 0) + number for name, number in found.items()}
    sent = total.pop("sent")
    assert 0 < sent < total["attempted"], "a dissent that stops nothing or everything shows nothing"
    account(name="clock-and-dissent", note=f"{SEEDS} seeds, {sent} sent, the others withheld", **total)
