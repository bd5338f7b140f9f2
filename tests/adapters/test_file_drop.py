"""Files in folders: whole or not there, nobody named, custody before removal, nothing lost or doubled when the process dies anywhere."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.contract import Answer, Arrival, Letter, Outcome, Transient
from adapters.file_drop import folder as folders
from adapters.file_drop.inbound import FileDropInbound
from adapters.file_drop.outbound import FileDropOutbound
from adapters.file_drop.settings import InboundSettings, OutboundSettings

ID = "0123456789ABCDEFGHJK"


def letter(body: bytes = b"{}", content_type: str = "application/fhir+json; fhirVersion=4.0") -> Letter:
    return Letter(delivery_id=ID, recipient="northfell", wire="fhir-message", content_type=content_type, body=body)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder as two systems share it."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o770)
    folder.chmod(0o770)
    return folder


def everything(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def set_mode(folder: Path, mode: int) -> None:
    folder.chmod(mode)


def move(old: Path, new: Path) -> None:
    old.rename(new)


def outbound(folder: Path) -> FileDropOutbound:
    return FileDropOutbound(OutboundSettings(folder=folder))


async def test_a_letter_is_there_whole_under_its_delivery_id(shared: Path) -> None:
    receipt = await outbound(shared).send(letter(b'{"a":1}'))
    assert receipt.outcome is Outcome.DELIVERED
    (file,) = everything(shared)
    assert file.name == f"{ID}.json"
    assert file.read_bytes() == b'{"a":1}'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content_type", "ending"),
    [("application/hl7-v2+er7", "hl7"), ("application/pdf", "pdf"), ("text/csv", "csv"), ("x/y", "bin")],
)
async def test_the_ending_says_the_wire(shared: Path, content_type: str, ending: str) -> None:
    await outbound(shared).send(letter(content_type=content_type))
    assert [file.name for file in everything(shared)] == [f"{ID}.{ending}"]


async def test_a_repeat_has_the_same_name(shared: Path) -> None:
    for _ in range(3):
        await outbound(shared).send(letter())
    assert len(everything(shared)) == 1


async def test_a_folder_that_is_not_fit_is_tried_again_and_gets_nothing(shared: Path, tmp_path: Path) -> None:
    set_mode(shared, 0o777)
    with pytest.raises(Transient, match="others can use"):
        await outbound(shared).send(letter())
    assert not everything(shared)
    with pytest.raises(Transient, match="not there"):
        await outbound(tmp_path / "nowhere").send(letter())
    (tmp_path / "file").write_text("")
    with pytest.raises(Transient, match="not a folder"):
        await outbound(tmp_path / "file").send(letter())


async def test_a_write_that_fails_leaves_nothing(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disk full: no half letter, no hidden rest, and it may be sent again."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Transient, match="written"):
        await outbound(shared).send(letter())
    assert not everything(shared)


async def test_a_sync_of_the_folder_that_fails_is_ambiguous(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name may or may not survive a power cut: never assumed."""
    synced = os.fsync

    def fails(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "input/output error")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    assert (await outbound(shared).send(letter())).outcome is Outcome.AMBIGUOUS


async def test_a_planted_link_is_not_written_through(shared: Path, tmp_path: Path) -> None:
    (shared / f".{ID}.json.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Transient):
        await outbound(shared).send(letter())
    assert not (tmp_path / "elsewhere").exists()


def test_a_relative_folder_is_refused() -> None:
    with pytest.raises(ValidationError, match="absolute"):
        OutboundSettings(folder=Path("letters"))


class Gate:
    """Stands for the gateway: one effect for the same bytes, the same answer again."""

    def __init__(self) -> None:
        self.effects: list[bytes] = []
        self.arrivals: list[Arrival] = []
        self.status = 200

    async def accept(self, arrival: Arrival) -> Answer:
        self.arrivals.append(arrival)
        await asyncio.sleep(0)
        if self.status == 200 and arrival.body not in self.effects:
            self.effects.append(arrival.body)
        return Answer(body=b"ACK " + arrival.body[:8], content_type="x", status=self.status)


@asynccontextmanager
async def watching(folder: Path, gate: Gate, **settings: Any) -> AsyncIterator[FileDropInbound]:
    kept = {"poll_seconds": 0.01, "stable_seconds": 0.03, **settings}
    watcher = FileDropInbound(
        InboundSettings(channel="files", client="ehr", folder=folder, content_type="application/hl7-v2+er7", **kept)
    )
    await watcher.start(gate.accept)
    try:
        yield watcher
    finally:
        await watcher.stop()


async def until(holds: Path | Callable[[], bool]) -> None:
    """Until the file is there, or this holds."""
    async with asyncio.timeout(5):
        while not (holds.exists() if isinstance(holds, Path) else holds()):  # noqa: ASYNC110, ASYNC240  a folder has no event to wait on
            await asyncio.sleep(0.005)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))


async def test_a_file_becomes_an_arrival_and_gets_its_acknowledgement(shared: Path) -> None:
    gate = Gate()
    async with watching(shared, gate):
        (shared / "one.hl7").write_bytes(b"MSH|one")
        await until(shared / "answered" / "one.hl7.ack")
    (arrival,) = gate.arrivals
    assert (arrival.channel, arrival.client, arrival.body, arrival.truncated) == ("files", "ehr", b"MSH|one", False)
    assert (shared / "answered" / "one.hl7.ack").read_bytes() == b"ACK MSH|one"
    assert stat.S_IMODE((shared / "answered" / "one.hl7.ack").stat().st_mode) == 0o600
    assert not names(shared)
    assert not names(shared / "taken")


async def test_what_is_still_being_written_is_not_taken(shared: Path) -> None:
    gate = Gate()
    async with watching(shared, gate, stable_seconds=0.2):
        with (shared / "slow.hl7").open("wb", buffering=0) as file:
            for _ in range(10):
                file.write(b"x")
                await asyncio.sleep(0.05)
                assert not gate.arrivals
        await until(shared / "answered" / "slow.hl7.ack")
    assert [each.body for each in gate.arrivals] == [b"x" * 10]


async def test_oldest_first_and_other_names_are_left_alone(shared: Path, tmp_path: Path) -> None:
    gate = Gate()
    (tmp_path / "secret").write_bytes(b"secret")
    (shared / "link.hl7").symlink_to(tmp_path / "secret")
    (shared / ".hidden").write_bytes(b"h")
    (shared / "half.part").write_bytes(b"h")
    for number in range(20):
        file = shared / f"{99 - number}.hl7"
        file.write_bytes(b"%02d" % number)
        os.utime(file, ns=(number, number))
    async with watching(shared, gate) as watcher:
        await until(shared / "answered" / "80.hl7.ack")
    assert [each.body for each in gate.arrivals] == [b"%02d" % number for number in range(20)]
    assert names(shared) == ["half.part", "link.hl7"]
    assert watcher.counts.left_out > 0


async def test_a_refused_file_is_moved_aside_with_the_error(shared: Path) -> None:
    gate = Gate()
    gate.status = 422
    async with watching(shared, gate):
        (shared / "bad.hl7").write_bytes(b"junk")
        await until(shared / "refused" / "bad.hl7")
    assert (shared / "refused" / "bad.hl7.error").read_bytes() == b"ACK junk"
    assert (shared / "refused" / "bad.hl7").read_bytes() == b"junk"
    assert not names(shared / "taken")


async def test_a_name_that_is_used_again_replaces_nothing(shared: Path) -> None:
    """The second file of a name took the place of the first that was refused, and of the answer that nobody had read yet."""
    gate = Gate()
    async with watching(shared, gate):
        for status, folder, first, second in (
            (422, "refused", "same.hl7", "same.hl7.2"),
            (200, "answered", "same.hl7.ack", "same.hl7.2.ack"),
        ):
            gate.status = status
            for body, found in ((b"1", first), (b"2", second)):
                (shared / "same.hl7").write_bytes(body)
                await until(shared / folder / found)
                await until(lambda: not names(shared) and not names(shared / "taken"))
    assert {each: (shared / "refused" / each).read_bytes() for each in names(shared / "refused")} == {
        "same.hl7": b"1",
        "same.hl7.error": b"ACK 1",
        "same.hl7.2": b"2",
        "same.hl7.2.error": b"ACK 2",
    }
    assert {each: (shared / "answered" / each).read_bytes() for each in names(shared / "answered")} == {
        "same.hl7.ack": b"ACK 1",
        "same.hl7.2.ack": b"ACK 2",
    }


async def test_a_file_that_is_called_as_an_error_takes_no_place_of_one(shared: Path) -> None:
    gate = Gate()
    gate.status = 422
    async with watching(shared, gate):
        for name, found in (("a", "a"), ("a.error", "a.error.2")):
            (shared / name).write_bytes(name.encode())
            await until(shared / "refused" / found)
    assert names(shared / "refused") == ["a", "a.error", "a.error.2", "a.error.2.error"]
    assert (shared / "refused" / "a.error").read_bytes() == b"ACK a"


async def test_of_more_than_a_turn_takes_the_oldest_go_first(shared: Path) -> None:
    """Whatever order the file system names them in: a turn took the first names that it came across."""
    gate = Gate()
    for number in range(60):
        file = shared / f"{(number * 37) % 60:02}.hl7"
        file.write_bytes(b"%02d" % number)
        os.utime(file, ns=(number, number))
    async with watching(shared, gate, max_files=4):
        await until(lambda: len(gate.effects) == 60)
    assert gate.effects == [b"%02d" % number for number in range(60)]


async def test_a_file_beyond_the_limit_is_handed_over_as_a_beginning(shared: Path) -> None:
    gate = Gate()
    gate.status = 413
    async with watching(shared, gate, max_file_bytes=64):
        (shared / "big.hl7").write_bytes(b"x" * 100)
        await until(shared / "refused" / "big.hl7")
    assert (len(gate.arrivals[0].body), gate.arrivals[0].truncated) == (64, True)


async def test_beyond_a_limit_files_wait_in_their_order_and_go_on_later(shared: Path) -> None:
    gate = Gate()
    gate.status = 503
    async with watching(shared, gate):
        for number in range(3):
            (shared / f"{number}.hl7").write_bytes(b"%d" % number)
            os.utime(shared / f"{number}.hl7", ns=(number, number))
        await until(lambda: len(gate.arrivals) >= 5)
        assert {each.body for each in gate.arrivals} == {b"0"}
        gate.status = 200
        await until(shared / "answered" / "2.hl7.ack")
    assert gate.effects == [b"0", b"1", b"2"]


class Died(BaseException):
    """The process ends here: nothing behind this line runs."""


@pytest.mark.parametrize(("status", "said"), [(200, "answered/one.hl7.ack"), (422, "refused/one.hl7.error")])
@pytest.mark.parametrize("dies_at", range(1, 13))
async def test_a_crash_anywhere_loses_nothing_and_doubles_nothing(
    shared: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int, status: int, said: str
) -> None:
    """Dies before the n-th call to the file system of one file's way; another process takes up what is there."""
    gate = Gate()
    gate.status = status
    steps = 0

    def counted(real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == dies_at:
                raise Died
            return real(*arguments, **named)

        return call

    watcher = FileDropInbound(
        InboundSettings(channel="files", client="ehr", folder=shared, content_type="x", stable_seconds=0)
    )
    (shared / "one.hl7").write_bytes(b"MSH|one")
    for name in ("taken", "answered", "refused"):
        (shared / name).mkdir(mode=0o770)
    watcher._accept = gate.accept
    with monkeypatch.context() as dying:
        for owner, name in ((Path, "rename"), (Path, "unlink"), (os, "fsync"), (os, "open")):
            dying.setattr(owner, name, counted(getattr(owner, name)))
        for _ in range(2):  # it lies still from the first look to the second
            try:
                await watcher._turn()
            except Died:
                break
    assert steps >= min(dies_at, 10), "there are not as many steps as this test has"
    async with watching(shared, gate):
        await until(shared / said)
        await until(lambda: not names(shared) and not names(shared / "taken"))
    assert {each.body for each in gate.arrivals} == {b"MSH|one"}
    assert gate.effects == ([b"MSH|one"] if status == 200 else [])
    assert (shared / said).read_bytes() == b"ACK MSH|one"
    assert len(names(shared / "answered") + names(shared / "refused")) == (1 if status == 200 else 2)


async def test_one_process_at_a_time_takes_from_a_folder(shared: Path) -> None:
    first, second = Gate(), Gate()
    async with watching(shared, first):
        (shared / "one.hl7").write_bytes(b"1")
        await until(shared / "answered" / "one.hl7.ack")
        async with watching(shared, second):
            (shared / "two.hl7").write_bytes(b"2")
            await until(shared / "answered" / "two.hl7.ack")
            assert not second.arrivals
    async with watching(shared, second):
        (shared / "three.hl7").write_bytes(b"3")
        await until(shared / "answered" / "three.hl7.ack")
    assert first.effects == [b"1", b"2"]
    assert second.effects == [b"3"]


async def test_a_folder_that_everybody_can_use_is_not_watched(shared: Path) -> None:
    set_mode(shared, 0o777)
    with pytest.raises(folders.FolderUnfit, match="others"):
        async with watching(shared, Gate()):
            pass


async def test_a_folder_that_goes_away_is_looked_at_again(shared: Path) -> None:
    gate = Gate()
    async with watching(shared, gate) as watcher:
        (shared / "one.hl7").write_bytes(b"1")
        await until(shared / "answered" / "one.hl7.ack")
        move(shared, shared.with_name("away"))
        await until(lambda: watcher.counts.failures > 0)
        move(shared.with_name("away"), shared)
        (shared / "two.hl7").write_bytes(b"2")
        await until(shared / "answered" / "two.hl7.ack")
    assert gate.effects == [b"1", b"2"]
