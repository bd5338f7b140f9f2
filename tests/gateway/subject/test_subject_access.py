"""Subject access and erasure: the report is what the wires saw, an edited index hides nothing, two people act, and erasure leaves nothing."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from gateway import evidence, shipped
from gateway.demo.invariants import marks
from gateway.demo.people import SyntheticPerson, synthetic_person
from gateway.pipeline import Gateway
from gateway.steps.link import link
from gateway.store.schema import delivery, message
from gateway.subject import acts, report
from gateway.subject.acts import ActError, What
from gateway.subject.report import Report
from tests.builders import adt_a01, adt_a03, oru_r01, rde_o11
from tests.faults.account import Account, number
from tests.line import Line, running

PEOPLE = number(6, 1_000)
"""Simulated people: 6 in make test, 1,000 in the soak."""


async def lived(line: Line, people: list[SyntheticPerson], choose: random.Random) -> None:
    """Each comes in; most get medicines and tests; most leave."""
    for count, each in enumerate(people):
        bodies = [adt_a01(each, message_id=f"IN{count}")]
        if choose.random() < 0.8:
            bodies.append(rde_o11(each, message_id=f"RX{count}"))
        if choose.random() < 0.8:
            bodies.append(oru_r01(each, message_id=f"OR{count}"))
        if choose.random() < 0.8 or count < 2:
            bodies.append(adt_a03(each, message_id=f"OUT{count}"))
        await line.play(*bodies)


def sign(gateway: Gateway) -> None:
    gateway.ledger.sequence()
    gateway.ledger.sign_head()


def reported(gateway: Gateway, message_id: str) -> tuple[Report, dict[str, Any]]:
    """The officer's report about the person of a message: Ada asks, Ben approves."""
    act = acts.ask(gateway, message_id, What.REPORT, reason="a request by letter", by="Ada Example")
    acts.approve(gateway, act, reason="seen", by="Ben Example")
    sign(gateway)
    return report.make(gateway, act)


def sent_of(made: Report) -> set[str]:
    """The deliveries that left, as the report tells it."""
    return {chain.id for chain in made.deliveries if any(each.event == "sending" for each in chain.happened)}


def seen_on_the_wires(line: Line, whose: SyntheticPerson) -> set[str]:
    """The oracle, without the ledger or the store: the keys of all requests whose body names the person."""
    return {
        got.key
        for neighbour in line.neighbours.values()
        for got in neighbour.got
        if whose.nhs_number.encode() in got.body or whose.prison_number.encode() in got.body
    }


def message_of(line: Line, count: int) -> str:
    """The message with which this person came in: the people come in one after the other."""
    ins = [row.id for row in line.messages() if row.kind == "ADT^A01"]
    return str(ins[count])


def assert_proved(file: Path, proof: dict[str, Any]) -> None:
    """By the program that is not ours."""
    file.write_text(json.dumps(proof), "utf-8")
    done = subprocess.run([sys.executable, str(shipped.verifier()), str(file)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


async def test_the_report_is_what_the_wires_saw(tmp_path: Path, account: Callable[..., Account]) -> None:
    """0 extra, 0 missing, and every entry of it proved to a program that is not ours."""
    people = [synthetic_person(100 + count) for count in range(PEOPLE)]
    async with running(tmp_path) as line:
        await lived(line, people, random.Random(7))
        seen = [seen_on_the_wires(line, each) for each in people]
        assert sum(map(bool, seen)) > PEOPLE / 2
        for count, each in enumerate(people):
            made, proof = reported(line.gateway, message_of(line, count))
            assert sent_of(made) == seen[count]
            assert made.differs == ()
            assert made.ledger.verified
            assert all(happened.position is not None for chain in made.deliveries for happened in chain.happened)
            assert not [mark for mark in marks(each) if mark in json.dumps(proof)]
            assert_proved(tmp_path / f"proof{count}.json", proof)
        sent = len(line.accepted)
        account(name="subject-access", attempted=sent, acked=sent, recovered=0, note=f"reports about {PEOPLE} people")


async def test_an_edited_index_hides_nothing(tmp_path: Path) -> None:
    """Whoever takes a person's letters and messages away from them in every table is named by the report, and they are in it."""
    whose, other = synthetic_person(1), synthetic_person(2)
    async with running(tmp_path) as line:
        await line.play(adt_a01(whose), rde_o11(whose), adt_a03(whose), adt_a01(other, message_id="OTHER"))
        gateway, first = line.gateway, message_of(line, 0)
        before, _ = reported(gateway, first)
        stranger = next(row.person_id for row in line.messages() if row.id == message_of(line, 1))
        gateway.store.write(
            lambda c: [
                c.execute(update(delivery).values(person_id=stranger)),
                c.execute(update(message).where(message.c.id != first).values(person_id=stranger)),
            ]
        )
        after, _ = reported(gateway, first)
        assert sent_of(after) == sent_of(before) == seen_on_the_wires(line, whose) != set()
        assert {chain.id for chain in after.messages} == {chain.id for chain in before.messages}
        hidden = [each for each in after.differs if "the ledger says that it is about this person" in each]
        assert len(hidden) == len(after.deliveries) + len(after.messages) - 1


async def test_what_a_merge_joined_is_one_person_s(tmp_path: Path) -> None:
    whose, other = synthetic_person(1), synthetic_person(2)
    async with running(tmp_path) as line:
        await line.play(adt_a01(whose), rde_o11(whose), adt_a03(whose))
        await line.play(
            adt_a01(other, message_id="O1"), rde_o11(other, message_id="O2"), adt_a03(other, message_id="O3")
        )
        survivor = link(line.gateway, message_of(line, 1), message_of(line, 0), reason="why", by="Ada Example")
        both = seen_on_the_wires(line, whose) | seen_on_the_wires(line, other)
        sign(line.gateway)
        evidence.prove(line.gateway, min(both))
        made, _ = reported(line.gateway, message_of(line, 0))
        assert len(made.people) == 2
        done = {each.event for chain in made.acts for each in chain.happened}
        assert {"linked", "exported"} <= done, "who said that they are one, and who took a proof away"
        assert sent_of(made) == both
        # also where somebody takes the merge out of the tables
        line.gateway.store.write(lambda c: c.execute(text("DELETE FROM person_merge")))
        again, _ = reported(line.gateway, survivor)
        assert sent_of(again) == both


async def test_nobody_acts_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01())
        gateway, first = line.gateway, message_of(line, 0)
        act = acts.ask(gateway, first, What.REPORT, reason="why", by="Ada Example")
        with pytest.raises(ActError, match="a second person"):
            report.make(gateway, act)
        with pytest.raises(ActError, match="who asked cannot approve"):
            acts.approve(gateway, act, reason="why", by=" ada  example ")
        with pytest.raises(ActError, match="who asked cannot approve"):
            acts.approve(gateway, act, reason="why", by="Example, Ada")
        acts.approve(gateway, act, reason="why", by="Ben Example")
        with pytest.raises(ActError, match="approved already"):
            acts.approve(gateway, act, reason="why", by="Cas Example")
        with pytest.raises(ActError, match="no act of this id"):
            acts.approve(gateway, first, reason="why", by="Ben Example")
        with pytest.raises(ActError, match="no person"):
            acts.ask(gateway, "NOBODY", What.REPORT, reason="why", by="Ada Example")
        sign(gateway)
        report.make(gateway, act)
        line.clock.advance(days=93)
        with pytest.raises(ActError, match="ask again"):
            report.make(gateway, act)
