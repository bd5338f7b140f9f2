"""The notice of withdrawal as a letter: whoever had letters hears that no more will come, whatever the person said, and learns nothing by it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from consent.shapes import OverrideKind
from gateway import desk
from gateway.journeys.tasks import NOTICE, OVERDUE
from gateway.overrides import Limb, give
from gateway.steps.deliver import Ended, Result, Sent, Shut, open_at_door, write_receipts
from gateway.steps.noticed import notice
from gateway.steps.rederive import rederive
from gateway.store.schema import person
from tests.builders import PERSON, adt_a03, care_plan, fhir_message, rde_o11
from tests.flow.test_change_of_mind import word
from tests.flow.test_merges import OTHER, STAYS, merge, without_nhs_number
from tests.flow.test_noticed import one_word
from tests.flow.test_override import NURSE
from tests.flow.test_replies import NORTHFELL, register, reply
from tests.line import RECIPIENTS, Line, RecipientOfTests, running
from tests.world import check_world

Json = dict[str, Any]


def taking(name: str) -> RecipientOfTests:
    """A recipient that takes the notice too."""
    recipient_class, ods, serves, letters = RECIPIENTS[name]
    return recipient_class, ods, serves, {**letters, NOTICE: "fhir-message"}


TOLD_BY_LETTER = {**RECIPIENTS, "northfell": taking("northfell"), "pharmacy": taking("pharmacy")}
PLAN = care_plan(start="2026-01-02", description="Planforher")
TEN_PAST, TWENTY_PAST, HALF_PAST = (f"2026-01-15T12:{minute}:00+00:00" for minute in (10, 20, 30))


def notices(line: Line) -> list[tuple[str, str]]:
    """(recipient, state) of every notice."""
    return [(row.recipient, row.state) for row in line.deliveries(letter=NOTICE)]


def said_in(line: Line, recipient: str) -> str:
    """The last thing that a recipient got."""
    return line.neighbours[recipient].effects[-1].body.decode()


def relabelled(body: bytes, code: str) -> bytes:
    """The same message with the person's record flagged so."""
    message = json.loads(body)
    for entry in message["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            flag = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": code}
            entry["resource"]["meta"] = {"security": [flag]}
    return json.dumps(message).encode()


async def test_every_earlier_recipient_hears_it_once_and_learns_nothing_that_it_did_not_know(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        register(line)
        await line.play(fhir_message(resources=[PLAN], message_id="FHIR-plan"), rde_o11(), adt_a03())
        had = {row.recipient: row.id for row in line.deliveries(state="delivered")}
        assert set(had) == {"pharmacy", "northfell"}
        line.clock.advance(hours=1)
        renamed = replace(PERSON, family="Newname-Test", postcode="ZA9 9ZZ")
        await line.play(fhir_message(renamed, resources=[PLAN], message_id="FHIR-renamed"), word("deny"))
        assert {row.state for row in line.messages()} == {"released"}

        assert sorted(notices(line)) == [("northfell", "delivered"), ("pharmacy", "delivered")]
        assert line.tasks(code=NOTICE) == [], "nobody has to telephone who was told by a letter"
        for recipient, earlier in had.items():
            text = said_in(line, recipient)
            assert earlier in text
            assert "Keep the record that you have" in text
            assert "Do not start, stop or change any treatment" in text
            assert PERSON.family in text
            assert PERSON.nhs_number in text
            for secret in (
                "Newname",
                "ethadone",
                "plan",
                PERSON.prison_number,
                PERSON.postcode,
                "ZA9",
                "Consent",
                "refus",
            ):
                assert secret not in text, (recipient, secret)
            assert {each for each in had.values() if each in text} == {earlier}, "nobody learns who else had letters"
        for row in line.deliveries(letter=NOTICE):
            assert rederive(line.gateway, row.decision_id).same
        await line.play(word("deny", message_id="FHIR-again", at="2026-01-15T13:40:00+00:00"))
        assert len(notices(line)) == 2, "it is heard once, however often the person says it"
        assert [row.letter for row in line.deliveries(recipient="security")] == [], "who gets figures never had anybody"

        await line.play(
            reply(next(row.id for row in line.deliveries(letter=NOTICE, recipient="northfell"))), client=NORTHFELL
        )
        line.clock.advance(hours=25)
        await line.settle()
        (task,) = line.tasks(code=NOTICE)
        assert task.delivery_id == next(row.id for row in line.deliveries(letter=NOTICE, recipient="pharmacy"))
        assert task.role == "ig-officer"
        line.clock.advance(hours=25)
        await line.settle()
        assert [each.delivery_id for each in line.tasks(code=OVERDUE)] == [task.delivery_id]
        desk.end_task(line.gateway, task.id, reason="they have read it back", by="officer")
        assert [each for each in line.tasks() if each.code in (NOTICE, OVERDUE) and each.ended_at is None] == []
        check_world(line)


async def test_a_notice_that_is_no_longer_so_never_leaves_and_a_new_no_is_told_again(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        line.neighbours["northfell"].up = False
        await line.play(one_word("deny", message_id="FHIR-no", at=TEN_PAST))
        assert notices(line) == [("northfell", "queued")]
        (row,) = line.deliveries(letter=NOTICE)
        line.clock.advance(hours=1)
        marked = update(person).where(person.c.id == row.person_id)
        line.gateway.store.write(lambda c: c.execute(marked.values(to_notice=True)))
        assert open_at_door(line.gateway, row.id) is Shut.NOT_NOW, "what nobody has looked at again does not leave"
        notice(line.gateway, row.person_id)
        notice(line.gateway, row.person_id)
        assert notices(line) == [("northfell", "queued")], "one look writes its notices once"

        await line.play(one_word("permit", message_id="FHIR-yes", at=TWENTY_PAST))
        assert [(each.state, each.reason) for each in line.deliveries(letter=NOTICE)] == [
            ("recalled", "notice-overtaken")
        ]
        await line.play(one_word("deny", message_id="FHIR-no-again", at=HALF_PAST))
        assert notices(line) == [("northfell", "recalled"), ("northfell", "queued")]
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert notices(line) == [("northfell", "recalled"), ("northfell", "delivered")]
        assert len([each for each in line.neighbours["northfell"].effects if b"Keep the record" in each.body]) == 1
        check_world(line)


async def test_a_notice_that_is_being_sent_when_the_person_says_yes_again_is_not_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        line.neighbours["northfell"].up = False
        await line.play(one_word("deny", message_id="FHIR-no", at=TEN_PAST))
        (row,) = line.deliveries(letter=NOTICE)
        line.clock.advance(hours=1)
        assert not isinstance(open_at_door(line.gateway, row.id), Shut)
        await line.play(one_word("permit", message_id="FHIR-yes", at=TWENTY_PAST))
        assert notices(line) == [("northfell", "sending")]
        line.neighbours["northfell"].up = True
        number = line.deliveries(letter=NOTICE)[0].attempts
        failed = Ended(delivery_id=row.id, number=number, sent=Sent(result=Result.TRANSIENT, code="http-503"))
        write_receipts(line.gateway, [failed])
        line.clock.advance(hours=1)
        await line.settle()
        assert notices(line) == [("northfell", "recalled")]
        assert [each for each in line.neighbours["northfell"].effects if b"Keep the record" in each.body] == []
        check_world(line)


async def test_who_only_may_have_had_a_letter_is_told_nothing_by_ours(tmp_path: Path) -> None:
    """That the person is known to the service would be news to it: somebody finds out, and an answer that comes late does not end that."""
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        register(line)
        line.neighbours["northfell"].answers = [0]
        await line.play(adt_a03())
        (row,) = line.deliveries()
        assert row.state == "ambiguous"
        await line.play(word("deny", at="2026-01-15T11:59:00+00:00"))
        assert notices(line) == []
        (task,) = line.tasks(code=NOTICE)
        assert (task.delivery_id, task.ended_at) == (row.id, None)
        await line.play(reply(row.id), client=NORTHFELL)
        assert line.deliveries()[0].state == "confirmed"
        assert [each.ended_at for each in line.tasks(code=NOTICE)] == [None]


async def test_of_a_person_flagged_sensitive_a_person_lets_the_notice_go(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        await line.play(relabelled(fhir_message(resources=[PLAN], message_id="FHIR-flag"), "R"), word("deny"))
        assert {row.state for row in line.messages()} == {"released"}
        (row,) = line.deliveries(letter=NOTICE)
        assert (row.recipient, row.state, row.reason) == ("northfell", "held", "notice-held")
        assert [each.role for each in line.tasks(code="notice-held")] == ["ig-officer"]
        assert "notice-held" in line.told_codes()
        with pytest.raises(desk.DeskError, match="flagged sensitive: name the recipient"):
            desk.release_held(line.gateway, row.id, reason="they know the person", by="officer")
        with pytest.raises(desk.DeskError):
            desk.release_held(line.gateway, row.id, reason="they know the person", by="officer", recipient="southfell")
        desk.release_held(line.gateway, row.id, reason="they know the person", by="officer", recipient="northfell")
        await line.settle()
        assert notices(line) == [("northfell", "delivered")]
        assert "Keep the record" in said_in(line, "northfell")


async def test_each_notice_names_the_person_as_its_recipient_knows_them_after_a_merge(tmp_path: Path) -> None:
    """Two records that are one: whoever had letters under one number is told under that number, and never learns the other."""
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        await line.play(adt_a03(STAYS), without_nhs_number(adt_a03(OTHER, message_id="A03-2"), OTHER))
        had = [row.id for row in line.deliveries(letter="handover", state="delivered")]
        line.clock.advance(hours=1)
        await line.play(merge(), word("deny", person=STAYS))
        told = [each.body.decode() for each in line.neighbours["northfell"].effects if b"Keep the record" in each.body]
        assert len(told) == len(had) == 2
        for text, own, other in ((told[0], STAYS, OTHER), (told[1], OTHER, STAYS)):
            assert own.family in text
            assert other.family not in text
            assert (STAYS.nhs_number in text) == (own is STAYS)
        check_world(line)


async def test_who_had_a_letter_by_an_override_is_told_when_the_person_says_no_again(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        await line.play(word("deny", at="2026-01-15T11:59:00+00:00"), adt_a03())
        (withheld,) = line.deliveries(letter="handover")
        assert withheld.state == "withheld"
        given = give(
            line.gateway, withheld.id, "northfell", OverrideKind.VITAL_INTEREST, Limb.PERSON, NURSE, tell_person=True
        )
        await line.settle()
        assert notices(line) == []
        line.clock.advance(hours=1)
        await line.play(word("deny", message_id="FHIR-again", at="2026-01-15T12:40:00+00:00"))
        assert notices(line) == [("northfell", "delivered")]
        assert str(given.letter) in said_in(line, "northfell")
        assert withheld.id not in said_in(line, "northfell"), "what never left is not told of"


async def test_an_organisation_that_took_over_a_recipients_place_learns_nothing(tmp_path: Path) -> None:
    """The file of a recipient names another organisation now: that one has had no letter, and whoever had is told by a person."""
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        other = replace(line.gateway.recipients["northfell"], ods="ZZC99", version="another")
        line.gateway.recipients = {**line.gateway.recipients, "northfell": other}
        await line.play(word("deny"))
        assert notices(line) == []
        assert [each.delivery_id for each in line.tasks(code=NOTICE)] == [line.deliveries()[0].id]


async def test_a_notice_on_its_way_does_not_follow_the_place_to_another_organisation(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=TOLD_BY_LETTER) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        line.neighbours["northfell"].up = False
        await line.play(word("deny"))
        assert notices(line) == [("northfell", "queued")]
        other = replace(line.gateway.recipients["northfell"], ods="ZZC99", version="another")
        line.gateway.recipients = {**line.gateway.recipients, "northfell": other}
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert [(row.recipient, row.state) for row in line.deliveries(letter=NOTICE)] == [
            ("northfell", "recalled"),
            (None, "held"),
        ]
        assert "Keep the record" not in said_in(line, "northfell")
