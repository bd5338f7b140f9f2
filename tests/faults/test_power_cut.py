"""Power cuts on the embedded store: what was not synced is kept or lost at random, sector by sector; what was acknowledged is there.

`kill -9` cannot show this: the kernel keeps what a dead process wrote. Here a library logs each write and sync of one gateway process
(disk_log.c, built with the machine's compiler); at a random place in that log the power goes, the files are rebuilt from what was synced
and a random part of the rest, and the product opens them again. The sabotaged build, `synchronous=OFF`, must be found.
"""

import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway import wiring
from gateway.keys import Keys
from gateway.ledger import HeadFile, Ledger
from gateway.store import SqliteStore
from tests.faults.account import Account, number
from tests.line import make_installation

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 8
CUTS = number(300, 5_000)
SECTOR = 512
ORIGIN = "throughgate.example/test"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the disk's log."""

    kind: str
    path: str
    offset: int
    data: bytes


def read_log(path: Path) -> list[Step]:
    """The log of disk_log.c."""
    raw, at, found = path.read_bytes(), 0, []
    while at < len(raw):
        kind, path_length, offset, length = struct.unpack_from("<cIQQ", raw, at)
        at += 21
        name = raw[at : at + path_length].decode()
        at += path_length
        found.append(Step(kind=kind.decode(), path=name, offset=offset, data=raw[at : at + length]))
        at += length
    return found


def write_at(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


@dataclass
class Disk:
    """Files as they are on the platter, and what was only handed to the kernel."""

    durable: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[Step]] = field(default_factory=dict)
    names: list[Step] = field(default_factory=list)
    removed: dict[str, bytearray] = field(default_factory=dict)
    """Removed, and its folder not synced since: it can be there again, in the place of whatever has its name now."""

    def feed(self, step: Step) -> None:
        """One step of the log."""
        match step.kind:
            case "S":
                self._sync(step.path)
            case "R":
                self.names.append(step)
            case "U":
                old = self.durable.pop(step.path, bytearray())
                for each in self.pending.pop(step.path, []):
                    _apply(old, each)
                self.removed[step.path] = old
            case _:
                self.pending.setdefault(step.path, []).append(step)

    def _sync(self, path: str) -> None:
        for step in self.pending.pop(path, []):
            _apply(self.durable.setdefault(path, bytearray()), step)
        for name in [each for each in self.removed if str(Path(each).parent) == path]:
            del self.removed[name]
        left = []
        for step in self.names:
            if str(Path(step.path).parent) == path:
                self._rename(self.durable, step)
            else:
                left.append(step)
        self.names = left

    @staticmethod
    def _rename(files: dict[str, bytearray], step: Step) -> None:
        files[step.data.decode()] = files.pop(step.path, bytearray())

    def cut(self, chance: random.Random) -> dict[str, bytes]:
        """The power goes now: of what was not synced a random part is there, in sectors; the same of renames, in their order."""
        files = {path: bytearray(content) for path, content in self.durable.items()}
        for path, steps in self.pending.items():
            content = files.setdefault(path, bytearray())
            share = chance.choice([0.0, 0.1, 0.5, 0.9, 1.0])
            for step in steps:
                for part in _sectors(step):
                    if chance.random() < share:
                        _apply(content, part)
        for step in self.names:
            if chance.random() < 0.5:
                break
            self._rename(files, step)
        files.update({path: content for path, content in self.removed.items() if chance.random() < 0.5})
        return {path: bytes(content) for path, content in files.items()}


def _apply(content: bytearray, step: Step) -> None:
    if step.kind == "T":
        del content[step.offset :]
        content.extend(bytes(max(step.offset - len(content), 0)))
    else:
        write_at(content, step.offset, step.data)


def _sectors(step: Step) -> Iterator[Step]:
    if step.kind == "T" or not step.data:
        yield step
        return
    at = 0
    while at < len(step.data):
        length = SECTOR - (step.offset + at) % SECTOR
        yield Step(kind="W", path=step.path, offset=step.offset + at, data=step.data[at : at + length])
        at += length


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A run that was logged: the folder as it was before, and every step."""

    folder: Path
    before: Path
    steps: list[Step]


def record(disk_library: Path, folder: Path, mode: str) -> Recorded:
    """A gateway process works under the log."""
    home = folder / "home"
    home.mkdir()
    make_installation(home, dict.fromkeys(("northfell", "pharmacy", "security"), 9))
    before = folder / "before"
    shutil.copytree(home, before)
    log = folder / "disk.log"
    environment = {**os.environ, "LD_PRELOAD": str(disk_library), "DISK_LOG": str(log), "DISK_LOG_ROOT": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.powered", str(home), str(PEOPLE), mode],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return Recorded(folder=home, before=before, steps=read_log(log))


class Audit:
    """What must hold of the files after a cut, as those outside know it from before the cut."""

    def __init__(self, recorded: Recorded, folder: Path) -> None:
        self.recorded, self.folder = recorded, folder
        self.keys = Keys.open(recorded.before / "keys")

    def lay_out(self, files: dict[str, bytes]) -> None:
        """The disk after the cut, in a folder of its own; shared memory is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "head").mkdir(parents=True)
        for path, content in files.items():
            name = Path(path).relative_to(self.recorded.folder)
            if not path.endswith("-shm") and name.parts[0] in ("throughgate.db", "throughgate.db-wal", "head"):
                (self.folder / name).write_bytes(content)

    def holds(self, marks: list[list[str]]) -> int:
        """How many acknowledged messages and taken letters are not there; raises where the database or its ledger is broken."""
        store = SqliteStore.open(str(self.folder / "throughgate.db"))
        try:
            ledger = Ledger(
                store=store,
                signer=self.keys.ledger_signer(),
                head=HeadFile(self.folder / "head" / "ledger.head"),
                origin=ORIGIN,
                clock=wiring.read_clock,
            )
            found = ledger.verify()
            assert found.verified, found.faults
        finally:
            store.close()
        with closing(sqlite3.connect(self.folder / "throughgate.db")) as c:
            assert c.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            kept = {row[0] for row in c.execute("SELECT body_index FROM message WHERE key_index IS NOT NULL")}
            intents = set(
                c.execute(
                    "SELECT delivery.id, delivery.digest FROM delivery JOIN attempt ON attempt.delivery_id = delivery.id"
                )
            )
        return sum(
            self.keys.index("message-body", words[1]) not in kept
            if words[0] == "acked"
            else (words[1], words[2]) not in intents
            for words in marks
        )


def cuts(recorded: Recorded, places: list[int]) -> Iterator[tuple[Disk, list[list[str]]]]:
    """The disk and the marks at each place of the log, in order."""
    disk = Disk()
    for path in recorded.before.rglob("*"):
        if path.is_file():
            disk.durable[str(recorded.folder / path.relative_to(recorded.before))] = bytearray(path.read_bytes())
    marks: list[list[str]] = []
    place = 0
    for wanted in places:
        while place < wanted:
            step = recorded.steps[place]
            if step.path.endswith("/marks"):
                marks += [line.split() for line in step.data.decode().splitlines()]
            else:
                disk.feed(step)
            place += 1
        yield disk, marks


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_what_was_acknowledged_outlives_the_power(
    disk_library: Path, tmp_path: Path, account: Callable[..., Account]
) -> None:
    """Cuts at random places: every acknowledged message, every intent of a letter that left, the database and its ledger are whole."""
    recorded = record(disk_library, tmp_path, "full")
    assert any(step.kind == "T" and step.path.endswith("-wal") for step in recorded.steps), "no checkpoint was cut"
    chance = random.Random(1)
    audit = Audit(recorded, tmp_path / "after")
    attempted = lost = 0
    for disk, marks in cuts(recorded, sorted(chance.randrange(len(recorded.steps)) for _ in range(CUTS))):
        audit.lay_out(disk.cut(chance))
        lost += audit.holds(marks)
        attempted += len(marks)
    assert attempted > CUTS * 5
    account(
        name="power-cut",
        attempted=attempted,
        acked=attempted,
        recovered=attempted - lost,
        lost=lost,
        note=f"{CUTS} cuts",
    )


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_build_without_syncs_is_found(disk_library: Path, tmp_path: Path) -> None:
    """Sabotage: the same with `synchronous=OFF` loses what it acknowledged, or breaks, at most places."""
    recorded = record(disk_library, tmp_path, "off")
    chance = random.Random(1)
    audit = Audit(recorded, tmp_path / "after")
    places = sorted(chance.randrange(len(recorded.steps) // 2, len(recorded.steps)) for _ in range(20))
    found = 0
    for disk, marks in cuts(recorded, places):
        audit.lay_out(disk.cut(chance))
        try:
            found += audit.holds(marks) > 0
        except Exception:  # noqa: BLE001  a database that cannot be read is what this looks for, whatever it raises
            found += 1
    assert found >= 10, f"{found} of {len(places)} cuts were noticed"
