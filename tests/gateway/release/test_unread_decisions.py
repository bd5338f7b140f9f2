"""What was kept with one decision cannot be read (its bytes were changed, another program wrote it): it keeps nothing else of its person back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from gateway import desk, whole_way
from gateway.desk import DeskError
from gateway.journeys.tasks import NOTICE, NOTICE_UNREAD
from gateway.steps.kept import KeptUnread, read_kept
from gateway.steps.rederive import RederiveError, rederive
from gateway.steps.replay import look, replay
from gateway.store.schema import decision, delivery, sealed
from tests.builders import adt_a03, care_plan, fhir_message, rde_o11, synthetic_person
from tests.flow.test_change_of_mind import word
from tests.line import Line, running
from tests.world import check_world

PLAN = fhir_message(resources=[care_plan(start="2026-01-02", description="plan")], message_id="FHIR-plan")


def damage(line: Line, delivery_id: str) -> None:
    """Nobody can read any more what this letter was made from."""

    def work(c: Connection) -> None:
        named = select(delivery.c.decision_id).where(delivery.c.id == delivery_id).scalar_subquery()
        kept = c.execute(select(decision.c.sealed_id).where(decision.c.id == named)).scalar_one()
        c.execute(update(sealed).where(sealed.c.id == kept).values(ciphertext=b"not what was written"))

    line.gateway.store.write(work)


@pytest.mark.parametrize("stored", [b"", b"\xff", b"[]", b"{}", json.dumps({"context": {}, "asked": 1}).encode()])
def test_whatever_is_no_decision_of_ours_is_unread_and_nothing_else(stored: bytes) -> None:
    with pytest.raises(KeptUnread):
        read_kept(stored)


async def test_the_others_are_noticed_and_a_person_is_asked_about_the_one(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(PLAN, rde_o11(), adt_a03())
        copy, handover = line.deliveries(state="delivered")
        assert (copy.recipient, handover.recipient) == ("pharmacy", "northfell")
        damage(line, copy.id)
        line.clock.advance(hours=1)
        await line.play(word("deny"))
        assert [each.delivery_id for each in line.tasks(code=NOTICE)] == [handover.id]
        assert [each.delivery_id for each in line.tasks(code=NOTICE_UNREAD)] == [copy.id]
        assert {NOTICE, NOTICE_UNREAD} <= set(line.told_codes())
        check_world(line)


async def test_an_older_letter_under_the_same_agreement_says_whether_it_was_taken_back(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(PLAN, rde_o11(), rde_o11(message_id="RDE-2"))
        first, last = line.deliveries(letter="prescription-copy")
        assert (first.state, last.state) == ("delivered", "delivered")
        damage(line, last.id)
        line.clock.advance(hours=1)
        await line.play(word("deny"))
        assert [each.delivery_id for each in line.tasks(code=NOTICE)] == [last.id]
        assert line.tasks(code=NOTICE_UNREAD) == []


async def test_what_cannot_be_decided_again_does_not_leave_and_the_rest_goes_on(tmp_path: Path) -> None:
    """The pharmacy and the provider are down; the person says yes, and the letter that is still right leaves."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].answers = [503]
        line.neighbours["pharmacy"].answers = [503]
        await line.play(PLAN, rde_o11(), adt_a03())
        copy, handover = line.deliveries()
        assert (copy.state, handover.state) == ("queued", "queued")
        damage(line, copy.id)
        await line.play(word("permit", at="2026-01-15T12:10:00+00:00"))
        line.clock.advance(minutes=5)
        await line.settle()
        assert [row.state for row in line.deliveries(letter="handover")] == ["delivered"]
        assert [row.state for row in line.deliveries(letter="prescription-copy")] == ["recalled"]
        told = {each.code for each in line.tasks(delivery_id=copy.id)}
        assert {"withheld-by-rule", "seal-broken"} <= told <= set(line.told_codes())
        check_world(line)

        looked = look(line.gateway, [copy.message_id])
        assert [each.fate for each in looked.messages[0].changes] == ["new"]
        replay(line.gateway, [copy.message_id], shown=looked.digest, reason="it could not be read", by="officer")
        await line.settle()
        states = [row.state for row in line.deliveries(letter="prescription-copy")]
        assert states == ["recalled", "delivered"], "the message makes it anew"


async def test_pages_reports_and_a_held_letter_say_that_it_cannot_be_read(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(rde_o11(), adt_a03(replace(synthetic_person(2), postcode="ZZ99 3WZ")))
        copy, held = line.deliveries()
        assert held.state == "held"
        damage(line, copy.id)
        damage(line, held.id)
        with line.gateway.store.read() as c:
            way = whole_way.message_way(c, line.gateway, copy.message_id)
        assert way is not None
        assert [(each.unread, each.gone) for each in way.decisions] == [(True, False)]
        with pytest.raises(RederiveError, match="cannot be read"):
            rederive(line.gateway, copy.decision_id)
        with pytest.raises(DeskError, match="cannot be read"):
            desk.release_held(line.gateway, held.id, reason="asked", by="officer", recipient="northfell")
        assert desk.has_to_be_named(line.gateway, held.id)
        assert desk.reject_held(line.gateway, held.id, reason="made again", by="officer") == "withheld"
