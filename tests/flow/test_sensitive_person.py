"""A person flagged sensitive through the whole line: the letter waits, leaves to whom somebody named, and its request tells no place."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import desk
from tests.builders import adt_a01, adt_a03, fhir_message, rde_o11, synthetic_person
from tests.flow.test_notice_of_withdrawal import PLAN, relabelled
from tests.line import RECIPIENTS, RecipientOfTests, running
from tests.world import check_world

TOLD = {
    **RECIPIENTS,
    "northfell": (*RECIPIENTS["northfell"][:3], {"handover": "fhir-message", "correction": "fhir-message"}),
}
PLACES = ("fellgate", "zfg", "zzg01", "surgery", "pharmacy (example)", "zzp01", "za1")
FLAG = relabelled(fhir_message(resources=[PLAN], message_id="FHIR-flag"), "R")


def protected(body: bytes) -> bytes:
    """The message with PD1-12 saying so."""
    segments = body.split(b"\r")
    place = next(n for n, each in enumerate(segments) if each.startswith(b"PID"))
    return b"\r".join([*segments[: place + 1], b"PD1" + b"|" * 12 + b"Y", *segments[place + 1 :]])


@pytest.mark.parametrize("recipients", [RECIPIENTS, TOLD], ids=["document", "message"])
async def test_a_handover_waits_for_a_name_and_says_no_place(
    tmp_path: Path, recipients: Mapping[str, RecipientOfTests]
) -> None:
    async with running(tmp_path, recipients=recipients) as line:
        await line.play(adt_a01(), rde_o11(), FLAG, adt_a03())
        (row,) = line.deliveries(letter="handover")
        assert (row.state, row.reason) == ("held", "sensitive-person")
        assert "sensitive-person" in line.told_codes()
        with pytest.raises(desk.DeskError, match="name the recipient"):
            desk.release_held(line.gateway, row.id, reason="spoke to them", by="nurse-7")
        assert line.neighbours["northfell"].got == []
        assert (
            desk.release_held(line.gateway, row.id, reason="spoke to them", by="nurse-7", recipient="northfell")
            == "queued"
        )
        await line.settle()
        (got,) = line.neighbours["northfell"].effects
        told = f"{got.body.decode()} {got.head.decode()}".lower()
        assert [each for each in PLACES if each in told] == []
        assert "methadone" in told
        check_world(line)


async def test_what_waits_to_be_sent_is_held_when_the_record_is_flagged(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        line.neighbours["northfell"].answers += [503] * 3
        await line.play(adt_a01(), rde_o11(), adt_a03())
        (before,) = line.deliveries(letter="handover")
        assert before.state == "queued"
        await line.play(protected(rde_o11(message_id="RDE-2")))
        states = {row.id: (row.state, row.reason) for row in line.deliveries(letter="handover")}
        assert states.pop(before.id) == ("recalled", "consent-moved")
        assert list(states.values()) == [("held", "sensitive-person")]
        assert line.neighbours["northfell"].effects == []
        check_world(line)


async def test_what_waits_to_be_collected_is_not_collected_once_the_record_is_flagged(tmp_path: Path) -> None:
    person = synthetic_person(2, postcode="ZB1 1AA")
    async with running(tmp_path) as line:
        await line.play(adt_a01(person), adt_a03(person))
        (row,) = line.deliveries(letter="handover")
        assert row.state == "waiting"
        await line.play(relabelled(fhir_message(person, resources=[PLAN], message_id="FHIR-flag"), "R"))
        assert await line.gateway.mailbox_open(line.box_client(), row.id) is None
        states = [(each.state, each.reason) for each in line.deliveries(letter="handover")]
        assert states == [("recalled", "consent-moved"), ("held", "sensitive-person")]


async def test_what_may_have_arrived_is_not_tried_again_once_the_record_is_flagged(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        line.neighbours["northfell"].answers = [0]
        await line.play(adt_a01(), rde_o11(), adt_a03())
        asked = len(line.neighbours["northfell"].effects)
        await line.play(FLAG)
        line.clock.advance(hours=1)
        await line.gateway.sweep()
        await line.settle()
        states = [(each.state, each.reason) for each in line.deliveries(letter="handover")]
        assert states == [("parked", "consent-moved"), ("held", "sensitive-person")]
        assert len(line.neighbours["northfell"].effects) == asked
        assert {"recalled-left", "sensitive-person"} <= set(line.told_codes())


async def test_whom_somebody_named_is_the_organisation_and_not_its_place_in_our_files(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a01(), rde_o11(), FLAG, adt_a03())
        (row,) = line.deliveries(letter="handover")
        line.neighbours["northfell"].up = False
        desk.release_held(line.gateway, row.id, reason="spoke to them", by="nurse-7", recipient="northfell")
        await line.settle()
        named = line.gateway.recipients["northfell"]
        other = replace(named, ods="ZZC77", name="Another organisation", version="another")
        line.gateway.recipients = {**line.gateway.recipients, "northfell": other}
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.gateway.sweep()
        await line.settle()
        assert line.neighbours["northfell"].effects == []
        assert line.deliveries(letter="handover")[-1].reason == "sensitive-person"
