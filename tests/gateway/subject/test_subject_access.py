"""The officer's report: an edited index hides nothing, what a merge joined is one person's, and nobody acts alone."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, text, update

from gateway import evidence
from gateway.demo.people import synthetic_person
from gateway.steps.link import link, separate
from gateway.store.schema import (
    decision,
    delivery,
    ledger_entry,
    ledger_position,
    message,
    person,
    person_merge,
)
from gateway.subject import acts, report
from gateway.subject.acts import ActError, What
from tests.builders import adt_a01, adt_a03, rde_o11
from tests.gateway.subject.reports import asked_and_approved, message_of, reported, seen_on_the_wires, sent_of, sign
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


async def test_an_edited_row_is_named_by_the_report(tmp_path: Path) -> None:
    """A state, an outcome or a merge that somebody wrote into the tables stands beside the ledger's word, which the report tells."""
    whose, other = synthetic_person(1), synthetic_person(2)
    async with running(tmp_path) as line:
        await line.play(adt_a01(whose), rde_o11(whose), adt_a03(whose), adt_a01(other, message_id="OTHER"))
        gateway, first = line.gateway, message_of(line, 0)
        before, _ = reported(gateway, first)
        assert before.differs == ()
        gone = next(chain.id for chain in before.deliveries if chain.happened[-1].event == "delivered")
        decided, outcome = next(
            (each.facts["decision"], each.facts["outcome"])
            for chain in (*before.messages, *before.deliveries)
            for each in chain.happened
            if each.event == "decided"
        )
        another = "withhold" if outcome != "withhold" else "release"
        stranger = next(row.person_id for row in line.messages() if row.id == message_of(line, 1))
        gateway.store.write(
            lambda c: [
                c.execute(
                    update(delivery).where(delivery.c.id == gone).values(state="withheld", recipient="southfell")
                ),
                c.execute(
                    update(decision).where(decision.c.id == decided).values(outcome=another, agreement_digest="0")
                ),
                c.execute(
                    insert(person_merge).values(
                        absorbed=stranger, survivor=before.people[0], merged_at="2026-01-15T12:00:00.000000Z"
                    )
                ),
            ]
        )
        after, _ = reported(gateway, first)
        assert f"delivery {gone}: its state is withheld in the database, and delivered in the ledger" in after.differs
        assert (
            f"decision {decided}: its outcome is {another} in the database, and {outcome} in the ledger"
            in after.differs
        )
        told = f"delivery {gone}: its recipient is southfell in the database, and northfell in the ledger"
        assert told in after.differs, "who was told"
        under = [each for each in after.differs if each.startswith(f"decision {decided}: its agreement is 0 in the ")]
        assert under, "by which agreement"
        merged = f"record {stranger}: the database says that it was joined with this person's, the ledger does not"
        assert merged in after.differs


async def test_a_joined_record_whose_key_was_taken_away_is_named(tmp_path: Path) -> None:
    """Who destroys the key of one of two joined records hides what was about it alone: the report says that it cannot know."""
    whose, other = synthetic_person(1), synthetic_person(2)
    async with running(tmp_path) as line:
        await line.play(adt_a01(whose), adt_a01(other, message_id="O1"), adt_a03(other, message_id="O3"))
        survivor = link(line.gateway, message_of(line, 1), message_of(line, 0), reason="why", by="Ada Example")
        before, _ = reported(line.gateway, survivor)
        (absorbed,) = set(before.people) - {survivor}
        assert before.differs == ()
        line.gateway.store.write(
            lambda c: c.execute(update(person).where(person.c.id == absorbed).values(wrapped_key=b""))
        )
        after, _ = reported(line.gateway, survivor)
        assert any(each.startswith(f"record {absorbed}: ") and "its key is gone" in each for each in after.differs)


async def test_who_was_separated_again_is_named_to_both(tmp_path: Path) -> None:
    """What left while two records were one is under the key of one of them: the other's report says where to look."""
    whose, other = synthetic_person(1), synthetic_person(2)
    async with running(tmp_path) as line:
        await line.play(adt_a01(whose), adt_a01(other, message_id="O1"))
        first, second = message_of(line, 0), message_of(line, 1)
        survivor = link(line.gateway, second, first, reason="why", by="Ada Example")
        (absorbed,) = set(reported(line.gateway, survivor)[0].people) - {survivor}
        separate(line.gateway, survivor, absorbed, reason="two people", by="Ada Example")
        for one, apart in ((survivor, absorbed), (absorbed, survivor)):
            (said,) = reported(line.gateway, one)[0].apart
            assert said.startswith(f"record {apart}: it was joined with this person's, and separated again ")


async def test_several_reports_are_of_one_reading_and_each_is_as_if_it_were_alone(tmp_path: Path) -> None:
    """The ledger is verified and read once for all; what each says is what it says alone."""
    people = [synthetic_person(number) for number in (1, 2, 3)]
    async with running(tmp_path) as line:
        for number, each in enumerate(people):
            await line.play(adt_a01(each, message_id=f"IN{number}"), adt_a03(each, message_id=f"OUT{number}"))
        link(line.gateway, message_of(line, 2), message_of(line, 1), reason="why", by="Ada Example")
        asked = [asked_and_approved(line.gateway, message_of(line, number), What.REPORT) for number in (0, 1)]
        sign(line.gateway)
        together = list(report.make_all(line.gateway, asked))
        for act, (made, proof) in zip(asked, together, strict=True):
            alone, own = report.make(line.gateway, act)
            assert (alone.messages, alone.deliveries, alone.people) == (made.messages, made.deliveries, made.people)
            assert own["entries"] == proof["entries"]
            assert sent_of(made)
        assert together[0][0].ledger is together[1][0].ledger
        assert not sent_of(together[0][0]) & sent_of(together[1][0])


async def test_a_row_under_another_id_leaves_nothing_out_of_a_proof(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(), adt_a03())
        gateway, first = line.gateway, message_of(line, 0)
        before, _ = reported(gateway, first)
        hidden = before.deliveries[0].happened[-1].entry

        def hide(c: Connection) -> None:
            for trigger in c.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'").scalars().all():
                c.exec_driver_sql(f"DROP TRIGGER {trigger}")
            c.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            c.execute(update(ledger_entry).where(ledger_entry.c.id == hidden).values(id="ELSE"))
            c.execute(update(ledger_position).where(ledger_position.c.entry_id == hidden).values(entry_id="ELSE"))

        gateway.store.write(hide)
        after, proof = reported(gateway, first)
        assert any(f'"id":"{hidden}"' in each["entry"] for each in proof["entries"])
        assert not after.ledger.verified
