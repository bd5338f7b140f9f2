"""The disk is full: every write to the database, and to the file of the ledger's head, fails in turn, as the kernel lets it fail.

A library in front of the C library (disk_log.c) takes so many writes and answers ENOSPC to the next one and to all behind it, until there is
room again. What is not kept is not acknowledged; with room again all goes on by itself, in order; a full disk is no sign of tampering.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.builders import care_plan, fhir_message, synthetic_person
from tests.faults.account import SOAKING, Account
from tests.faults.crash import (
    Child,
    Forge,
    Recorder,
    Site,
    judge_store,
    make_template,
    open_letters,
    permitted,
    send_fhir,
    send_hl7,
    step,
)
from tests.faults.disk_room import Room

PERSON = synthetic_person(1)
VERIFIED_EVERY = 1 if SOAKING else 4
"""How often the whole ledger is verified on the way: what is wrong in it stays there, and to read it is the dearest."""
PATIENCE = 20


@contextmanager
def gateway_with_little_room(folder: Path, library: Path, files: str) -> Iterator[tuple[Child, Site, Room]]:
    """A gateway whose files of that name stand on a disk that can be full; its person has a pharmacy."""
    recorder = Recorder(folder, steady=True)
    bearer = make_template(folder / "template", recorder.port)
    site = Site(folder / "template", folder / "site", recorder)
    room = Room(folder, library, str(site.folder / files))
    forge = Forge(room.environment)
    child = Child(forge, site.config, die_at={}, ahead_seconds=0)
    try:
        plan = care_plan(start="2026-01-02", description="plan")
        assert send_fhir(child, fhir_message(PERSON, resources=[plan], message_id="F-1"), bearer)
        child.tell("settle")
        yield child, site, room
    finally:
        child.kill()
        forge.close()
        recorder.close()


def until_well(child: Child, site: Site, body: bytes, *, acked: bool) -> None:
    """With room again: the sender sends again what it heard nothing of, and everything goes on by itself."""
    for _ in range(PATIENCE):
        acked = acked or send_hl7(child, body)
        if acked and child.tell("settle") == "done" and not open_letters(site):
            return
        child.tell("advance 30")
    raise AssertionError("it did not go on")


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("files", ["throughgate.db", "head/"])
def test_every_write_fails_in_turn(
    tmp_path: Path, disk_library: Path, files: str, account: Callable[..., Account]
) -> None:
    """From the first write of a message to the one behind its last."""
    refused, failed, bodies = 0, 0, list[bytes]()
    with gateway_with_little_room(tmp_path, disk_library, files) as (child, site, room):
        left = 0
        while left == 0:
            bodies.append(step(PERSON, len(bodies) + 1))
            room.limit(len(bodies) - 1)
            acked = send_hl7(child, bodies[-1])
            said = [child.tell("sweep"), child.tell("sign")]
            left = room.free()
            failed += left == 0
            refused += not acked
            until_well(child, site, bodies[-1], acked=acked)
            if left or len(bodies) % VERIFIED_EVERY == 0:
                found = child.tell("verify")
                assert found["verified"], (found["faults"], said)
            assert len(bodies) < 500, "a message writes without end"
        child.stop()
        judged(site, bodies, account, name=f"disk-full/{files.strip('/')}", refused=refused, failed=failed)


def judged(
    site: Site, bodies: list[bytes], account: Callable[..., Account], *, name: str, refused: int, failed: int
) -> None:
    """Every rule, the letters on the recipient's disk, and the log."""
    taken = site.taken()
    permitted(site, taken)
    judge_store(site, bodies)
    copies: dict[str, str] = {}
    for each in taken:
        if each.recipient == "pharmacy":
            (copies[each.key],) = each.steps
    wanted = [f"step {each + 1}" for each in range(len(bodies))]
    arrived = list(copies.values())
    assert [text for at, text in enumerate(arrived) if text not in arrived[:at]] == wanted, "out of order, or lost"
    said = (site.folder / "child.log").read_text()
    assert "ledger-fault" not in said, "a full disk is no sign of tampering"
    assert failed > 0, "the disk was never full"
    numbers: dict[str, Any] = {"attempted": len(bodies), "acked": len(bodies), "recovered": refused}
    note = f"full at {failed} places of a message's writes"
    account(name=name, **numbers, duplicated=len(arrived) - len(wanted), lost=0, note=note)
