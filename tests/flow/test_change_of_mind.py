"""What the person says later, and what the prison takes back: recall, correction, and the authority to widen."""

from pathlib import Path
from typing import Any

import pytest

from gateway import desk
from gateway.steps.deliver import Shut, open_at_door
from gateway.steps.identify import identify
from gateway.steps.letters import release_message
from tests.builders import (
    METHADONE,
    adt_a01,
    adt_a03,
    adt_a13,
    consent,
    fhir_message,
    medication_request,
    synthetic_person,
)
from tests.line import STRANGER, Line, running
from tests.world import check_world

BOXED = synthetic_person(2, postcode="ZB1 1AA")
LATER = "2026-01-15T12:30:00+00:00"


def word(decision: str, *, message_id: str = "FHIR-word", person: Any = None, **more: Any) -> bytes:
    """A message with one consent."""
    resource = consent(resource_id=f"word-{message_id}", at=more.pop("at", LATER), decision=decision, **more)
    about = {"person": person} if person is not None else {}
    return fhir_message(resources=[resource], message_id=message_id, event="consent", **about)


async def _open(line: Line, delivery_id: str) -> bytes | None:
    letter = await line.gateway.mailbox_open(line.box_client(), delivery_id)
    return letter.body if letter is not None else None


async def test_a_dissent_recalls_what_waits_in_a_mailbox(tmp_path: Path) -> None:
    """The letter waits to be collected; the dissent comes; the same request finds nothing, and the clinician is told."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(BOXED))
        (row,) = line.deliveries()
        assert (row.recipient, row.state) == ("southfell", "waiting")
        assert [item.id for item in await line.gateway.mailbox_list(line.box_client())] == [row.id]
        line.clock.advance(hours=1)
        await line.play(word("deny", person=BOXED))
        states = [(each.state, each.reason) for each in line.deliveries()]
        assert states == [("recalled", "consent-moved"), ("withheld", "withheld-by-consent")]
        assert line.deliveries()[1].supersedes == row.id
        assert await _open(line, row.id) is None
        assert not await line.gateway.mailbox_list(line.box_client())
        assert "withheld-by-consent" in line.told_codes()
        check_world(line)


async def test_a_dissent_recalls_what_waits_for_a_recipient_that_is_down(tmp_path: Path) -> None:
    """Queued and tried, never received: recalled before the recipient comes back."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a03())
        assert line.deliveries()[0].state == "queued"
        await line.play(word("deny", at="2026-01-15T11:59:00+00:00"))
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert [each.state for each in line.deliveries()] == ["recalled", "withheld"]
        assert not line.neighbours["northfell"].effects
        check_world(line)


async def test_a_consent_that_changes_nothing_leaves_the_letter_as_it_is(tmp_path: Path) -> None:
    """A permit arrives while the letter waits: asked again, same bytes, same id."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(BOXED))
        (before,) = line.deliveries()
        await line.play(word("permit", person=BOXED, at="2026-01-15T11:00:00+00:00"))
        rows = line.deliveries()
        assert len(rows) in {1, 2}
        live = rows[-1]
        assert live.state == "waiting"
        assert live.consent_version == before.consent_version + 1
        assert await _open(line, live.id) is not None
        assert await line.gateway.mailbox_acknowledge(line.box_client(), live.id)
        check_world(line)


async def test_the_door_alone_stops_a_letter_under_an_old_consent(tmp_path: Path) -> None:
    """Sabotage of everything before it: the consent moves behind the line's back, and the door still asks again."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a03())
        bus = line.gateway.bus
        await bus.stop()  # nothing looks at the person's letters now
        line.clock.advance(minutes=1)
        await line.send(word("deny", at="2026-01-15T11:59:00+00:00"))
        identify(line.gateway)
        release_message(line.gateway, line.messages()[-1].id)
        assert open_at_door(line.gateway, line.deliveries()[0].id) is Shut.MOVED
        await bus.start()
        line.neighbours["northfell"].up = True
        await line.settle()
        assert [each.state for each in line.deliveries()] == ["recalled", "withheld"]
        check_world(line)


async def test_a_cancelled_release_is_corrected_where_the_handover_arrived(tmp_path: Path) -> None:
    """A13 after delivery: one correction to the same recipient, after the handover, naming it."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), adt_a03(), adt_a13(), adt_a13(message_id="A13-again"))
        rows = line.deliveries()
        assert [(row.letter, row.recipient, row.state) for row in rows] == [
            ("handover", "northfell", "delivered"),
            ("correction", "northfell", "delivered"),
        ]
        assert rows[1].supersedes == rows[0].id
        assert rows[0].id in line.neighbours["northfell"].effects[1].body.decode()
        check_world(line)


async def test_a_cancelled_release_recalls_what_has_not_left(tmp_path: Path) -> None:
    """A13 while the recipient is down: the handover never leaves, and there is nothing to correct."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a03(), adt_a13())
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert [(row.letter, row.state, row.reason) for row in line.deliveries()] == [
            ("handover", "recalled", "release-cancelled")
        ]
        assert not line.neighbours["northfell"].effects
        check_world(line)


async def test_a_cancelled_release_corrects_what_may_have_arrived(tmp_path: Path) -> None:
    """Ambiguous counts as arrived: the recipient gets the correction, and gets it after the handover."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].answers = [0]
        await line.play(adt_a03())
        assert line.deliveries()[0].state == "ambiguous"
        assert "delivery-ambiguous" in line.told_codes()
        await line.play(adt_a13())
        line.clock.advance(hours=1)
        await line.settle()
        assert [(row.letter, row.state) for row in line.deliveries()] == [
            ("handover", "delivered"),
            ("correction", "delivered"),
        ]
        assert len({each.key for each in line.neighbours["northfell"].got}) == 2
        check_world(line)


async def test_a_widening_consent_from_a_stranger_waits_for_a_person(tmp_path: Path) -> None:
    """No consent authority: the message is held and told; a person who confirms it gives it its weight."""
    async with running(tmp_path) as line:
        permit = word("permit")
        await line.play(permit, client=STRANGER)
        (row,) = line.messages()
        assert (row.state, row.reason) == ("held", "consent-authority")
        assert "consent-authority" in line.told_codes()
        assert desk.release_held(line.gateway, row.id, reason="seen the signed form", by="ig-2") == "released"
        assert [item.id for item in desk.held(line.gateway)] == []
        check_world(line)


async def test_a_dissent_from_a_stranger_counts_at_once(tmp_path: Path) -> None:
    """Recorded dissent always counts, whoever sends it."""
    async with running(tmp_path) as line:
        await line.play(word("deny", at="2026-01-02T09:00:00+00:00"), client=STRANGER)
        await line.play(adt_a03())
        assert [row.state for row in line.deliveries()] == ["withheld"]
        check_world(line)


async def test_what_comes_with_a_held_consent_goes_on(tmp_path: Path) -> None:
    """Only the widening waits: the prescription in the same message reaches the pharmacy, and not a second time when it is released."""
    supply = medication_request(
        METHADONE, resource_id="rx", authored="2026-01-15", text="40 mg daily", category="discharge"
    )
    both = fhir_message(
        resources=[supply, consent(resource_id="w", at="2026-01-02T09:00:00+00:00", decision="permit")],
        message_id="FHIR-both",
    )
    async with running(tmp_path) as line:
        await line.play(both, client=STRANGER)
        assert [row.state for row in line.messages()] == ["held"]
        assert [(row.letter, row.state) for row in line.deliveries()] == [("prescription-copy", "delivered")]
        desk.release_held(line.gateway, line.messages()[0].id, reason="seen the signed form", by="ig-2")
        await line.settle()
        assert len(line.neighbours["pharmacy"].effects) == 1
        assert [row.state for row in line.messages()] == ["released"]
        check_world(line)


async def test_a_consent_that_the_person_took_back_is_a_dissent(tmp_path: Path) -> None:
    """R4 has no status reason: our extension says that it was the person, and it has to arrive."""
    at = "2026-01-02T09:00:00+00:00"
    given = consent(resource_id="w", at=at, decision="permit")
    taken_back = {
        **consent(resource_id="w", at="2026-01-03T09:00:00+00:00", decision="permit", status="inactive"),
        "extension": [{"url": "https://throughgate.example/extension/withdrawn-by-person", "valueBoolean": True}],
    }
    async with running(tmp_path) as line:
        await line.play(
            *(fhir_message(resources=[one], message_id=f"FHIR-{at}") for at, one in enumerate((given, taken_back)))
        )
        await line.play(adt_a03())
        assert [(row.state, row.reason) for row in line.deliveries()] == [("withheld", "withheld-by-consent")]
        check_world(line)


async def test_a_refusal_counts_although_its_form_lacks_a_policy(tmp_path: Path) -> None:
    """R4 asks every Consent for a policy (ppc-1). A refusal without one is read; a permit without one is held, and widens nothing."""
    whole = consent(resource_id="w", at="2026-01-02T09:00:00+00:00", decision="deny", status="rejected")
    refusal = {name: value for name, value in whole.items() if name not in {"policyRule", "provision"}}
    permit = {**refusal, "status": "active", "provision": {"type": "permit"}}
    async with running(tmp_path) as line:
        await line.play(fhir_message(resources=[refusal], message_id="FHIR-no"), adt_a03())
        assert [(row.state, row.reason) for row in line.deliveries()] == [("withheld", "withheld-by-consent")]
        await line.play(fhir_message(resources=[permit], message_id="FHIR-yes"))
        assert [(row.state, row.reason) for row in line.messages()][-1] == ("held", "unreadable-content")
        assert [row.state for row in line.deliveries()] == ["withheld"]
        check_world(line)


async def test_a_refusal_that_begins_while_a_letter_waits_stops_it_at_the_door(tmp_path: Path) -> None:
    """Nobody says anything new: the period of what was said begins. The same request finds nothing, and the clinician is told."""
    word_of = consent(resource_id="w", at="2026-01-02T09:00:00+00:00", decision="deny")
    later = {**word_of, "provision": {**word_of["provision"], "period": {"start": "2026-01-17"}}}
    async with running(tmp_path) as line:
        await line.play(fhir_message(BOXED, resources=[later], message_id="FHIR-later"), adt_a03(BOXED))
        (row,) = line.deliveries()
        assert row.state == "waiting"
        line.clock.advance(days=3)
        assert await _open(line, row.id) is None
        assert [each.state for each in line.deliveries()] == ["recalled", "withheld"]
        await line.settle()
        assert "withheld-by-consent" in line.told_codes()
        check_world(line)


async def test_a_permission_that_ends_while_a_letter_waits_changes_nothing_in_direct_care(tmp_path: Path) -> None:
    """Where no consent is asked for, the letter leaves; it was asked about again once, and not for ever."""
    word_of = consent(resource_id="w", at="2026-01-02T09:00:00+00:00", decision="permit")
    until = {**word_of, "provision": {**word_of["provision"], "period": {"end": "2026-01-16"}}}
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(fhir_message(resources=[until], message_id="FHIR-until"), adt_a03())
        line.clock.advance(days=3)
        line.neighbours["northfell"].up = True
        await line.settle()
        assert line.deliveries()[-1].state == "delivered"
        assert len(line.neighbours["northfell"].effects) == 1
        check_world(line)


@pytest.mark.parametrize("change", ["inactive", "entered-in-error", "somebody else"])
async def test_a_stranger_cannot_take_a_refusal_back_not_even_its_own(tmp_path: Path, change: str) -> None:
    """To end a refusal widens: it waits for a person, and the refusal stands until the person has seen to it."""
    no = consent(resource_id="w", at="2026-01-02T09:00:00+00:00", decision="deny")
    more = {"recipient_ods": "ZZC99"} if change == "somebody else" else {"status": change}
    back = consent(resource_id="w", at="2026-01-03T09:00:00+00:00", decision="deny", **more)
    async with running(tmp_path) as line:
        await line.play(fhir_message(resources=[no], message_id="FHIR-no"), client=STRANGER)
        await line.play(fhir_message(resources=[no], message_id="FHIR-again"), client=STRANGER)
        assert [row.state for row in line.messages()] == ["released", "released"]
        await line.play(fhir_message(resources=[back], message_id="FHIR-back"), client=STRANGER)
        held = line.messages()[-1]
        assert (held.state, held.reason) == ("held", "consent-authority")
        await line.play(adt_a03())
        assert [row.state for row in line.deliveries()] == ["withheld"]
        if change != "entered-in-error":
            desk.release_held(line.gateway, held.id, reason="seen the person's letter", by="ig-2")
            await line.play(adt_a03(message_id="A03-2"))
            assert line.deliveries()[-1].state == "delivered"
        check_world(line)


async def test_what_may_have_arrived_is_never_called_recalled(tmp_path: Path) -> None:
    """Nobody knows whether the recipient has it: one letter stands for it, and it stays with a person until they have found out."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].answers = [0]
        await line.play(adt_a03())
        assert [row.state for row in line.deliveries()] == ["ambiguous"]
        line.neighbours["northfell"].up = False
        line.clock.advance(hours=1)
        await line.play(word("deny"))
        await line.gateway.sweep()
        await line.settle()
        states = [(row.state, row.reason) for row in line.deliveries()]
        assert states == [("parked", "consent-moved"), ("withheld", "withheld-by-consent")]
        assert line.told_codes().count("recalled-left") == 1
        check_world(line)
