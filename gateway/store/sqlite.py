"""The SQLite engine: a write-ahead log, one group-commit writer, readers on snapshots of their own.

It MUST NOT open a database whose durability it could not verify, nor leave its file readable by others.
"""

import asyncio
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import QueuePool

from gateway.errors import SettingsError
from gateway.store.compiled import COMPILED
from gateway.store.engine import StoreError
from gateway.store.group_commit import GroupCommit
from gateway.store.guard import guard, mend, raw
from gateway.store.migrate import migrate
from gateway.store.size import stored_bytes

T = TypeVar("T")

BUSY_MILLISECONDS = 5_000
READERS = 8
READERS_AT_PEAK = 64
WAL_LIMIT_BYTES = 4 * 1024 * 1024
"""A write-ahead log longer than this is copied into the database beside the next commits, and truncated between two of them. One that became
twice as long meanwhile is waited for.
"""
READERS_END_MILLISECONDS = 2_000
"""How long the last step of a compaction waits for those who still read what was there before."""

# INVARIANT: WAL with synchronous=FULL: a COMMIT returns after fsync. secure_delete: what is deleted is overwritten, but not the copy that
# SQLite leaves behind when it moves a row within a page or to another one (one row of some hundreds): `compact` is for that.
_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "secure_delete": 1,
    "busy_timeout": BUSY_MILLISECONDS,
    "wal_autocheckpoint": 0,  # the writer checkpoints by itself, with truncation
    "temp_store": 2,  # no copy of a row in a temporary file
}


def _prepare(c: sqlite3.Connection) -> None:
    """Sets every PRAGMA and reads it back: one that did not take is an error at start-up, not a loss later."""
    c.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")  # first: the others may have to wait
    for name, value in _PRAGMAS.items():
        c.execute(f"PRAGMA {name} = {value}")
        found = c.execute(f"PRAGMA {name}").fetchone()[0]
        if found != value:
            raise StoreError(f"PRAGMA {name} is {found}, not {value}: this database cannot keep what it acknowledges")


def _connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    c = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=256)
    _prepare(c)
    if not writes:
        c.execute("PRAGMA query_only = ON")
    return c


def _engine(path: Path, *, writes: bool) -> Engine:
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: _connect(path, writes=writes),
        poolclass=QueuePool,
        pool_size=1 if writes else READERS,
        max_overflow=0 if writes else READERS_AT_PEAK - READERS,
        isolation_level="AUTOCOMMIT",  # transactions are driven by GroupCommit and by `read`, not by SQLAlchemy
        skip_autocommit_rollback=True,
        hide_parameters=True,  # INVARIANT: no value of a row in a log line or an exception
        execution_options={"compiled_cache": COMPILED},
    )
    if writes:
        guard(engine)
    return engine


def _make_file(path: Path) -> None:
    """An empty file of mode 0600 before SQLite sees it; its -wal and -shm files take the same mode."""
    if not path.parent.is_dir():
        raise SettingsError(
            "throughgate.toml",
            "gateway.store_url",
            "the folder of the database does not exist; `throughgate init` makes it",
        )
    # INVARIANT: a database that this process may have open already is never opened and closed beside SQLite: POSIX would drop the locks
    # that say it is in use, and another process would delete the log that is still written to.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    path.chmod(0o600)


class SqliteTransactions:
    """Transactions of the one writing connection, each a statement of its own."""

    def __init__(self, c: Connection) -> None:
        self.c = c
        self.raw = raw(c)

    def within(self, run: Callable[[], None]) -> None:
        run()

    def begin(self) -> None:
        self.raw.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.raw.execute("COMMIT")

    def rollback(self) -> None:
        self.raw.execute("ROLLBACK")

    def savepoint(self) -> None:
        self.raw.execute("SAVEPOINT work")

    def release(self) -> None:
        self.raw.execute("RELEASE work")

    def undo(self) -> None:
        self.raw.execute("ROLLBACK TO work")

    def is_open(self) -> bool:
        return self.raw.in_transaction

    def is_in_the_way(self, error: BaseException) -> bool:  # noqa: ARG002  the one writer waits for its lock; nobody is in the way
        return False


class _Compaction:
    """One compaction that was asked for, and how far it came. Tried once: what is left then is to cut the log."""

    def __init__(self, asked_for: str, *, is_large: bool) -> None:
        self.asked_for = asked_for
        self.is_large = is_large
        self.tried = False
        self.written = False
        self.is_done = False
        self.ended = threading.Event()


class SqliteStore:
    """See `Store`. One process writes; others (a command beside a running gateway) wait for its commits, `BUSY_MILLISECONDS` at most."""

    in_one = 4  # one writer does everything: who is taken from a wire waits behind one work

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = f"{path}-wal"
        self._folder = str(path.parent)
        self._readers = _engine(path, writes=False)
        self._writers = _engine(path, writes=True)
        self._c = self._writers.connect()
        self._transactions = SqliteTransactions(self._c)
        self._writer = GroupCommit(self._transactions, self._after_commit)
        self._copying: threading.Thread | None = None
        self._copied = threading.Event()
        self._compacting = threading.Lock()  # one at a time
        self._wanted: _Compaction | None = None
        self._tried: _Compaction | None = None

    @classmethod
    def open(cls, database: str) -> "SqliteStore":
        """Opens (or makes) the file and brings its tables up to date. Raises SettingsError, StoreError."""
        path = Path(database).absolute()
        try:
            _make_file(path)
        except OSError as error:
            raise SettingsError(
                "throughgate.toml", "gateway.store_url", f"the database cannot be opened: {error.strerror}"
            ) from None
        first = _connect(path, writes=True)
        try:
            migrate(first)
        finally:
            first.close()
        return cls(path)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._readers.connect() as c:
            driver = raw(c)
            driver.execute("BEGIN")
            try:
                driver.execute(
                    "SELECT 1 FROM sqlite_schema LIMIT 1"
                ).fetchone()  # the snapshot is taken here, not at the first question
                yield c
            finally:
                if driver.in_transaction:
                    driver.execute("ROLLBACK")

    def write(self, work: Callable[[Connection], T]) -> T:
        return self._writer.submit(work).result()

    def write_all(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        return self._writer.submit_all(works)

    async def write_async(self, work: Callable[[Connection], T]) -> T:
        future = self._writer.submit(work, asyncio.get_running_loop()).future
        assert future is not None
        return await future

    def lead(self, duty: str) -> bool:  # noqa: ARG002  one process does every duty
        return True

    def checkpoint(self) -> bool:
        """Copies the write-ahead log into the database and truncates it. False when a reader still needs it: the next commit tries again.

        Only for the writer's thread, or after it has stopped.
        """
        return self._checkpoint(wait_milliseconds=0)

    def _checkpoint(self, *, wait_milliseconds: int) -> bool:
        if self._copying is not None:
            self._copying.join()  # SQLite turns away a second one that copies
            self._copying = None
        driver = raw(self._c)
        driver.execute(f"PRAGMA busy_timeout = {wait_milliseconds}")
        try:
            busy: int = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error:  # another process checkpoints, or the disk is full: the log only stays longer
            return False
        finally:
            driver.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        return not busy

    def compact(self, asked_for: str, *, at_most_bytes: int | None) -> bool:
        with self._compacting:
            wanted = self._tried if self._tried is not None and self._tried.asked_for == asked_for else None
            if wanted is None or at_most_bytes is None:
                wanted = _Compaction(asked_for, is_large=at_most_bytes is None)
            if not wanted.tried and at_most_bytes is not None:
                with self.read() as c:
                    if stored_bytes(c) > at_most_bytes:
                        return False
            self._tried = self._wanted = wanted
            wanted.ended.clear()
            self._writer.submit(lambda _: None).result()  # the writer's thread does it behind this commit
            wanted.ended.wait()
            return wanted.is_done

    def _after_commit(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            self._checkpoint_when_long()
            return
        try:
            if not wanted.tried:
                wanted.tried = True
                wanted.written = self._write_anew(in_memory=not wanted.is_large)
            # INVARIANT: it is done when the log, which holds the pages as they were, has been copied and cut, and not before
            wanted.is_done = wanted.written and self._checkpoint(wait_milliseconds=READERS_END_MILLISECONDS)
        finally:
            wanted.ended.set()

    def _write_anew(self, *, in_memory: bool) -> bool:
        """VACUUM: every row on a new page. Undone by SQLite itself where it cannot be finished."""
        driver = raw(self._c)
        try:
            if not in_memory:  # the copy that it makes first is a file without a name, on the database's own disk
                driver.execute("PRAGMA temp_store = 1")
                driver.execute(f"PRAGMA temp_store_directory = '{self._folder.replace(chr(39), chr(39) * 2)}'")
            driver.execute("VACUUM")
        except sqlite3.Error:  # another process writes, or the disk is full: what is there stays as it is
            return False
        finally:
            driver.execute(f"PRAGMA temp_store = {_PRAGMAS['temp_store']}")
        return True

    def _checkpoint_when_long(self) -> None:
        try:
            length = os.stat(self._wal).st_size  # noqa: PTH116  after every commit: pathlib costs several times as much
        except FileNotFoundError:
            return
        if length <= WAL_LIMIT_BYTES:
            return
        if self._copying is None:
            self._copied.clear()
            self._copying = threading.Thread(target=self._copy, name="store-copier")
            self._copying.start()
        elif self._copied.is_set() or length > 2 * WAL_LIMIT_BYTES:
            self.checkpoint()

    def _copy(self) -> None:
        """Beside the writer, who waits for the disk while it cuts. Twice: what was committed during the first is little, and less is left."""
        with (
            suppress(sqlite3.Error),
            closing(_connect(self._path, writes=True)) as c,
        ):  # the writer copies what is not copied here
            for _ in range(2):
                c.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._copied.set()
        with suppress(StoreError):  # a store that is closed is cut as it closes
            self._writer.submit(lambda _: None)  # so that it is cut though nobody writes

    def close(self) -> None:
        self._writer.stop()
        if not self._c.closed:
            self.checkpoint()
            mend(self._c)
            self._c.close()
        self._writers.dispose()
        self._readers.dispose()
