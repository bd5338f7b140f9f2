"""A record marked sensitive by hand: it weighs what PDS's mark weighs, one closes, two open, and who had open letters is told of."""

from pathlib import Path

import pytest
from sqlalchemy import select

from gateway import desk
from gateway.journeys.file import is_flagged_by_hand
from gateway.journeys.tasks import TOLD_OPENLY
from gateway.ledger.entry import decode
from gateway.steps import link as people
from gateway.steps.rederive import rederive
from gateway.store.schema import ledger_entry, person
from gateway.subject import acts, flagged
from gateway.subject.acts import ActError, What
from gateway.subject.erase import erase
from tests.builders import adt_a01, adt_a03, rde_o11
from tests.flow.test_merges import OTHER, STAYS, merge, without_nhs_number
from tests.flow.test_sensitive_person import FLAG, PLACES
from tests.line import Line, running
from tests.world import check_world


def by_hand(line: Line) -> list[str]:
    with line.gateway.store.read() as c:
        return sorted(each for each in c.execute(select(person.c.id)).scalars() if is_flagged_by_hand(c, each))


def events(line: Line) -> list[str]:
    with line.gateway.store.read() as c:
        return [decode(each)["event"] for each in c.execute(select(ledger_entry.c.body)).scalars()]


def taken_back(line: Line, some_id: str) -> str:
    act = acts.ask(line.gateway, some_id, What.UNMARK, reason="safe now", by="Ada Example")
    with pytest.raises(ActError, match="a second person"):
        flagged.unmark(line.gateway, act, reason="safe now", by="Ada Example")
    with pytest.raises(ActError, match="a second person"):
        acts.approve(line.gateway, act, reason="seen", by="ada example")
    acts.approve(line.gateway, act, reason="seen", by="Ben Example")
    flagged.unmark(line.gateway, act, reason="safe now", by="Ada Example")
    return act


async def test_one_marks_at_once_two_take_it_back_and_letters_are_as_for_a_mark_of_pds(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11(), adt_a03())
        (first,) = line.deliveries(letter="handover")
        assert first.state == "delivered"
        told = flagged.mark(line.gateway, first.message_id, reason="she is hiding from somebody", by="Ada Example")
        (owner,) = by_hand(line)
        assert told == tuple(each.delivery_id for each in line.tasks(code=TOLD_OPENLY))
        assert first.id in told
        assert {each.role for each in line.tasks(code=TOLD_OPENLY)} == {"ig-officer"}
        with pytest.raises(ActError, match="marked already"):
            flagged.mark(line.gateway, owner, reason="again", by="Ada Example")

        line.clock.advance(hours=72)
        await line.play(adt_a03(message_id="A03-2", at="20260118120000+0000"))
        assert TOLD_OPENLY in line.told_codes()
        held = line.deliveries(letter="handover")[-1]
        assert (held.state, held.reason) == ("held", "sensitive-person")
        desk.release_held(line.gateway, held.id, reason="spoke to them", by="nurse-7", recipient="northfell")
        await line.settle()
        got = line.neighbours["northfell"].effects[-1]
        said = f"{got.body.decode()} {got.head.decode()}".lower()
        assert [each for each in PLACES if each in said] == []
        last = line.deliveries(letter="handover")[-1]
        assert rederive(line.gateway, last.decision_id).same
        assert rederive(line.gateway, first.decision_id).same

        act = taken_back(line, owner)
        assert by_hand(line) == []
        with pytest.raises(ActError, match="done already"):
            flagged.unmark(line.gateway, act, reason="once more", by="Ada Example")
        line.clock.advance(hours=72)
        await line.play(adt_a03(message_id="A03-3", at="20260121120000+0000"))
        assert line.deliveries(letter="handover")[-1].state == "delivered"
        assert [each for each in events(line) if "sensitive" in each] == ["marked-sensitive", "unmarked-sensitive"]
        check_world(line)


async def test_what_waits_is_recalled_and_a_sources_own_mark_outlives_ours(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        line.neighbours["northfell"].answers += [503]
        await line.play(adt_a01(), rde_o11(), adt_a03())
        (before,) = line.deliveries(letter="handover")
        assert before.state == "queued"
        flagged.mark(line.gateway, before.message_id, reason="moved away in secret", by="Ada Example")
        states = [(row.state, row.reason) for row in line.deliveries(letter="handover")]
        assert states == [("recalled", "consent-moved"), ("held", "sensitive-person")]
        asked = len(line.tasks(code=TOLD_OPENLY))
        await line.play(FLAG)
        assert len(line.tasks(code=TOLD_OPENLY)) == asked, "they were told of when it was marked"
        taken_back(line, before.message_id)
        assert [row.state for row in line.deliveries(letter="handover")] == ["recalled", "held"]
        line.clock.advance(hours=1)
        await line.settle()
        assert line.neighbours["northfell"].effects == []


async def test_a_flag_from_a_source_tells_of_open_letters_once_a_recipient(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11(), adt_a03())
        line.clock.advance(hours=72)
        await line.play(adt_a03(message_id="A03-2", at="20260118120000+0000"))
        had = {row.recipient for row in line.deliveries(state="delivered")}
        await line.play(FLAG)
        recipients = {row.id: row.recipient for row in line.deliveries()}
        assert sorted(recipients[each.delivery_id] for each in line.tasks(code=TOLD_OPENLY)) == sorted(had)
        newest = line.deliveries(letter="handover")[-1].id
        assert newest in {each.delivery_id for each in line.tasks(code=TOLD_OPENLY)}


async def test_a_merge_carries_the_mark_and_both_keep_it_when_they_are_two_again(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03(STAYS), without_nhs_number(adt_a03(OTHER, message_id="A03-2"), OTHER))
        one, other = (row.person_id for row in line.messages())
        flagged.mark(line.gateway, other, reason="a witness", by="Ada Example")
        marked = len(line.tasks(code=TOLD_OPENLY))
        await line.play(merge())
        assert one in by_hand(line)
        assert len(line.tasks(code=TOLD_OPENLY)) == marked + 1, "who stays had an open letter too"
        people.separate(line.gateway, one, other, reason="two after all", by="op-1")
        assert by_hand(line) == sorted((one, other))


async def test_an_erasure_takes_the_mark_and_its_reason(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        owner = line.messages()[0].person_id
        flagged.mark(line.gateway, owner, reason="a witness", by="Ada Example")
        for each in line.deliveries(state="held"):
            desk.reject_held(line.gateway, each.id, reason="erased", by="Ada Example")
        act = acts.ask(line.gateway, owner, What.ERASURE, reason="a wrong record", by="Ada Example")
        acts.approve(line.gateway, act, reason="seen", by="Ben Example")
        erase(line.gateway, act, reason="a wrong record", by="Cas Example")
        assert by_hand(line) == []
        assert "marked-sensitive" in events(line)
        with pytest.raises(ActError, match="no person"):
            flagged.mark(line.gateway, owner, reason="a witness", by="Ada Example")
