"""Keys are rotated while messages come in and letters leave, the process that rotates is killed twice, and nothing shows from outside."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.failpoints import hooked
from gateway.keys import SealedBroken
from gateway.keys.key_files import read_files
from gateway.rotation import Rotated, RotationError, rotate
from gateway.settings import read_settings
from gateway.store.schema import delivery, sealed
from tests.builders import adt_a01, adt_a03, care_plan, fhir_message, synthetic_person
from tests.faults.test_boundaries import Death
from tests.line import Engines, Line, Mode, embedded, open_gateway, production, running
from tests.world import check_world

ROOT = Path(__file__).resolve().parents[2]
ROTATED = (
    ("embedded", "installation"),
    ("embedded", "seal"),
    ("embedded", "ledger-signing"),
    ("production", "installation"),  # the one with rows that several processes write
)


ROTATE = """
import os, signal, sys
from pathlib import Path
from gateway import failpoints, wiring
from gateway.rotation import rotate
from gateway.settings import read_settings

config, name, point = sys.argv[1:]
failpoints.install(lambda passed: os.kill(os.getpid(), signal.SIGKILL) if passed == point else None)
with wiring.open_parts(read_settings(Path(config))) as gateway:
    rotate(gateway, name, lambda what, rows: None)
"""


def killed_at(line: Line, name: str, point: str) -> None:
    """Another process rotates, and ends by `kill -9` when it comes to this point."""
    command = [sys.executable, "-c", ROTATE, str(line.config), name, point]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, f"it never came to {point}: {done.stderr}"


def rotated(line: Line, name: str) -> Rotated:
    """Another process rotates, or goes on with what was killed."""
    second = open_gateway(line.config, line.clock)
    try:
        return rotate(second, name, lambda what, rows: None)
    finally:
        second.store.close()


def people(first: int, last: int) -> Iterator[list[bytes]]:
    for number in range(first, last):
        person = synthetic_person(number)
        plan = care_plan(start="2026-01-02", description="Reduce slowly")
        yield [
            adt_a01(person, message_id=f"A-{number}"),
            fhir_message(person, resources=[plan], message_id=f"F-{number}"),
            adt_a03(person, message_id=f"R-{number}"),
        ]


@pytest.mark.slow(seconds=40)
@pytest.mark.parametrize(("mode", "name"), ROTATED)
async def test_a_key_is_rotated_under_traffic_and_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, name: str
) -> None:
    """Every letter once, every row under the new key, the ledger verifies, and a process that starts with the new key alone reads it all."""
    engines: Callable[[Path], Engines] = embedded if mode == "embedded" else production
    monkeypatch.setattr(Mode, "engines_of", staticmethod(engines))
    async with running(tmp_path) as line:
        for bodies in people(0, 2):
            await line.play(*bodies)
        line.neighbours["northfell"].up = False
        for bodies in people(2, 3):
            await line.play(*bodies)

        async def traffic() -> None:
            for bodies in people(3, 6):
                for body in bodies:
                    assert line.is_accepted(await line.send(body))
                await asyncio.sleep(0.05)

        keys_dir = read_settings(line.config).gateway.keys_dir
        before = read_files(keys_dir)
        busy = asyncio.create_task(traffic())
        point = "sign-over" if name == "ledger-signing" else "rotation"
        for at in ("before-commit", "after-commit"):
            await asyncio.to_thread(killed_at, line, name, f"{point}.{at}")
        done = await asyncio.to_thread(rotated, line, name)
        await busy
        assert done.unopened == 0
        after = read_files(keys_dir)
        assert after[name] != before[name]
        assert len(after[name]) == 1
        assert {each: key for each, key in after.items() if each != name} == {
            each: key for each, key in before.items() if each != name
        }
        line.neighbours["northfell"].up = True
        line.clock.advance(hours=1)
        await line.settle()
        assert len(line.neighbours["northfell"].effects) == 6
        await line.restart()
        with line.gateway.store.read() as c:
            for sealed_id in c.execute(select(sealed.c.id)).scalars().all():
                line.gateway.keys.unseal(c, sealed_id)
            for row in c.execute(select(delivery).where(delivery.c.mac.is_not(None))).all():
                parts = ("letter", row.id, row.recipient, row.decision_id, row.digest)
                assert line.gateway.keys.verify_seal_mac(row.mac, *parts)
        for bodies in people(20, 21):
            await line.play(*bodies)
        check_world(line)


class DyingAt:
    """Raises at the n-th pass of this point, and from then on at every point: whoever is dead does nothing more."""

    def __init__(self, point: str, number: int) -> None:
        self.point, self.left = point, number

    def __call__(self, passed: str) -> None:
        if passed.startswith(self.point):
            self.left -= 1
        if self.left <= 0:
            raise Death


@pytest.mark.parametrize("name", ["installation", "ledger-signing"])
async def test_dying_at_each_step_of_the_files_of_a_key(tmp_path: Path, name: str) -> None:
    """key-file: whoever starts then opens everything, and the same command finishes it; the key that was there first is kept."""
    async with running(tmp_path) as line:
        for bodies in people(0, 1):
            await line.play(*bodies)
        await line.gateway.stop()
        keys_dir = read_settings(line.config).gateway.keys_dir
        died = 0
        for number in range(1, 20):
            before = read_files(keys_dir)[name]
            second = open_gateway(line.config, line.clock)
            try:
                with hooked(DyingAt("key-file", number)):
                    rotate(second, name, lambda what, rows: None)
                break
            except Death:
                died += 1
            finally:
                second.store.close()
            third = open_gateway(line.config, line.clock)
            try:
                with third.store.read() as c:
                    for sealed_id in c.execute(select(sealed.c.id)).scalars().all():
                        third.keys.unseal(c, sealed_id)
                assert third.ledger.verify().verified
            finally:
                third.store.close()
            assert rotated(line, name).unopened == 0
            after = read_files(keys_dir)[name]
            assert len(after) == 1
            assert after != before
            assert any(path.read_bytes() == before[0] for path in (keys_dir / "retired").glob(f"{name}.*.key"))
        assert died >= 8
        await line.restart()
        check_world(line)


async def test_a_key_that_is_not_rotated_says_why_and_a_row_under_no_key_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        for bodies in people(0, 1):
            await line.play(*bodies)
        for name in ("index", "pseudonym", "nothing"):
            with pytest.raises(RotationError, match=name):
                rotate(line.gateway, name, print)
        (row,) = line.rows(delivery, letter="handover")
        line.gateway.store.write(lambda c: c.execute(delivery.update().values(mac=b"x" * 32)))
        done = await asyncio.to_thread(rotated, line, "seal")
        assert (done.unopened, done.rows) == (1, 0)
        with pytest.raises(SealedBroken):
            line.gateway.keys.seal_mac_again(b"x" * 32, "letter", row.id)
        with line.gateway.store.read() as c:
            assert c.execute(select(func.count()).select_from(delivery)).scalar_one() == 1
