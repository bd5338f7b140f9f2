"""Emergencies: a letter that consents keep goes by people's word, to the recipient they name, for hours, and others look at it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from consent.shapes import OverrideKind
from gateway import desk, overrides
from gateway.activation import take_up
from gateway.overrides import Actor, Given, Limb, OverrideError, Role
from gateway.steps.overridden import NotOverridden
from gateway.steps.rederive import rederive
from gateway.store.schema import consent as consents
from gateway.store.schema import decision as decisions
from gateway.store.schema import delivery, sealed
from gateway.subject import scan
from gateway.whole_way import kept_decision
from tests.builders import adt_a03, rde_o11
from tests.flow.test_change_of_mind import word
from tests.flow.test_noticed import one_word
from tests.line import RECIPIENTS, Line, running, sign_agreements
from tests.world import check_world

NURSE = Actor(by="Ana Nurse", role=Role.CLINICIAN, reason="overdose an hour ago; they need the dose")
LEAD = Actor(by="Ben Lead", role=Role.CLINICAL_LEAD, reason="I agree")
OFFICER = Actor(by="Cem Officer", role=Role.IG_OFFICER, reason="read and found right")
BEFORE = "2026-01-15T11:59:00+00:00"


async def a_refused_handover(line: Line) -> Any:
    """The delivery that consent withheld."""
    await line.play(rde_o11(), word("deny", at=BEFORE), adt_a03())
    (row,) = line.deliveries(letter="handover")
    assert row.state == "withheld"
    return row


def vital(line: Line, delivery_id: str, *, actor: Actor = NURSE, recipient: str = "northfell") -> Given:
    return overrides.give(
        line.gateway, delivery_id, recipient, OverrideKind.VITAL_INTEREST, Limb.PERSON, actor, tell_person=True
    )


async def test_a_clinician_lets_a_letter_go_at_once_and_others_look_at_it(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        withheld = await a_refused_handover(line)
        given = vital(line, withheld.id)
        await line.settle()

        sent = line.deliveries(letter="handover")[-1]
        assert (sent.id, sent.state, sent.recipient, sent.supersedes) == (
            given.letter,
            "delivered",
            "northfell",
            withheld.id,
        )
        (got,) = line.neighbours["northfell"].effects
        assert "Methadone" in got.body.decode()
        told = line.told_codes()
        assert {"override-given", "override-to-confirm"} <= set(told)
        still_open = {task.code for task in line.tasks() if task.ended_at is None}
        assert still_open >= {"override-given", "override-to-confirm", "override-to-review", "tell-the-person"}
        with line.gateway.store.read() as c:
            found = kept_decision(c, line.gateway, sent.decision_id)
            registered = c.execute(consents.select()).all()
        assert found is not None
        assert {vote.rule for vote in found.kept.decision.votes} == {"override-vital-interest"}
        assert len(registered) == 1, "an override is never recorded as a consent"
        assert rederive(line.gateway, sent.decision_id).same

        with pytest.raises(OverrideError, match="another person"):
            overrides.second(line.gateway, given.id, replace(LEAD, by="ana-nurse"))
        overrides.second(line.gateway, given.id, LEAD)
        with pytest.raises(OverrideError, match="already"):
            overrides.second(line.gateway, given.id, OFFICER)
        with pytest.raises(OverrideError, match="no part"):
            overrides.review(line.gateway, given.id, LEAD)
        assert overrides.review(line.gateway, given.id, OFFICER).ended_at is not None
        line.clock.advance(hours=100)
        await line.settle()
        assert "override-unconfirmed" not in line.told_codes()
        assert "override-unreviewed" not in line.told_codes()
        open_ones = [task.code for task in line.tasks() if task.ended_at is None and task.code.startswith("override-")]
        assert open_ones == []
        check_world(line)


async def test_nothing_leaves_after_its_hours(tmp_path: Path) -> None:
    """The recipient was down until the emergency was over: the letter is recalled, and the clinician is told that it did not go."""
    async with running(tmp_path) as line:
        withheld = await a_refused_handover(line)
        line.neighbours["northfell"].up = False
        given = vital(line, withheld.id)
        await line.settle()
        line.clock.advance(hours=3)
        await line.settle()
        line.clock.advance(hours=1)
        line.neighbours["northfell"].up = True
        await line.settle()

        states = {row.id: (row.state, row.reason) for row in line.deliveries()}
        assert given.letter is not None
        assert states[given.letter] == ("recalled", "override-moved")
        assert not line.neighbours["northfell"].effects
        assert line.deliveries(letter="handover")[-1].state == "withheld"
        with pytest.raises(NotOverridden, match="no letter"):
            vital(line, given.letter)
        check_world(line)


async def test_a_consent_that_comes_meanwhile_does_not_end_it(tmp_path: Path) -> None:
    """It is not a consent, so no consent takes it back; the door asks again and finds that it still stands."""
    async with running(tmp_path) as line:
        withheld = await a_refused_handover(line)
        line.neighbours["northfell"].up = False
        vital(line, withheld.id)
        await line.settle()
        await line.play(word("deny", at="2026-01-15T12:01:00+00:00", message_id="FHIR-again"))
        line.neighbours["northfell"].up = True
        line.clock.advance(minutes=30)
        await line.settle()

        assert len(line.neighbours["northfell"].effects) == 1
        check_world(line)


async def test_what_nobody_confirms_or_reviews_goes_to_the_guardian_and_bars_from_harm_tests_only(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, recipients={**RECIPIENTS, "custody": CUSTODY}) as line:
        may_disclose(line)
        await line.play(rde_o11(), word("deny", at=BEFORE), adt_a03())
        withheld = next(
            row for row in line.deliveries(letter="handover") if row.recipient_class == "community-provider"
        )
        disclosure = next(row for row in line.deliveries() if row.recipient_class == "safer-custody")
        first = vital(line, withheld.id)
        await line.settle()
        line.clock.advance(hours=24)
        await line.settle()
        assert line.told_codes().count("override-unconfirmed") == 1
        with pytest.raises(OverrideError, match="reason"):
            harm(line, disclosure.id, replace(NURSE, reason=" "))
        line.clock.advance(hours=48)
        await line.settle()
        await line.settle()
        assert line.told_codes().count("override-unreviewed") == 1
        roles = {task.role for task in line.tasks() if task.code in {"override-unconfirmed", "override-unreviewed"}}
        assert roles == {"caldicott-guardian"}

        with pytest.raises(OverrideError, match="not reviewed in time"):
            harm(line, disclosure.id, NURSE)
        assert vital(line, withheld.id).letter is not None, "an emergency bars nobody from saving a life"
        overrides.review(line.gateway, first.id, OFFICER)
        assert harm(line, disclosure.id, NURSE).letter is None


CUSTODY = ("safer-custody", "ZZX01", 'establishments = ["ZFG"]', {"handover": "fhir-document"})


def may_disclose(line: Line) -> None:
    """An agreement for somebody who gives no care, as two people would have put it in force: nothing without a consent."""
    folder = line.folder / "agreements"
    text = (folder / "handover.toml").read_text("utf-8").replace('"community-provider"', '"safer-custody"', 1)
    (folder / "disclosure.toml").write_text(
        text.replace('without_consent = "implied"', 'without_consent = "nothing"'), "utf-8"
    )
    sign_agreements(line.config)
    take_up(line.gateway)
    assert line.gateway.agreements["disclosure"].without_consent == "nothing"


def harm(line: Line, delivery_id: str, actor: Actor) -> Given:
    return overrides.give(
        line.gateway, delivery_id, "custody", OverrideKind.HARM_TEST, Limb.OTHERS, actor, tell_person=False
    )


async def test_a_harm_test_takes_two_people_of_different_roles_before_anything_leaves(tmp_path: Path) -> None:
    async with running(tmp_path, recipients={**RECIPIENTS, "custody": CUSTODY}) as line:
        may_disclose(line)
        await line.play(rde_o11(), adt_a03())
        disclosure = next(row for row in line.deliveries() if row.recipient_class == "safer-custody")
        care = next(row for row in line.deliveries(letter="handover") if row.recipient_class == "community-provider")
        assert (disclosure.state, care.state) == ("withheld", "delivered")
        with pytest.raises(NotOverridden):
            vital(line, disclosure.id, recipient="custody")
        with pytest.raises(OverrideError, match="only a clinician"):
            vital(line, disclosure.id, actor=OFFICER)

        asked = harm(line, disclosure.id, NURSE)
        await line.settle()
        assert asked.letter is None
        assert not line.neighbours["custody"].got
        for wrong, word_of in ((NURSE, "another person"), (replace(NURSE, by="Dee Nurse"), "another role")):
            with pytest.raises(OverrideError, match=word_of):
                overrides.second(line.gateway, asked.id, wrong)
        assert not [row for row in line.deliveries() if row.supersedes == disclosure.id], (
            "a refused word wrote a letter"
        )
        agreed = overrides.second(line.gateway, asked.id, OFFICER)
        await line.settle()
        assert agreed.letter is not None
        assert len(line.neighbours["custody"].effects) == 1
        assert "tell-the-person" not in {task.code for task in line.tasks()}
        check_world(line)


async def test_a_harm_test_that_nobody_agrees_to_ends(tmp_path: Path) -> None:
    async with running(tmp_path, recipients={**RECIPIENTS, "custody": CUSTODY}) as line:
        may_disclose(line)
        await line.play(adt_a03())
        disclosure = next(row for row in line.deliveries() if row.recipient_class == "safer-custody")
        asked = harm(line, disclosure.id, NURSE)
        with pytest.raises(OverrideError, match="stands already"):
            harm(line, disclosure.id, LEAD)
        line.clock.advance(hours=4)
        await line.settle()

        (ended,) = overrides.listed(line.gateway)
        assert (ended.id, ended.letter) == (asked.id, None)
        assert ended.ended_at is not None
        with pytest.raises((OverrideError, NotOverridden)):
            overrides.second(line.gateway, asked.id, OFFICER)
        assert not line.neighbours["custody"].got
        check_world(line)


async def test_a_review_does_not_stand_for_the_second_person(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        given = vital(line, (await a_refused_handover(line)).id)
        overrides.review(line.gateway, given.id, OFFICER)
        with pytest.raises(OverrideError, match="who reviewed it"):
            overrides.second(line.gateway, given.id, replace(LEAD, by="Officer, Cem"))
        line.clock.advance(hours=24)
        await line.settle()
        await line.settle()
        assert line.told_codes().count("override-unconfirmed") == 1
        assert overrides.second(line.gateway, given.id, LEAD).second_by == LEAD.by
        assert [task.code for task in line.tasks() if task.ended_at is None and task.code.startswith("override-")] == []


async def test_an_override_is_for_nobody_but_whom_its_people_named(tmp_path: Path) -> None:
    """The recipient goes, the letter waits for a person, and that one person names another: consents keep it from there."""
    async with running(tmp_path) as line:
        withheld = await a_refused_handover(line)
        line.neighbours["northfell"].up = False
        vital(line, withheld.id)
        await line.settle()
        everybody = line.gateway.recipients
        line.gateway.recipients = {name: each for name, each in everybody.items() if name != "northfell"}
        line.clock.advance(minutes=10)
        await line.settle()
        held = line.deliveries(letter="handover")[-1]
        assert (held.state, held.reason) == ("held", "no-recipient")
        desk.release_held(line.gateway, held.id, reason="they moved", by="Dee Clerk", recipient="southfell")
        await line.settle()
        assert [row for row in line.deliveries(recipient="southfell") if row.state != "withheld"] == []
        assert line.deliveries(letter="handover")[-1].state == "withheld"


async def test_what_was_done_in_an_emergency_is_in_the_person_s_own_report(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        withheld = await a_refused_handover(line)
        given = vital(line, withheld.id)
        overrides.second(line.gateway, given.id, LEAD)
        with line.gateway.store.read() as c:
            entries = scan.find(c, line.gateway, withheld.person_id).entries
        assert [each.event for each in entries if each.chain == given.id] == ["overridden", "override-seconded"]


async def test_one_letter_that_cannot_be_looked_at_again_keeps_nobody_from_being_told(tmp_path: Path) -> None:
    """What was sealed with its decision was changed in the database: the clock of every override goes on, and people hear of it."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        given = vital(line, (await a_refused_handover(line)).id)
        kept = select(decisions.c.sealed_id).join(delivery, delivery.c.decision_id == decisions.c.id)
        broken = update(sealed).where(sealed.c.id.in_(kept.where(delivery.c.id == given.letter)))
        line.gateway.store.write(lambda c: c.execute(broken.values(ciphertext=b"something else, longer than a tag")))
        line.clock.advance(hours=24)
        await line.gateway.sweep()
        assert line.told_codes().count("override-unconfirmed") == 1
        assert not line.neighbours["northfell"].effects


async def test_who_says_yes_meanwhile_has_their_letter_after_the_hours_too(tmp_path: Path) -> None:
    """The recipient was down until the emergency was over; a consent lets the letter go by then, and for that it has all the time."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(rde_o11(), one_word("deny", at=BEFORE, message_id="FHIR-no"), adt_a03())
        (withheld,) = line.deliveries(letter="handover")
        vital(line, withheld.id)
        await line.settle()
        await line.play(one_word("permit", at="2026-01-15T12:30:00+00:00", message_id="FHIR-yes"))
        line.clock.advance(hours=5)
        line.neighbours["northfell"].up = True
        await line.settle(timeout_seconds=20)
        assert [got.answered for got in line.neighbours["northfell"].effects] == [200]
        last = line.deliveries(letter="handover")[-1]
        assert (last.state, last.leaves_by) == ("delivered", None)
        check_world(line)
