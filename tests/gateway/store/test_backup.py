"""A copy that is put back: all of it or nothing, whoever dies on the way, and the same command goes on."""

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.failpoints import hooked
from gateway.store.backup import SQLITE_FILE, BackupError, copy_in


class Died(Exception):
    """The process is gone."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    file = tmp_path / SQLITE_FILE
    with closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE kept (one)")
    return file


def tables(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as there:
        return [name for (name,) in there.execute("SELECT name FROM sqlite_master")]


@pytest.mark.parametrize(("point", "done"), [("restore.before-commit", False), ("restore.after-commit", True)])
def test_a_restore_that_died_goes_on_when_it_is_called_again(
    tmp_path: Path, copy: Path, point: str, *, done: bool
) -> None:
    """What the dead one left half written beside the place is written anew; what it finished is a database that is there."""
    database = tmp_path / "there.db"

    def dies(name: str) -> None:
        if name == point:
            raise Died

    with hooked(dies), pytest.raises(Died):
        copy_in(f"sqlite:///{database}", copy)
    assert database.exists() is done
    if done:
        with pytest.raises(BackupError, match="move it"):
            copy_in(f"sqlite:///{database}", copy)
    else:
        beside = tmp_path / "there.db.restoring"
        beside.write_bytes(b"half of something longer" * 10_000)
        copy_in(f"sqlite:///{database}", copy)
        assert not beside.exists()
    assert tables(database) == ["kept"]
    assert database.read_bytes() == copy.read_bytes()


def test_two_restores_at_once_are_one(tmp_path: Path, copy: Path) -> None:
    """While another one writes, nothing of it is touched, and the advice is to wait."""
    database, beside = tmp_path / "there.db", tmp_path / "there.db.restoring"
    beside.write_bytes(b"another's")
    another = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(another, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="runs now"):
            copy_in(f"sqlite:///{database}", copy)
        assert beside.read_bytes() == b"another's"
        assert not database.exists()
    finally:
        os.close(another)
    copy_in(f"sqlite:///{database}", copy)
    assert tables(database) == ["kept"]
