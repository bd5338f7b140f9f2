"""A store in memory, for `try` and tests: same tables, same answers, nothing stays.

It MUST NOT be used by a gateway that acknowledges anything: nothing here survives the process.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import count
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from gateway.store.compiled import COMPILED
from gateway.store.engine import StoreError
from gateway.store.guard import guard, mend, raw
from gateway.store.schema import metadata

T = TypeVar("T")


_numbers = count()
_database: ContextVar[str] = ContextVar("_database")
"""The database that the next connection is one to: an engine opens its connections by itself, and each store has a database of its own."""


@cache
def _engine() -> Engine:
    """One engine for all memory stores."""
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(
            _database.get(), uri=True, check_same_thread=False, isolation_level=None, cached_statements=256
        ),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",  # transactions are driven below, one statement each
        skip_autocommit_rollback=True,
        hide_parameters=True,  # INVARIANT: no value of a row in a log line or an exception
        execution_options={"compiled_cache": COMPILED},
    )
    guard(engine)
    return engine


def _connect(database: str) -> Connection:
    _database.set(database)
    return _engine().connect()


def _new() -> str:
    """A database in memory that is there until its last connection closes, under a name that no other has."""
    return f"file:/throughgate-{next(_numbers)}?vfs=memdb"


@cache
def _template() -> Connection:
    """An empty database with every table, made once in a process."""
    c = _connect(_new())
    metadata.create_all(c)
    mend(c)
    return c


def outcome_of(write: Callable[[Callable[[Connection], T]], T], work: Callable[[Connection], T]) -> T | Exception:
    """What became of one work of several: its answer, or what it raised."""
    try:
        return write(work)
    except Exception as error:  # noqa: BLE001  it is handed over as it is, to who asked
        return error


class MemoryStore:
    """One lock: a read sees what was written, a write excludes everything else. One connection reads and one writes.

    INVARIANT: the one that reads can do nothing else, and is not switched between the two: SQLite prepares every statement again after a switch.
    """

    in_one = 4

    def __init__(self, c: Connection, reader: Connection) -> None:
        self._c, self._reader = c, reader
        self._raw = raw(c)
        self._lock = threading.RLock()

    @classmethod
    def create(cls) -> "MemoryStore":
        """An empty store with every table, in well under a millisecond after the first."""
        return cls._filled_from(raw(_template()))

    @classmethod
    def _filled_from(cls, source: sqlite3.Connection) -> "MemoryStore":
        database = _new()
        c, reader = _connect(database), _connect(database)
        source.backup(raw(c))
        raw(c).execute("PRAGMA foreign_keys = ON")
        raw(reader).execute("PRAGMA query_only = ON")
        return cls(c, reader)

    def copy(self) -> "MemoryStore":
        """Another store with the same rows; what happens in one does not show in the other."""
        with self._lock:
            return self._filled_from(self._raw)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._lock:
            if self._raw.in_transaction:  # a work that reads: it sees its own transaction
                yield self._c
                return
            try:
                yield self._reader
            except BaseException:
                mend(self._reader)
                raise

    def write(self, work: Callable[[Connection], T]) -> T:
        with self._lock:
            if self._raw.in_transaction:
                raise StoreError("a work must not call write again")
            self._raw.execute("BEGIN IMMEDIATE")
            try:
                answer = work(self._c)
            except BaseException:
                self._raw.execute("ROLLBACK")
                mend(self._c)
                raise
            self._raw.execute("COMMIT")
            return answer

    def write_all(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        return [outcome_of(self.write, work) for work in works]

    async def write_async(self, work: Callable[[Connection], T]) -> T:
        return self.write(work)

    def lead(self, duty: str) -> bool:  # noqa: ARG002  one process does every duty
        return True

    def compact(self, asked_for: str, *, at_most_bytes: int | None) -> bool:  # noqa: ARG002  there is no file
        return True

    def close(self) -> None:
        with self._lock:
            for c in (self._reader, self._c):
                mend(c)
                c.close()
