"""A word about sharing counts from the moment that its sender was answered: no letter about the person leaves before it was heard.

The line takes custody at once and works later, in a backlog much later. What the word says is not known until then, only that there is one.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adapters.contract import Answer, Arrival, Letter
from fhir_profiles import systems
from fhir_profiles.fhir_kinds import BY_ITSELF
from gateway.clients import add_client
from gateway.failpoints import hooked
from gateway.people import named
from gateway.steps.deliver import Shut, open_at_door
from gateway.steps.identify import identify
from gateway.steps.standing import InFront
from gateway.store.retention import sweep_ended
from gateway.store.schema import named_number
from tests.builders import adt_a03, adt_a13, consent, fhir_message, synthetic_person
from tests.flow.test_change_of_mind import BOXED, word
from tests.flow.test_delivery import supply
from tests.flow.test_events_of_hl7v2 import GIVEN, event
from tests.line import STRANGER, Line, running
from tests.world import check_world

ONE, OTHER = synthetic_person(1), synthetic_person(2)
NO_LONGER = "2026-01-15T11:59:00+00:00"


def said(subject: str = "Patient/patient") -> dict[str, Any]:
    """A refusal as a coded entry of a record."""
    return {
        "resourceType": "Observation",
        "id": "said",
        "status": "final",
        "code": {"coding": [{"system": systems.SNOMED, "code": "425691002"}]},
        "subject": {"reference": subject},
        "valueBoolean": False,
        "effectiveDateTime": NO_LONGER,
    }


def report() -> dict[str, Any]:
    """A report that contains the entry."""
    return {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "status": "final",
        "code": {"text": "what was said"},
        "subject": {"reference": "Patient/patient"},
        "contained": [said()],
        "result": [{"reference": "#said"}],
    }


def alone(**around: Any) -> dict[str, Any]:
    """A consent that names its person by number, as one comes that brings no Patient."""
    about = {"identifier": {"system": systems.NHS_NUMBER, "value": ONE.nhs_number}}
    return {**consent(resource_id="alone", at=NO_LONGER, decision="deny"), "patient": about} | around


FORMS = {
    "consent": word("deny", at=NO_LONGER, person=ONE),
    "coded": fhir_message(ONE, resources=[said()], message_id="CODED"),
    "contained": fhir_message(ONE, resources=[report()], message_id="CONTAINED"),
    "segment": event("A31", ONE, f"CON|1|{GIVEN}||F-1|||||||R||20260101"),
}


BY_THEMSELVES = {
    "resource": alone(),
    "bundle": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": alone()}]},
}
SOURCE = "passing-source"


async def post(line: Line, content: dict[str, Any]) -> Answer:
    """What comes by `POST /fhir`, with no header and no Patient."""
    add_client(line.gateway, name=SOURCE, kinds=sorted(BY_ITSELF), establishments=("ZFG",))
    body = json.dumps(content).encode()
    arrival = Arrival(channel="http-fhir", client=SOURCE, body=body, content_type="application/fhir+json")
    line.accepted.append(body)
    return await line.gateway.accept(arrival)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """Handovers of two people wait for a recipient that was away and is there again; nobody looks at them now."""
    async with running(tmp_path) as made:
        made.neighbours["northfell"].up = False
        await made.play(adt_a03(ONE), adt_a03(OTHER, message_id="OUT-2"))
        assert [row.state for row in made.deliveries()] == ["queued", "queued"]
        await made.gateway.bus.stop()
        made.neighbours["northfell"].up = True
        made.clock.advance(hours=1)
        yield made


@pytest.mark.parametrize("form", FORMS)
async def test_no_letter_leaves_between_the_answer_and_the_hearing(line: Line, form: str) -> None:
    """Taken, and nobody has worked on it; given its person; heard: the handover is shut in, shut in, recalled."""
    letter, others = (row.id for row in line.deliveries())
    await line.send(FORMS[form])
    assert line.messages()[-1].person_id is None
    assert open_at_door(line.gateway, letter) is Shut.NOT_NOW
    identify(line.gateway)
    assert line.messages()[-1].person_id is not None
    assert open_at_door(line.gateway, letter) is Shut.NOT_NOW
    assert [line.waits_for(each) for each in (letter, others)] == [InFront.SHARING, None]
    assert isinstance(open_at_door(line.gateway, others), Letter), "who said nothing waits for nobody's word"
    await line.gateway.bus.start()
    await line.settle()
    assert line.deliveries()[0].state == "recalled"
    assert letter not in {each.key for each in line.neighbours["northfell"].effects}
    check_world(line)


@pytest.mark.parametrize("form", BY_THEMSELVES)
async def test_a_word_that_names_its_person_by_number_alone_keeps_letters_back_too(line: Line, form: str) -> None:
    letter, others = (row.id for row in line.deliveries())
    assert (await post(line, BY_THEMSELVES[form])).status == 202
    assert open_at_door(line.gateway, letter) is Shut.NOT_NOW
    assert isinstance(open_at_door(line.gateway, others), Letter)
    await line.gateway.bus.start()
    await line.settle()
    assert line.deliveries()[0].state == "recalled"
    check_world(line)


async def test_a_mailbox_is_empty_as_long(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03(BOXED))
        (row,) = line.deliveries()
        await line.gateway.bus.stop()
        assert line.waits_for(row.id) is None
        await line.send(word("permit", person=BOXED, at=NO_LONGER))
        assert line.waits_for(row.id) is InFront.SHARING
        assert not await line.gateway.mailbox_list(line.box_client())
        assert await line.gateway.mailbox_open(line.box_client(), row.id) is None
        await line.gateway.bus.start()
        await line.settle()
        assert len(await line.gateway.mailbox_list(line.box_client())) == 1
        check_world(line)


async def test_a_letter_that_changes_something_waits_too(line: Line) -> None:
    """A copy of a prescription, and the correction of a handover, which waits for no other message."""
    await line.gateway.bus.start()
    await line.settle()
    line.neighbours["northfell"].up = line.neighbours["pharmacy"].up = False
    await line.play(supply(1, person=2), adt_a13(ONE))
    waiting = [row for row in line.deliveries() if row.state == "queued"]
    assert {row.letter for row in waiting} == {"prescription-copy", "correction"}
    await line.gateway.bus.stop()
    line.clock.advance(hours=1)
    await line.send(FORMS["consent"])
    await line.send(word("deny", at=NO_LONGER, person=OTHER, message_id="OTHER"))
    assert [open_at_door(line.gateway, row.id) for row in waiting] == [Shut.NOT_NOW] * len(waiting)
    await line.gateway.bus.start()
    await line.settle()
    check_world(line)


async def test_what_is_held_or_parked_keeps_no_letter_back(line: Line) -> None:
    """A widening from who may not widen waits for a person, who may come tomorrow; the letter of care does not."""
    letter, others = (row.id for row in line.deliveries())
    await line.send(word("permit", person=ONE, at=NO_LONGER), client=STRANGER)
    await line.send(word("deny", person=OTHER, at=NO_LONGER, message_id="POISON"))

    def poisoned(point: str) -> None:
        if point == "release.before-commit":
            raise ValueError("cannot be worked on")

    assert [open_at_door(line.gateway, each) for each in (letter, others)] == [Shut.NOT_NOW] * 2
    with hooked(poisoned):
        await line.gateway.bus.start()
        for _ in range(6):
            await line.settle()
            line.clock.advance(minutes=1)
    assert [row.state for row in line.messages()[-2:]] == ["parked", "parked"]
    await line.settle()
    assert {each.key for each in line.neighbours["northfell"].effects} == {letter, others}
    check_world(line)


async def test_retention_forgets_no_number_of_what_is_unheard(line: Line) -> None:
    """Its message has its person already, and is not worked on yet; afterwards nothing is kept of it."""
    await line.send(FORMS["consent"])
    identify(line.gateway)
    line.gateway.store.write(lambda c: sweep_ended(c, line.gateway.now()))
    assert open_at_door(line.gateway, line.deliveries()[0].id) is Shut.NOT_NOW
    await line.gateway.bus.start()
    await line.settle()
    line.gateway.store.write(lambda c: sweep_ended(c, line.gateway.now()))
    with line.gateway.store.read() as c:
        assert c.execute(select(named_number)).all() == []


async def test_sabotage_a_word_that_names_nobody_lets_the_letter_go(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tests above find is what the numbers of a message do."""
    monkeypatch.setattr(named, "NAMING_SYSTEMS", ())
    await line.send(FORMS["consent"])
    assert isinstance(open_at_door(line.gateway, line.deliveries()[0].id), Letter)
