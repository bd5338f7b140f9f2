"""A person flagged sensitive through the whole line: the letter waits, leaves to whom somebody named, and its request tells no place."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway import desk
from tests.builders import adt_a01, adt_a03, fhir_message, rde_o11
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
