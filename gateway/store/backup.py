"""A copy of everything that a store holds, taken while it is in use, and putting one back into an empty place.

SQLite makes its own copy (`VACUUM INTO`: one snapshot, without what was deleted); for PostgreSQL it is `pg_dump` and `pg_restore`. A
copy holds ciphertext and no key. This module MUST NOT write over a store that is there.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from gateway import durable
from gateway.errors import ThroughgateError
from gateway.failpoints import around

SQLITE_FILE: Final = "throughgate.db"
POSTGRES_FILE: Final = "throughgate.pgdump"
_PIECE: Final = 1_048_576
_DUMP: Final = ("--format=custom", "--no-owner", "--no-privileges")
_RESTORE: Final = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")


class BackupError(ThroughgateError):
    """A copy cannot be made or put back: the text says why and what to do."""


def copy_out(url: str, folder: Path) -> Path:
    """One consistent copy in `folder`, durable, mode 0600; its file. Raises BackupError."""
    if _is_sqlite(url):
        return _synced(_vacuum_into(_database(url), folder / SQLITE_FILE))
    target = _made(folder / POSTGRES_FILE)
    _run("pg_dump", *_DUMP, f"--file={target}", f"--dbname={url}")
    return _synced(target)


def copy_in(url: str, file: Path) -> None:
    """Put a copy back, all of it or nothing: what a restore that died left half written is written anew.

    Raises BackupError where a store is there already, another restore runs, or the copy is of the other engine.
    """
    if file.name != (SQLITE_FILE if _is_sqlite(url) else POSTGRES_FILE):
        raise BackupError("this backup is of another engine: set gateway.store_url to the one it was made from")
    if _is_sqlite(url):
        database = _database(url)
        with _alone_in(database.parent):
            _put(file, database)
    else:
        if _run("psql", "-XAtqc", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", url).strip() != "0":
            raise BackupError("the database has tables: create an empty one first, and keep the old one")
        _run("pg_restore", *_RESTORE, f"--dbname={url}", str(file))


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """INVARIANT: one restore at a time in a folder; whoever died holds nothing. Raises BackupError beside another one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupError("another restore into this folder runs now: wait for what it says") from None
    else:
        yield
    finally:
        os.close(descriptor)


def _put(file: Path, database: Path) -> None:
    if any(Path(f"{database}{ending}").exists() for ending in ("", "-wal", "-shm")):
        raise BackupError("there is a database: move it and its -wal and -shm files away first, and keep them")
    beside = database.with_name(database.name + ".restoring")
    beside.unlink(missing_ok=True)
    shutil.copyfile(file, _made(beside))
    _synced(beside)
    with around("restore"):
        beside.rename(database)
        durable.sync(database.parent)


def digest_of(file: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def _database(url: str) -> Path:
    database = make_url(url).database
    if not database or database == ":memory:":
        raise BackupError("this store is in memory: there is nothing to keep")
    return Path(database)


def _vacuum_into(database: Path, target: Path) -> Path:
    if not database.is_file():
        raise BackupError("there is no database yet")
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as c:
        c.execute("PRAGMA busy_timeout = 5000")
        try:
            c.execute("VACUUM INTO ?", (str(_made(target)),))
        except sqlite3.Error as error:
            raise BackupError(f"the copy could not be made: {error}") from None
    return target


def _made(target: Path) -> Path:
    """An empty file of mode 0600 before anybody writes to it."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise BackupError(f"{target.name} is there already: give a new folder") from None
    return target


def _synced(file: Path) -> Path:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    durable.sync(file.parent)
    return file


def _run(program: str, *arguments: str) -> str:
    """One of the engine's own programs. Its words are not repeated: they could quote a row."""
    found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed here: it comes with the client programs of the database")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)  # noqa: S603  a fixed program, no shell; the URL is the installation's own
    if done.returncode:
        raise BackupError(f"{program} failed (exit {done.returncode}): run it by hand to see why")
    return done.stdout
