"""The officer's report: an edited index hides nothing, what a merge joined is one person's, and nobody acts alone."""

from pathlib import Path

import pytest
from sqlalchemy import text, update

from gateway import evidence
from gateway.demo.people import synthetic_person
from gateway.steps.link import link
from gateway.store.schema import delivery, message
from gateway.subject import acts, report
from gateway.subject.acts import ActError, What
from tests.builders import adt_a01, adt_a03, rde_o11
from tests.gateway.subject.reports import message_of, reported, seen_on_the_wires, sent_of, sign
from tests.line import running


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
