"""What has to survive a power cut beside the database: each file that is made is synced, whole, and so is every folder that got a new name in it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.file_drop.folder import put
from gateway import backups
from gateway.keys.key_files import NAMES, Rotating, create_files
from gateway.ledger.head import HeadFile
from gateway.settings import read_settings
from tests.gateway.witness.test_witness import make
from tests.line import RECIPIENTS, make_installation

KEYS = {name: bytes([at]) * 32 for at, name in enumerate(NAMES)}
Make = Callable[[Path], object]


def _rotate(folder: Path) -> None:
    create_files(folder / "keys", KEYS)
    rotating = Rotating(folder / "keys", "ledger-signing")
    rotating.prepare()
    rotating.promote()
    rotating.retire(b"f" * 32)


def _head(folder: Path) -> None:
    head = HeadFile.create(folder / "head", "one\n")
    with head.locked():
        head.replace("one\n", "two\n")
        head.begin_again("three\n", former="before")


def _back_up(folder: Path) -> None:
    (folder / "made").mkdir()
    config = make_installation(folder / "made", dict.fromkeys(RECIPIENTS, 9))
    backups.back_up(read_settings(config), folder / "backups" / "today", now="2026-01-15T12:00:00.000000Z")


MADE: dict[str, tuple[Make, str]] = {
    "keys": (lambda folder: create_files(folder / "new" / "keys", KEYS), "new"),
    "a key that is rotated": (_rotate, "keys"),
    "the head of the ledger": (_head, "."),
    "a witness": (lambda folder: make(folder / "new" / "w"), "new"),
    "a backup": (_back_up, "backups"),
    "a letter in a folder": (lambda folder: put(folder, "letter.json", b"{}"), "."),
}


def names(at: Path) -> list[str]:
    """What a folder holds, but for locks; nothing of a file."""
    return sorted(each.name for each in at.iterdir() if not each.name.endswith(".lock")) if at.is_dir() else []


def not_synced(folder: Path, below: str, work: Make, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files and folders below (and that folder itself, and the one that it was made in) that no sync was asked of after their last change."""
    synced: dict[int, list[str]] = {}
    really = os.fsync

    def sync(descriptor: int) -> None:
        really(descriptor)
        at = Path(f"/proc/self/fd/{descriptor}")
        synced[at.stat().st_ino] = names(at)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", sync)
        work(folder)
    top = (folder / below).resolve()
    there = [top, *(each for each in top.rglob("*") if not each.name.endswith(".lock"))]
    if top.parent != folder.parent:
        there.append(top.parent)
    return sorted(
        str(each.relative_to(folder.parent)) for each in there if synced.get(each.stat().st_ino) != names(each)
    )


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_is_synced_with_its_folders(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work, below = MADE[name]
    folder = tmp_path / "here"
    folder.mkdir()
    assert not_synced(folder, below, work, monkeypatch) == []


def test_one_that_is_not_synced_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: a file that is only written."""
    folder = tmp_path / "here"
    folder.mkdir()
    left = not_synced(folder, ".", lambda where: (where / "x").write_text("x"), monkeypatch)
    assert left == ["here", "here/x"]
