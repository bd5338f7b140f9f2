"""Who had letters under what a person takes back hears of it once: a person is asked to tell them, and a guardian when nobody did."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from consent import extent
from gateway import desk
from gateway.journeys.tasks import NOTICE, NOTICE_UNREAD, OVERDUE
from gateway.steps.identify import identify
from gateway.steps.letters import release_message
from gateway.steps.noticed import notice_withdrawals
from gateway.store.schema import person, resource, sealed
from tests.builders import adt_a03, care_plan, consent, fhir_message, rde_o11, synthetic_person
from tests.flow.test_change_of_mind import word
from tests.flow.test_merges import OTHER, STAYS, dissent_without_nhs, merge
from tests.line import Line, running
from tests.world import check_world


def notices(line: Line, code: str = NOTICE) -> list[tuple[str, bool]]:
    """(recipient, is it still open) of every notice."""
    recipients = {row.id: row.recipient for row in line.deliveries()}
    return [(recipients[each.delivery_id], each.ended_at is None) for each in line.tasks(code=code)]


async def test_every_earlier_recipient_is_noticed_once_and_a_guardian_hears_of_the_late_ones(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        plan = care_plan(start="2026-01-02", description="plan")
        await line.play(fhir_message(resources=[plan], message_id="FHIR-plan"), rde_o11(), adt_a03())
        line.clock.advance(hours=1)
        had = [row.recipient for row in line.deliveries(state="delivered")]
        assert had == ["pharmacy", "northfell"]
        await line.play(word("deny"))
        assert sorted(notices(line)) == [("northfell", True), ("pharmacy", True)]
        assert line.told_codes().count(NOTICE) == 2

        await line.play(word("deny", message_id="FHIR-again", at="2026-01-15T12:40:00+00:00"))
        assert len(notices(line)) == 2, "it is heard once, however often the person says it"
        first = next(each for each in line.tasks(code=NOTICE))
        desk.end_task(line.gateway, first.id, reason="they have read it back", by="officer")
        line.clock.advance(hours=25)
        await line.settle()
        await line.settle()
        assert notices(line, OVERDUE) == [(recipient, True) for recipient, is_open in notices(line) if is_open]
        assert {each.role for each in line.tasks(code=OVERDUE)} == {"caldicott-guardian"}
        check_world(line)


def one_word(decision: str, *, at: str, message_id: str) -> bytes:
    """Versions of one consent: the newest holds."""
    said = consent(resource_id="word", at=at, decision=decision)
    return fhir_message(resources=[said], message_id=message_id, event="consent")


async def test_nobody_is_noticed_of_a_permit_and_a_new_yes_ends_an_open_notice(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        await line.play(word("permit", at="2026-01-15T12:10:00+00:00"))
        assert notices(line) == []
        await line.play(one_word("deny", message_id="FHIR-no", at="2026-01-15T12:20:00+00:00"))
        assert notices(line) == [("northfell", True)]
        await line.play(one_word("permit", message_id="FHIR-yes", at="2026-01-15T12:30:00+00:00"))
        assert notices(line) == [("northfell", False)]


async def test_what_no_rule_decides_is_no_new_yes_and_a_new_no_among_it_is_told_to_a_person(tmp_path: Path) -> None:
    """More than is compared, a yes on terms that nobody keeps, a no to nobody knows whom: nothing open ends by any of them."""
    terms = consent(resource_id="word", at="2026-01-15T12:25:00+00:00", decision="permit")
    terms["meta"] = {"versionId": "3"}
    terms["provision"]["securityLabel"] = [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NODSCLCD"},
        *({"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": each} for each in "NRV"),
    ]
    whom = consent(
        resource_id="word", at="2026-01-15T12:30:00+00:00", decision="deny", recipient_reference="Organization/unknown"
    )
    other = consent(resource_id="other", at="2026-01-15T12:20:00+00:00", decision="deny", recipient_ods="ZZX99")
    said = [
        fhir_message(resources=[each], message_id=f"FHIR-{n}", event="consent")
        for n, each in enumerate((other, terms, whom))
    ]
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        with pytest.MonkeyPatch.context() as bound:
            bound.setattr(extent, "MOST_STEPS", 20)
            await line.play(one_word("deny", at="2026-01-15T12:10:00+00:00", message_id="FHIR-no"))
        assert (notices(line), notices(line, NOTICE_UNREAD)) == ([], [("northfell", True)])
        assert NOTICE_UNREAD in line.told_codes()
        await line.play(one_word("deny", at="2026-01-15T12:15:00+00:00", message_id="FHIR-no-2"))
        assert notices(line) == [("northfell", True)]
        with pytest.MonkeyPatch.context() as bound:
            bound.setattr(extent, "MOST_STEPS", 20)
            await line.play(said[0])
        assert notices(line) == [("northfell", True)]
        for each in said[1:]:
            await line.play(each)
            assert notices(line) == [("northfell", True)], each
        await line.play(one_word("permit", at="2026-01-15T12:40:00+00:00", message_id="FHIR-yes"))
        assert notices(line) == notices(line, NOTICE_UNREAD) == [("northfell", False)]
        check_world(line)


async def test_who_was_told_and_had_a_letter_since_is_told_of_the_next_no(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        await line.play(one_word("deny", message_id="FHIR-no", at="2026-01-15T12:20:00+00:00"))
        (first,) = line.tasks(code=NOTICE)
        desk.end_task(line.gateway, first.id, reason="they have read it back", by="officer")
        await line.play(one_word("permit", message_id="FHIR-yes", at="2026-01-15T12:30:00+00:00"))
        line.clock.advance(hours=72)
        await line.play(adt_a03(message_id="A03-2", at="20260118120000+0000"))
        assert [row.state for row in line.deliveries()] == ["delivered", "delivered"]
        line.clock.advance(hours=1)
        await line.play(one_word("deny", message_id="FHIR-no-again", at="2026-01-18T13:00:00+00:00"))
        assert notices(line) == [("northfell", False), ("northfell", True)]
        await line.play(one_word("deny", message_id="FHIR-no-more", at="2026-01-18T13:10:00+00:00"))
        assert len(notices(line)) == 2


async def test_who_refused_a_repeat_may_have_had_the_letter_and_is_told(tmp_path: Path) -> None:
    """The first answer was lost, and the second said no, as a receiver does that has the letter already."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].answers = [0, 400]
        await line.play(adt_a03())
        line.clock.advance(seconds=30)
        await line.settle()
        assert [row.state for row in line.deliveries()] == ["refused"]
        await line.play(word("deny", at="2026-01-15T11:59:00+00:00"))
        assert notices(line) == [("northfell", True)]


async def test_an_agreement_that_ends_is_no_new_yes(tmp_path: Path) -> None:
    """What was asked for under the person's word stays, whatever moves after the agreement is over or cannot be asked any more."""
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        await line.play(one_word("deny", message_id="FHIR-no", at="2026-01-15T12:20:00+00:00"))
        in_force = line.gateway.agreements
        ended = replace(in_force["handover"], text={**in_force["handover"].text, "ends": "2026-01-14"})
        without = {name: each for name, each in in_force.items() if name != "handover"}
        for number, agreements in enumerate((without, {**without, "handover": ended})):
            line.gateway.agreements = agreements
            await line.play(one_word("deny", message_id=f"FHIR-{number}", at=f"2026-01-15T12:{40 + number}:00+00:00"))
            assert marked(line) == 0
            assert notices(line) == [("northfell", True)]


@pytest.mark.parametrize("how", ["by its last day", "by two people"])
async def test_who_had_letters_hears_of_a_no_that_is_said_after_the_agreement_ended(tmp_path: Path, how: str) -> None:
    """INVARIANT: what was sent under it is there still. A no since is told; whoever says yes, or nothing, makes nobody hear anything."""
    async with running(tmp_path) as line:
        other = synthetic_person(2)
        await line.play(adt_a03(), adt_a03(other, message_id="OUT-2"))
        line.clock.advance(hours=1)
        in_force = line.gateway.agreements
        ended = replace(in_force["handover"], text={**in_force["handover"].text, "ends": "2026-01-14"})
        without = {name: each for name, each in in_force.items() if name != "handover"}
        line.gateway.agreements = without if how == "by two people" else {**without, "handover": ended}
        await line.play(one_word("permit", message_id="FHIR-yes", at="2026-01-15T12:10:00+00:00"))
        assert notices(line) == []
        await line.play(one_word("deny", message_id="FHIR-no", at="2026-01-15T12:20:00+00:00"))
        assert marked(line) == 0
        assert notices(line) == [("northfell", True)]
        await line.play(one_word("permit", message_id="FHIR-yes-again", at="2026-01-15T12:30:00+00:00"))
        assert notices(line) == [("northfell", False)], "the person says yes again: nobody has to be told"


async def test_who_never_had_a_letter_is_not_noticed(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a03(), word("deny", at="2026-01-15T11:59:00+00:00"))
        assert [row.state for row in line.deliveries()] == ["recalled", "withheld"]
        assert notices(line) == []


async def test_a_notice_survives_a_death_between_the_word_and_it(tmp_path: Path) -> None:
    """The consent is committed and the process dies before anybody thought of the earlier recipients: the next one does."""
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=1)
        await line.gateway.bus.stop()
        await line.send(word("deny"))
        identify(line.gateway)
        release_message(line.gateway, line.messages()[-1].id)
        assert marked(line) == 1
        assert notices(line) == []

        await line.restart()
        await line.settle()
        assert marked(line) == 0
        assert notices(line) == [("northfell", True)]
        notice_withdrawals(line.gateway)
        assert len(notices(line)) == 1
        check_world(line)


async def test_a_word_of_a_record_that_is_joined_is_noticed_by_who_had_letters_under_the_other(tmp_path: Path) -> None:
    """The dissent stood under a number of its own, and was thought of when nobody had a letter; now it is this person's."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(STAYS), dissent_without_nhs(OTHER))
        assert marked(line) == 0
        assert notices(line) == []
        line.clock.advance(hours=1)
        await line.play(merge())
        assert notices(line) == [("northfell", True)]
        assert marked(line) == 0
        check_world(line)


async def test_one_person_of_whom_nothing_opens_keeps_no_other_from_being_noticed(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03(STAYS), adt_a03(OTHER, message_id="A03-2"))
        first = line.messages()[0].person_id
        own = select(resource.c.sealed_id).where(resource.c.person_id == first)
        broken = update(sealed).where(sealed.c.id.in_(own)).values(ciphertext=b"something else, longer than a tag")
        line.gateway.store.write(
            lambda c: (c.execute(broken), c.execute(update(person).values(to_notice=True))),
        )
        await line.gateway.sweep()
        with line.gateway.store.read() as c:
            assert c.execute(select(person.c.id).where(person.c.to_notice)).scalars().all() == [first]


def marked(line: Line) -> int:
    """People whose earlier recipients nobody has thought of yet."""
    with line.gateway.store.read() as c:
        return len(c.execute(select(person.c.id).where(person.c.to_notice)).all())
