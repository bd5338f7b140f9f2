"""Messages that are released in one turn come to the same as one after the other; what breaks one of them touches no other."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from gateway.journeys.file import write_filings
from gateway.steps import letters
from gateway.steps.deliver import Opened, Shut, open_at_doors
from gateway.store.schema import delivery, ledger_entry, resource
from tests.builders import (
    METHADONE,
    adt_a01,
    adt_a03,
    fhir_message,
    medication_request,
    synthetic_person,
)
from tests.line import Line, running
from tests.world import check_world

PEOPLE = range(1, 7)


def supply(person: int, number: int = 1) -> bytes:
    """A prescription for supply outside, for the pharmacy."""
    name = f"rx-{person}-{number}"
    request = medication_request(
        METHADONE, resource_id=name, authored="2026-01-15", text=f"dose of {name}", category="discharge"
    )
    return fhir_message(synthetic_person(person), resources=[request], message_id=f"FHIR-{name}")


ROUNDS: Sequence[Sequence[bytes]] = (
    [adt_a01(synthetic_person(each), message_id=f"A01-{each}") for each in PEOPLE],
    [supply(each) for each in PEOPLE] + [supply(1, 2)],
    [adt_a03(synthetic_person(each), message_id=f"A03-{each}") for each in PEOPLE],
)


class Commits:
    """How many messages each commit of the line was of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self._commit = letters._commit
        monkeypatch.setattr(letters, "_commit", self)

    def __call__(self, c: Any, works: Sequence[letters.Work], **named: Any) -> Any:
        self.sizes.append(len(works))
        return self._commit(c, works, **named)


def became(line: Line) -> list[tuple[Any, ...]]:
    """What there is of each message and each person, without an id."""
    with line.gateway.store.read() as c:
        rows = c.execute(select(ledger_entry.c.chain, ledger_entry.c.step, ledger_entry.c.body)).all()
        versions = sorted(
            tuple(row) for row in c.execute(select(resource.c.type, resource.c.version, resource.c.current))
        )
    chains: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        event = row.body.decode().split('"event":"')[1].split('"')[0]
        chains.setdefault(row.chain, []).append((row.step, event))
    found: list[tuple[Any, ...]] = []
    for message in line.messages():
        made = [
            (each.letter, each.recipient, each.state, each.reason, tuple(sorted(chains[each.id])))
            for each in line.deliveries(message_id=message.id)
        ]
        codes = sorted(each.code for each in line.tasks(message_id=message.id))
        found.append((message.kind, message.state, tuple(sorted(chains[message.id])), sorted(made, key=repr), codes))
    return [*sorted(found, key=repr), tuple(versions)]


async def test_in_one_turn_is_as_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = Commits(monkeypatch)
    for folder in ("alone", "together"):
        (tmp_path / folder).mkdir()
    async with running(tmp_path / "alone") as line:
        for messages in ROUNDS:
            await line.play(*messages)
        alone = became(line)
        assert set(commits.sizes) == {1}
    async with running(tmp_path / "together") as line:
        for messages in ROUNDS:
            await asyncio.gather(*(line.send(each) for each in messages))
            await line.settle()
        assert max(commits.sizes) > 1
        assert became(line) == alone
        check_world(line)


async def test_one_that_breaks_the_commit_is_tried_again_and_the_others_are_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(monkeypatch)

    def breaks(c: Any, parts: Any, filings: Sequence[Any]) -> None:
        write_filings(c, parts, filings)
        if any(b"rx-3" in str(each.added).encode() for _, _, each in filings):
            raise ValueError("broken")

    async with running(tmp_path) as line:
        monkeypatch.setattr(letters, "write_filings", breaks)
        await asyncio.gather(*(line.send(supply(each)) for each in PEOPLE))
        await line.settle()
        assert max(commits.sizes) > 1
        assert sorted(each.state for each in line.messages()) == ["received", *["released"] * 5]
        assert len(line.deliveries()) == 5
        monkeypatch.setattr(letters, "write_filings", write_filings)
        line.clock.advance(minutes=10)
        await line.settle()
        assert {each.state for each in line.messages()} == {"released"}
        check_world(line)


async def test_two_whole_pictures_that_come_to_the_door_together_leave_one_after_the_other(tmp_path: Path) -> None:
    """What the one before it has become in the same turn is seen: the second waits while the first is on its way."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].up = False
        await line.play(supply(1, 1), supply(1, 2))
        first, second = (row.id for row in line.deliveries())

        def picture(c: Connection) -> None:
            c.execute(update(delivery).values(whole_picture=True))
            c.execute(update(delivery).where(delivery.c.id == second).values(letter="handover"))

        line.gateway.store.write(picture)
        line.clock.advance(seconds=30)
        opened = await asyncio.to_thread(open_at_doors, line.gateway, (first, second))
        assert [type(each) for each in opened] == [Opened, Shut]
        assert opened[1] is Shut.NOT_NOW
