"""Recipients that are down, slow, refuse or hang up; order; the mailbox; what is tried again and what a person hears."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from adapters.contract import DUPLICATE
from gateway import desk, unfinished
from gateway.failpoints import hooked
from gateway.steps.deliver import Ended, Opened, Result, Sent, Shut, open_at_doors, write_receipts
from gateway.steps.standing import InFront
from gateway.store.schema import person, sealed
from tests.builders import (
    DIAZEPAM,
    METHADONE,
    NOON,
    Course,
    adt_a01,
    adt_a03,
    fhir_message,
    medication_request,
    rde_o11,
    synthetic_person,
)
from tests.line import Line, running
from tests.world import check_world

BOXED = synthetic_person(2, postcode="ZB1 1AA")


def supply(number: int, person: int = 1) -> bytes:
    """A prescription for supply outside, for the pharmacy."""
    request = medication_request(
        METHADONE if number % 2 else DIAZEPAM,
        resource_id=f"rx{number}",
        authored="2026-01-15",
        text=f"dose {number}",
        category="discharge",
    )
    return fhir_message(synthetic_person(person), resources=[request], message_id=f"FHIR-rx-{person}-{number}")


async def _until_settled(line: Line, hours: int = 2) -> None:
    for _ in range(hours * 60):
        line.clock.advance(minutes=1)
        await line.settle()


async def test_a_recipient_that_is_down_and_comes_back_gets_everything_once_and_in_order(tmp_path: Path) -> None:
    """Three prescriptions wait; the first refusal of connection holds the others back; then all three, in order."""
    async with running(tmp_path) as line:
        pharmacy = line.neighbours["pharmacy"]
        pharmacy.up = False
        await line.play(supply(1), supply(2), supply(3))
        assert {row.state for row in line.deliveries()} == {"queued"}
        assert [each.key for each in pharmacy.got] == [line.deliveries()[0].id]  # nobody overtakes
        pharmacy.up = True
        line.clock.advance(seconds=30)
        await line.settle()
        assert [row.state for row in line.deliveries()] == ["delivered"] * 3
        assert [each.key for each in pharmacy.effects] == [row.id for row in line.deliveries()]
        check_world(line)


@pytest.mark.parametrize("turned", [False, True])
async def test_letters_that_come_to_the_door_together_keep_their_order_and_are_opened_once(
    tmp_path: Path, turned: bool
) -> None:
    """In one turn: the later letter waits for the earlier one, and an id that comes twice is opened for one of them."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].up = False
        await line.play(supply(1), supply(2))
        first, second = (row.id for row in line.deliveries())
        line.clock.advance(seconds=30)
        ids = [second, first, first] if turned else [first, second, first]
        opened = await asyncio.to_thread(open_at_doors, line.gateway, ids)
        assert [(each, type(what)) for each, what in zip(ids, opened, strict=True) if what is not Shut.NOT_NOW] == [
            (first, Opened)
        ]


async def test_two_people_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """One person's letter fails; the other's goes."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].answers = [503]
        await line.play(supply(1, 1))
        await line.play(supply(1, 3))
        assert [row.state for row in line.deliveries()] == ["queued", "delivered"]
        check_world(line)


async def test_a_person_whose_file_cannot_be_opened_holds_up_nobody(tmp_path: Path) -> None:
    """Deciding one person's letters again fails every time; the sweep still brings the other's letter and says what happened."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].answers = [503, 503]
        await line.play(supply(1, 1), supply(1, 3))
        broken, sound = line.deliveries()
        assert {broken.state, sound.state} == {"queued"}

        def spoil(c: Connection) -> None:
            owned = sealed.c.wrapped_by == broken.person_id
            c.execute(update(sealed).where(owned, sealed.c.category == "resource").values(ciphertext=b"spoilt" * 8))
            c.execute(update(person).where(person.c.id == broken.person_id).values(consent_version=2))

        line.gateway.store.write(spoil)
        line.clock.advance(minutes=5)
        await line.gateway.sweep()
        for _ in range(500):
            if line.deliveries()[1].state == "delivered":
                break
            await asyncio.sleep(0.01)
        assert [row.state for row in line.deliveries()] == ["queued", "delivered"]


async def test_after_its_attempts_a_letter_is_parked_and_goes_when_a_person_says_so(tmp_path: Path) -> None:
    """Four attempts (the setting), parked, told; released again it is sent with the same id."""
    async with running(tmp_path) as line:
        pharmacy = line.neighbours["pharmacy"]
        pharmacy.up = False
        await line.play(supply(1), supply(2))
        await _until_settled(line, 1)
        first, second = line.deliveries()
        assert (first.state, first.reason, first.attempts) == ("parked", "attempts", 4)
        assert second.state == "queued"  # order holds behind what is parked
        assert "delivery-parked" in line.told_codes()
        pharmacy.up = True
        assert desk.release_held(line.gateway, first.id, reason="the pharmacy is back", by="op-1") == "queued"
        await line.settle()
        assert [row.state for row in line.deliveries()] == ["delivered", "delivered"]
        assert [each.key for each in pharmacy.effects] == [first.id, second.id]
        check_world(line)


async def test_a_refusal_is_final_told_and_lets_the_next_pass(tmp_path: Path) -> None:
    """400: nobody tries again by itself."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].answers = [400]
        await line.play(supply(1), supply(2))
        assert [(row.state, row.reason) for row in line.deliveries()] == [("refused", "http-400"), ("delivered", None)]
        assert "delivery-refused" in line.told_codes()
        check_world(line)


async def test_an_unclear_outcome_is_ambiguous_and_tried_again_with_the_same_key(tmp_path: Path) -> None:
    """The recipient hangs up after it took the letter."""
    async with running(tmp_path) as line:
        pharmacy = line.neighbours["pharmacy"]
        pharmacy.answers = [0]
        await line.play(supply(1))
        assert line.deliveries()[0].state == "ambiguous"
        assert "delivery-ambiguous" in line.told_codes()
        line.clock.advance(minutes=1)
        await line.settle()
        assert line.deliveries()[0].state == "delivered"
        assert len({each.key for each in pharmacy.got}) == 1
        assert not line.tasks(ended_at=None, code="delivery-ambiguous")
        check_world(line)


async def test_always_unclear_is_parked_in_the_end(tmp_path: Path) -> None:
    """Nobody knows, after every attempt: a person asks the recipient."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].answers = [0] * 10
        await line.play(supply(1))
        await _until_settled(line, 1)
        assert (line.deliveries()[0].state, line.deliveries()[0].reason) == ("parked", "ambiguous")
        check_world(line)


async def test_retry_after_is_kept(tmp_path: Path) -> None:
    """The recipient says when; it is not asked sooner than our own backoff, nor before it is due."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].answers = [503]
        await line.play(supply(1))
        line.clock.advance(seconds=0.3)
        await line.settle()
        assert len(line.neighbours["pharmacy"].got) == 1
        line.clock.advance(seconds=2)
        await line.settle()
        assert len(line.neighbours["pharmacy"].got) == 2
        check_world(line)


async def test_a_handover_passes_what_is_parked(tmp_path: Path) -> None:
    """Nothing waits in front of a handover: a parked message of the person does not hold it up, and the letter says how many it lacks."""
    async with running(tmp_path) as line:
        await line.play(adt_a01())

        def fail(name: str) -> None:
            if name == "release.before-commit":
                raise RuntimeError

        with hooked(fail):
            await line.send(rde_o11())
            for _ in range(8):
                await line.settle()
                line.clock.advance(minutes=1)
        assert [row.state for row in line.messages()] == ["released", "parked"]
        assert "message-parked" in line.told_codes()
        await line.play(adt_a03())
        (row,) = line.deliveries()
        assert (row.letter, row.state) == ("handover", "delivered")
        assert "Earlier messages that it does not contain: 1." in line.neighbours["northfell"].effects[0].body.decode()
        await line.play(supply(3))
        assert [(each.letter, line.waits_for(each.id)) for each in line.deliveries() if each.state == "queued"] == [
            ("prescription-copy", InFront.MESSAGE)
        ]
        parked = line.messages()[1]
        assert parked.attempts == 5
        assert desk.release_held(line.gateway, parked.id, reason="fixed", by="op-1") == "released"
        await line.settle()
        check_world(line)


def _fail_at(point: str) -> Callable[[str], None]:
    def fail(name: str) -> None:
        if name == point:
            raise RuntimeError

    return fail


async def test_a_poisoned_message_holds_up_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one person's message fails and waits, another's is released."""
    # the clock ticks at each look: a tenth of a second is a hundred looks
    monkeypatch.setattr(unfinished, "RETRY_SECONDS", (30.0,))
    async with running(tmp_path) as line:
        with hooked(_fail_at("release.before-commit")):
            await line.send(adt_a01())
            await line.settle()
        await line.play(adt_a03(synthetic_person(5), message_id="A03-5"))
        assert [row.state for row in line.messages()] == ["received", "released"]
        line.clock.advance(minutes=1)
        await line.settle()
        assert [row.state for row in line.messages()] == ["released", "released"]
        check_world(line)


async def test_a_message_that_nobody_can_open_waits_between_its_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails before it is anybody's: one attempt, and the next when its time has come, not at each sweep."""
    monkeypatch.setattr(unfinished, "RETRY_SECONDS", (30.0,))
    async with running(tmp_path) as line:
        with hooked(_fail_at("identify.before-commit")):
            await line.send(adt_a01())
            await line.settle()
            await line.settle()
        assert [(row.state, row.attempts) for row in line.messages()] == [("received", 1)]
        line.clock.advance(minutes=1)
        await line.settle()
        assert [row.state for row in line.messages()] == ["released"]
        assert not line.gateway.waiting_messages
        check_world(line)


async def test_the_mailbox_is_a_door(tmp_path: Path) -> None:
    """Listed, opened (each time a new attempt), acknowledged, gone; not acknowledged in time: ambiguous, told, still there."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(BOXED))
        (row,) = line.deliveries()
        box = line.box_client()
        first = await line.gateway.mailbox_open(box, row.id)
        second = await line.gateway.mailbox_open(box, row.id)
        assert first is not None
        assert second is not None
        assert replace(second, checkpoint=first.checkpoint) == first, "the same letter, with the newest head beside it"
        assert (line.deliveries()[0].state, line.deliveries()[0].attempts) == ("sending", 2)
        line.clock.advance(minutes=11)
        await line.settle()
        assert line.deliveries()[0].state == "ambiguous"
        assert "not-acknowledged" in line.told_codes()
        assert [item.id for item in await line.gateway.mailbox_list(box)] == [row.id]
        third = await line.gateway.mailbox_open(box, row.id)
        assert third is not None
        assert third.body == first.body
        assert await line.gateway.mailbox_acknowledge(box, row.id)
        assert await line.gateway.mailbox_acknowledge(box, row.id)
        assert line.deliveries()[0].state == "delivered"
        assert await line.gateway.mailbox_open(box, row.id) is None
        assert not await line.gateway.mailbox_list(box)
        check_world(line)


async def test_nobody_opens_another_recipients_letter(tmp_path: Path) -> None:
    """The same answer as for a letter that never was."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a03())
        (row,) = line.deliveries()
        assert await line.gateway.mailbox_open(line.box_client(), row.id) is None
        assert not await line.gateway.mailbox_acknowledge(line.box_client(), row.id)
        assert await line.gateway.mailbox_open(line.box_client(), "0" * 20) is None
        check_world(line, settled=False)


async def test_a_letter_that_nobody_collects_expires_and_is_told(tmp_path: Path) -> None:
    """After the setting's days."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(BOXED))
        line.clock.advance(days=31)
        await line.settle()
        assert line.deliveries()[0].state == "expired"
        assert "delivery-expired" in line.told_codes()
        check_world(line)


@pytest.mark.parametrize("order_type", ["I", "O"])
async def test_no_copy_of_what_is_given_in_custody(tmp_path: Path, order_type: str) -> None:
    """An inpatient prescription makes no copy; one for supply finds no pharmacy on an HL7 v2 record and is held."""
    async with running(tmp_path) as line:
        await line.play(rde_o11(course=Course(start=NOON, order_type=order_type)))
        assert [(row.letter, row.reason) for row in line.deliveries()] == (
            [] if order_type == "I" else [("prescription-copy", "no-recipient")]
        )
        check_world(line)


async def test_a_receiver_that_says_it_has_it_already_counts_only_where_we_may_have_brought_it(tmp_path: Path) -> None:
    """HL7 error 205 to a resend: delivered after an attempt of which nobody knew; to a first one, or after certain failures, a person asks."""
    async with running(tmp_path) as line:
        line.neighbours["northfell"].up = False
        await line.play(adt_a03(), adt_a03(synthetic_person(3), message_id="OUT-3"))
        one, other = line.deliveries(letter="handover")
        assert (one.state, one.attempts, other.attempts) == ("queued", 1, 1)

        def attempted(row: Any, result: Result, code: str) -> str:
            line.clock.advance(hours=2)
            (opened,) = open_at_doors(line.gateway, [row.id])
            assert isinstance(opened, Opened), opened
            write_receipts(
                line.gateway,
                [Ended(delivery_id=row.id, number=opened.number, sent=Sent(result=result, code=code))],
            )
            (now,) = line.deliveries(id=row.id)
            return str(now.state)

        assert attempted(one, Result.AMBIGUOUS, DUPLICATE) == "ambiguous", "it failed before for certain: not by us"
        assert attempted(one, Result.AMBIGUOUS, DUPLICATE) == "ambiguous", (
            "its own word is no attempt that may have arrived"
        )
        assert [each.ended_at for each in line.tasks(code="delivery-ambiguous", delivery_id=one.id)] == [None]
        assert attempted(other, Result.AMBIGUOUS, "timeout") == "ambiguous"
        assert attempted(other, Result.AMBIGUOUS, DUPLICATE) == "delivered"
        assert [each.ended_at is None for each in line.tasks(code="delivery-ambiguous", delivery_id=other.id)] == [
            False
        ]
