"""A positive test told to a named recipient because serious harm is likely otherwise (A 5.12): by two people, and by nothing else in the world."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from consent.shapes import OverrideKind
from gateway import overrides
from gateway.overrides import Limb, OverrideError
from gateway.steps.overridden import NotOverridden
from gateway.steps.rederive import rederive
from gateway.steps.replay import look
from gateway.store.schema import contribution
from tests.builders import COCAINE, OPIATES, PERSON, Assay, care_plan, fhir_message, oru_r01
from tests.flow.test_change_of_mind import word
from tests.flow.test_notice_of_withdrawal import relabelled
from tests.flow.test_override import LEAD, NURSE
from tests.line import RECIPIENTS, Line, running
from tests.world import check_world

HARM = "harm-disclosure"
RECIPIENT = {**RECIPIENTS["security"][3], HARM: "fhir-message"}
NAMED = {**RECIPIENTS, "security": (*RECIPIENTS["security"][:3], RECIPIENT)}
FOUND = oru_r01(
    assays=(
        Assay(code=OPIATES[0], text=OPIATES[1], result="positive"),
        Assay(code=COCAINE[0], text=COCAINE[1], result="negative"),
    )
)
PLAN = care_plan(start="2026-01-02", description="Planforher")
TREATED = fhir_message(resources=[PLAN], message_id="FHIR-plan")


def ask(line: Line, message_id: str, *, recipient: str = "security", tell_person: bool = True) -> overrides.Given:
    return overrides.ask(line.gateway, message_id, recipient, Limb.OTHERS, NURSE, tell_person=tell_person)


def contributions(line: Line) -> int:
    """How much is counted for reports about nobody."""
    with line.gateway.store.read() as c:
        return len(c.execute(select(contribution)).all())


async def test_two_people_tell_one_recipient_one_danger_and_a_consent_stands_for_neither(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=NAMED) as line:
        await line.play(TREATED, word("permit", at="2026-01-15T11:00:00+00:00"), FOUND)
        assert line.deliveries(letter=HARM) == [], "no event starts it, whatever the person agreed to"
        counted = contributions(line)
        asked = ask(line, line.messages()[-1].id)
        await line.settle()
        (withheld,) = line.deliveries(letter=HARM)
        assert (withheld.state, withheld.id, asked.letter) == ("withheld", asked.delivery, None)
        assert line.neighbours["security"].got == []
        assert "override-to-agree" in line.told_codes()
        with pytest.raises(OverrideError, match="another person"):
            overrides.second(line.gateway, asked.id, NURSE)
        with pytest.raises(OverrideError, match="another role"):
            overrides.second(line.gateway, asked.id, replace(NURSE, by="Bea Nurse"))
        with pytest.raises(OverrideError, match="asked for already"):
            ask(line, line.messages()[-1].id)
        with pytest.raises(NotOverridden, match="harm test any other"):
            overrides.give(
                line.gateway, withheld.id, "security", OverrideKind.VITAL_INTEREST, Limb.OTHERS, NURSE, tell_person=True
            )
        assert line.neighbours["security"].got == []

        given = overrides.second(line.gateway, asked.id, LEAD)
        await line.settle()
        sent = line.deliveries(letter=HARM)[-1]
        assert (sent.id, sent.state, sent.supersedes) == (given.letter, "delivered", withheld.id)
        (got,) = line.neighbours["security"].effects
        text = got.body.decode()
        for value in (
            PERSON.prison_number,
            PERSON.family,
            OPIATES[0],
            "harm to others",
            "none is a mandatory test",
            "is told of this",
        ):
            assert value in text
        for secret in (
            PERSON.nhs_number,
            PERSON.postcode,
            PERSON.born,
            COCAINE[0],
            "Planforher",
            NURSE.reason,
        ):
            assert secret not in text, secret
        assert "tell-the-person" in {task.code for task in line.tasks()}
        assert rederive(line.gateway, sent.decision_id).same
        (looked,) = look(line.gateway, [line.messages()[-1].id]).messages
        assert HARM not in {each.letter for each in looked.changes}, (
            "a replay neither asks for it again nor takes it back"
        )
        assert contributions(line) == counted, "what security is told of nobody is another road, and stays as it was"
        check_world(line)


async def test_nothing_else_lets_it_go(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=NAMED) as line:
        await line.play(
            TREATED,
            oru_r01(message_id="ORU-mandatory", purpose="mandatory"),
            oru_r01(message_id="ORU-unknown", purpose=""),
            oru_r01(message_id="ORU-negative", assays=(Assay(code=OPIATES[0], text=OPIATES[1], result="negative"),)),
            oru_r01(message_id="ORU-found", at="20260115130000+0000"),
        )
        plan, mandatory, unknown, negative, found = (row.id for row in line.messages())
        for none in (plan, mandatory, unknown, negative):
            with pytest.raises(NotOverridden, match="no positive clinical test"):
                ask(line, none)
        with pytest.raises(NotOverridden, match="no message"):
            ask(line, "nobody")
        with pytest.raises(NotOverridden, match="does not take"):
            ask(line, found, recipient="pharmacy")
        assert line.deliveries(letter=HARM) == []

        late = ask(line, found)
        line.clock.advance(hours=line.gateway.settings.overrides.hours + 1)
        with pytest.raises((OverrideError, NotOverridden), match=r"time is over|end after hours"):
            overrides.second(line.gateway, late.id, LEAD)
        await line.settle()
        unsafe = ask(line, found, tell_person=False)
        await line.play(relabelled(fhir_message(resources=[PLAN], message_id="FHIR-flag"), "R"))
        with pytest.raises(NotOverridden, match="sensitive-person"):
            overrides.second(line.gateway, unsafe.id, LEAD)
        assert line.neighbours["security"].got == []
        assert {row.state for row in line.deliveries(letter=HARM)} == {"withheld"}


async def test_where_telling_is_unsafe_the_letter_says_so_and_nobody_is_asked_to_tell(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=NAMED) as line:
        await line.play(TREATED, FOUND)
        overrides.second(line.gateway, ask(line, line.messages()[-1].id, tell_person=False).id, LEAD)
        await line.settle()
        text = line.neighbours["security"].effects[-1].body.decode()
        assert "Do not let the person know" in text
        assert "is told of this" not in text
        assert "tell-the-person" not in {task.code for task in line.tasks()}
