"""Sabotage of the gate: whatever did not go through it does not leave, and each check is shown to stop something."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from gateway.keys import Keys
from gateway.keys.identifiers import SeededIds
from gateway.steps.deliver import Shut, open_at_door
from gateway.steps.release import Stamp, seal
from gateway.store.schema import decision, delivery, sealed
from tests.builders import adt_a03
from tests.line import Line, running

ROOT = Path(__file__).resolve().parents[3]
STAMP = Stamp(delivery_id="0" * 20, recipient="northfell", decision_id="1" * 26, wire="fhir-document")


def test_a_plain_bundle_cannot_be_sealed() -> None:
    """At run time: only what minimise made."""
    bundle: Any = {"resourceType": "Bundle", "type": "collection", "entry": []}
    heading: Any = None
    with pytest.raises(TypeError):
        seal(Keys.in_memory(SeededIds(1)), bundle, heading, STAMP, None)


def test_a_plain_bundle_does_not_type_check(tmp_path: Path) -> None:
    """In mypy: the argument of `seal` is a Released. It shares what the check of everything has found out about the modules."""
    (tmp_path / "sabotage.py").write_text(
        "from fhir_profiles.shapes import Heading, Json\n"
        "from gateway.keys import Keys\n"
        "from gateway.steps.release import Sealed, Stamp, seal\n\n\n"
        "def leak(keys: Keys, bundle: Json, heading: Heading, stamp: Stamp) -> Sealed:\n"
        "    return seal(keys, bundle, heading, stamp, None)\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    found = subprocess.run(
        [*command, str(tmp_path / "sabotage.py")], cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )
    assert found.returncode == 1, found.stdout + found.stderr
    assert "sabotage.py:7" in found.stdout
    assert 'expected "Released"' in found.stdout
    assert "Found 1 error" in found.stdout


async def _queued(line: Line) -> Any:
    line.neighbours["northfell"].up = False
    await line.play(adt_a03())
    line.clock.advance(hours=1)
    (row,) = line.deliveries()
    assert row.state == "queued"
    return row


def _other_bytes(c: Connection, line: Line, row: Any) -> None:
    keys = line.gateway.keys
    sealed_id = keys.seal(
        c, category="letter", plaintext=b'{"leak": true}', person_id=row.person_id, now=line.gateway.now()
    )
    c.execute(update(delivery).where(delivery.c.id == row.id).values(sealed_id=sealed_id))


def _other_bytes_and_digest(c: Connection, line: Line, row: Any) -> None:
    _other_bytes(c, line, row)
    digest = hashlib.sha256(b'{"leak": true}').hexdigest()
    c.execute(update(delivery).where(delivery.c.id == row.id).values(digest=digest))


def _other_recipient(c: Connection, line: Line, row: Any) -> None:
    version = line.gateway.recipients["pharmacy"].version
    c.execute(update(delivery).where(delivery.c.id == row.id).values(recipient="pharmacy", recipient_version=version))


def _no_mac(c: Connection, line: Line, row: Any) -> None:
    c.execute(update(delivery).where(delivery.c.id == row.id).values(mac=None))


def _decision_that_withholds(c: Connection, line: Line, row: Any) -> None:
    c.execute(update(decision).where(decision.c.id == row.decision_id).values(outcome="withhold"))


def _decision_of_another(c: Connection, line: Line, row: Any) -> None:
    old = c.execute(select(decision).where(decision.c.id == row.decision_id)).mappings().one()
    c.execute(insert(decision).values({**old, "id": "Z" * 26}))
    c.execute(update(delivery).where(delivery.c.id == row.id).values(decision_id="Z" * 26))


def _bytes_gone(c: Connection, line: Line, row: Any) -> None:
    c.execute(update(sealed).where(sealed.c.id == row.sealed_id).values(ciphertext=b"x" * 32))


@pytest.mark.parametrize(
    "sabotage",
    [
        _other_bytes,
        _other_bytes_and_digest,
        _other_recipient,
        _no_mac,
        _decision_that_withholds,
        _decision_of_another,
        _bytes_gone,
    ],
)
async def test_what_was_not_decided_does_not_pass_the_door(
    tmp_path: Path, sabotage: Callable[[Connection, Line, Any], None]
) -> None:
    """Parked, an IG officer is told, no byte leaves, and a person cannot send it on."""
    async with running(tmp_path) as line:
        row = await _queued(line)
        line.gateway.store.write(lambda c: sabotage(c, line, row))
        assert open_at_door(line.gateway, row.id) is Shut.BROKEN
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert [(each.state, each.reason) for each in line.deliveries()] == [("parked", "seal-broken")]
        assert ("seal-broken", "ig-officer") in [(each.code, each.role) for each in line.told]
        assert not line.neighbours["northfell"].effects
        assert not line.neighbours["pharmacy"].got


async def test_the_untouched_letter_passes(tmp_path: Path) -> None:
    """The control: without sabotage the same row leaves."""
    async with running(tmp_path) as line:
        row = await _queued(line)
        line.neighbours["northfell"].up = True
        await line.settle()
        assert [(each.id, each.state) for each in line.deliveries()] == [(row.id, "delivered")]


async def test_a_row_without_a_decision_cannot_exist(tmp_path: Path) -> None:
    """The store refuses it."""
    async with running(tmp_path) as line:
        row = await _queued(line)
        with pytest.raises(Exception, match=r"FOREIGN KEY|constraint"):
            line.gateway.store.write(lambda c: c.execute(delete(decision).where(decision.c.id == row.decision_id)))
