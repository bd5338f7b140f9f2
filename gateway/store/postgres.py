"""The PostgreSQL engine: several processes write at once; each has one group-commit writer for arrivals and a few for the steps.

What one writer gives for nothing is made here with row locks and named locks (gateway/store/locks.py); a work that meets another
writer is run again as a whole. Rows that were deleted stay in the files until the tables are written anew (`compact`) and in the
write-ahead log until it is recycled; deploy/production.toml says what to set on the server.
This module MUST NOT open a database whose durability it could not verify, nor speak to another machine without verified TLS.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import LifoQueue
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped]  # the driver has no types
from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util.concurrency import await_

from gateway.errors import SettingsError, StoreUnavailable
from gateway.store.compact_many import compact_many
from gateway.store.compiled import COMPILED
from gateway.store.engine import StoreError
from gateway.store.group_commit import GroupCommit, Job
from gateway.store.guard import guard, mend
from gateway.store.link import OF_A_LINK, OF_THE_DRIVER, Link, Reading, end_with
from gateway.store.locks import lock_key
from gateway.store.migrate_many import migrate_many
from gateway.store.statement import Values, speak
from gateway.store.waiting import Waiting

T = TypeVar("T")

WRITERS = 3
"""Connections that the steps write on, beside the one of the arrivals."""
STEPS_BATCH = 16
"""Works of the steps in one commit: they hold the rows of people, so that a long batch would make others wait."""
READERS = 24
CONNECT_SECONDS = 5
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
SESSION = {
    "application_name": "throughgate",
    "synchronous_commit": "on",
    "lock_timeout": "5000",  # milliseconds, like the others
    "statement_timeout": "60000",
    "idle_in_transaction_session_timeout": "60000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "client_min_messages": "warning",
    "timezone": "UTC",
}
# INVARIANT: a COMMIT returns after its write-ahead log is on disk, and a torn page can be mended from it.
DURABLE = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply")}
IN_THE_WAY = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATE of a serialization failure, a deadlock, and a lock that was not had in time."""
_SAY = ("23", "25", "40", "42", "53", "55", "57")
"""Classes of SQLSTATE whose first line holds names of tables and no value of a row."""


def _say_less(context: ExceptionContext) -> None:
    """For what SQLAlchemy raises."""
    if context.connection is not None:
        end_with(context.original_exception.__cause__, context.connection.connection.driver_connection)
    _silence(context.original_exception, context.sqlalchemy_exception)


def _silence(original: BaseException, raised: BaseException | None) -> None:
    """INVARIANT: no value of a row in a log line or an exception: the server's details quote rows."""
    cause = original.__cause__
    sqlstate = str(getattr(original, "sqlstate", None) or "")
    first = str(cause or original).split("\n", maxsplit=1)[0] if sqlstate.startswith(_SAY) else "the statement failed"
    text = f"{first} ({sqlstate or type(cause or original).__name__})"
    for error in (original, cause, raised):
        if isinstance(error, asyncpg.PostgresError):
            error.detail = error.hint = error.context = None
        if error is not None:
            error.args = (text,)


class _Asyncpg:
    """See `Driver`. A transaction's statements are awaited beside its work; a snapshot asks through its own link."""

    def fetch(self, c: Connection, text: str, values: Values) -> Sequence[Sequence[Any]]:
        try:
            if isinstance(c, Reading):
                return c.fetch(text, values)
            return await_(c.connection.driver_connection.fetch(text, *values))  # type: ignore[union-attr]  # the driver has no types
        except OF_THE_DRIVER as error:
            raise _refused(error, c) from error

    def many(self, c: Connection, text: str, rows: Sequence[Values]) -> None:
        try:
            await_(c.connection.driver_connection.executemany(text, rows))  # type: ignore[union-attr]  # the driver has no types
        except OF_THE_DRIVER as error:
            raise _refused(error, c) from error


def _refused(error: Exception, c: Connection) -> DBAPIError:
    """What SQLAlchemy would raise."""
    if not isinstance(c, Reading):  # a reader's link has seen to it
        end_with(error, c.connection.driver_connection)
    kind = {
        asyncpg.IntegrityConstraintViolationError: IntegrityError,
        asyncpg.InterfaceError: InterfaceError,
    }
    raised = next((made for found, made in kind.items() if isinstance(error, found)), DBAPIError)
    _silence(error, None)
    return raised(None, None, error, hide_parameters=True)


speak("postgresql", _Asyncpg())


class PostgresTransactions:
    """Transactions on one link. The first work of a batch needs no savepoint: undoing it is undoing everything so far."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._first = True
        self._saved = False

    @property
    def c(self) -> Connection:
        return self._link.c

    def within(self, run: Callable[[], None]) -> None:
        try:
            self._open()
            self._link.run(run)
        except BaseException:
            self._leave()
            raise

    def _open(self) -> None:
        """A transaction on a connection that answers: one that the server ended while nobody looked is made again, once."""
        try:
            self._link.connect()
            self._link.run(self._link.say, BEGIN)
        except OF_A_LINK:
            self._link.forget()
            self._link.connect()
            self._link.run(self._link.say, BEGIN)

    def _leave(self) -> None:
        """Outside of `run` nothing may stay open: a connection that cannot be brought back is dropped, and the next batch makes another."""
        if self._link.is_in_transaction():
            try:
                self._link.run(self._link.say, "ROLLBACK")
            except Exception:  # noqa: BLE001  it is dropped, which undoes the transaction as well
                self._link.forget()

    def begin(self) -> None:
        self._first = True
        if not self._link.is_in_transaction():  # `within` has begun the first one of a batch
            self._link.say(BEGIN)

    def commit(self) -> None:
        self._link.say("COMMIT")

    def rollback(self) -> None:
        self._leave()

    def savepoint(self) -> None:
        self._saved = not self._first
        self._first = False
        if self._saved:
            self._link.say("SAVEPOINT work")

    def release(self) -> None:
        if self._saved:
            self._link.say("RELEASE SAVEPOINT work")

    def undo(self) -> None:
        if self._saved:
            self._link.say("ROLLBACK TO SAVEPOINT work")
            return
        self._link.say("ROLLBACK")
        self.begin()
        self._first = False

    def is_open(self) -> bool:
        return self._link.is_in_transaction()

    def is_in_the_way(self, error: BaseException) -> bool:
        seen: BaseException | None = error
        while seen is not None:
            if getattr(seen, "sqlstate", None) in IN_THE_WAY or (
                isinstance(seen, DBAPIError) and getattr(seen.orig, "sqlstate", None) in IN_THE_WAY
            ):
                return True
            seen = seen.__cause__
        return False


class PostgresStore:
    """See `Store`. Any number of processes may have one on the same database."""

    in_one = 16  # who is taken from a wire has a connection of its own and waits behind none

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._beside = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="store-beside")
        # the one used last is the next: there are no more connections than are read on at once
        self._free: LifoQueue[Link | None] = LifoQueue()
        for _ in range(READERS):
            self._free.put(None)
        self._steps: Waiting[Job[Any]] = Waiting()
        self._links = [self._link() for _ in range(WRITERS + 1)]
        self._arrivals = GroupCommit(PostgresTransactions(self._links[0]), _nothing)
        self._writers = [
            GroupCommit(PostgresTransactions(link), _nothing, queue=self._steps, largest_batch=STEPS_BATCH)
            for link in self._links[1:]
        ]
        self._duties = _Duties(self._link())
        self._compacted: set[str] = set()
        self._closed = False

    @classmethod
    def open(cls, url: str) -> "PostgresStore":
        """Connects, verifies durability, brings the tables up to date. Raises SettingsError, StoreError."""
        _require_safe(url)
        engine = _engine(url)
        with ThreadPoolExecutor(max_workers=1) as beside:
            link = Link(engine, beside)
            try:
                link.connect()
                link.run(_verify, link)
                link.run(migrate_many, link.c, link.say)
            except OF_A_LINK as error:
                raise SettingsError(
                    "throughgate.toml", "gateway.store_url", f"the database cannot be used: {type(error).__name__}"
                ) from None
            finally:
                link.close()
        return cls(engine)

    def _link(self) -> Link:
        return Link(self._engine, self._beside)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if self._closed:
            raise StoreError("the store is closed")
        link = self._free.get() or self._link()
        try:
            _begin_reading(link)
            try:
                yield cast("Connection", Reading(link))
            finally:
                _end_reading(link)
        finally:
            self._free.put(link)

    def write(self, work: Callable[[Connection], T]) -> T:
        self._refuse_from_within()
        return self._writers[0].submit(work).result()

    def write_all(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        self._refuse_from_within()
        return self._writers[0].submit_all(works)

    async def write_async(self, work: Callable[[Connection], T]) -> T:
        self._refuse_from_within()
        future = self._arrivals.submit(work, asyncio.get_running_loop()).future
        assert future is not None
        return await future

    def _refuse_from_within(self) -> None:
        thread = threading.current_thread()
        if any(each.owns(thread) for each in (self._arrivals, *self._writers)):
            raise StoreError("a work must not call write again")

    def lead(self, duty: str) -> bool:
        return self._duties.has(duty)

    def compact(self, asked_for: str, *, at_most_bytes: int | None) -> bool:
        return compact_many(self._link(), self._compacted, asked_for, at_most_bytes=at_most_bytes)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for each in (self._arrivals, *self._writers):
            each.end()
        for each in (self._arrivals, *self._writers):
            each.join()
        self._duties.close()
        for link in self._links:
            link.close()
        for _ in range(READERS):
            if (reader := self._free.get()) is not None:
                reader.close()
        self._beside.shutdown()


class _Duties:
    """Which duties this process has: each is a lock that one connection holds for as long as it lives, and no other can have."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._has: set[str] = set()
        self._turn = threading.Lock()

    def has(self, duty: str) -> bool:
        with self._turn:
            try:
                if not self._link.is_alive():
                    self._has.clear()
                    self._link.connect()
                # INVARIANT: a duty is had only while the connection that holds its lock answers
                return self._link.run(self._ask, duty)
            except OF_A_LINK:
                self._has.clear()
                self._link.forget()
                return False

    def _ask(self, duty: str) -> bool:
        if duty in self._has:
            self._link.say("SELECT 1")
            return True
        statement = f"SELECT pg_try_advisory_lock({lock_key('duty', duty)})"
        if self._link.c.exec_driver_sql(statement).scalar():
            self._has.add(duty)
        return duty in self._has

    def close(self) -> None:
        with self._turn:
            self._link.close()


def _nothing() -> None:
    """After a commit there is nothing to do."""


def _begin_reading(link: Link) -> None:
    """A snapshot of this moment; on a new connection when the old one has gone."""
    for again in (True, False):
        try:
            link.connect()
            link.run(link.say, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1")
        except OF_A_LINK as error:
            link.forget()
            if not again:
                raise StoreUnavailable("the database does not answer") from error
        else:
            return


def _end_reading(link: Link) -> None:
    with contextlib.suppress(Exception):  # what was read stays read; a connection that has gone is made again next time
        if link.is_in_transaction():
            link.run(link.say, "ROLLBACK")
        link.run(mend, link.c)


def _engine(url: str) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=SESSION),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",  # transactions are driven by GroupCommit and by `read`, not by SQLAlchemy
        skip_autocommit_rollback=True,
        hide_parameters=True,  # INVARIANT: no value of a row in a log line or an exception
        execution_options={"compiled_cache": COMPILED},
    )
    guard(engine.sync_engine)
    event.listen(engine.sync_engine, "handle_error", _say_less)
    return engine


def _require_safe(url: str) -> None:
    """INVARIANT: beyond this machine only TLS with a verified name."""
    if not is_safe(url):
        raise SettingsError(
            "throughgate.toml", "gateway.store_url", "a database on another machine needs sslmode=verify-full"
        )


def is_safe(url: str) -> bool:
    """Is the database on this machine, or is it spoken to under TLS with a verified name?"""
    parts = urlsplit(url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host = asked.get("host") or parts.hostname or ""
    here = host in ("", "localhost", "127.0.0.1", "::1") or host.startswith("/")
    return here or asked.get("sslmode") == "verify-full"


def unfit(c: Connection) -> Iterator[str]:
    """Every setting of the server that durability rests on and that is otherwise than it has to be."""
    for name, good in DURABLE.items():
        found = c.exec_driver_sql(f"SHOW {name}").scalar()
        if found not in good:
            yield f"{name} is {found}, not {good[0]}: this database cannot keep what it acknowledges"
    if (encoding := c.exec_driver_sql("SHOW server_encoding").scalar()) != "UTF8":
        yield f"server_encoding is {encoding}, not UTF8"


def _verify(link: Link) -> None:
    """A setting that is off is an error at start-up, not a loss later."""
    for text in unfit(link.c):
        raise StoreError(text)


def faults(url: str) -> list[str]:
    """What is missing before this database can be used, each in a sentence. It changes nothing."""
    if not is_safe(url):
        return ["a database on another machine needs sslmode=verify-full"]
    with ThreadPoolExecutor(max_workers=1) as beside:
        link = Link(_engine(url), beside)
        try:
            link.connect()
            return link.run(lambda: [*unfit(link.c), *_rights(link.c)])
        except OF_A_LINK as error:
            return [f"the database cannot be used: {type(error).__name__}"]
        finally:
            link.close()


def _rights(c: Connection) -> Iterator[str]:
    """What the user must be able to do, and a standby cannot."""
    if not c.exec_driver_sql("SELECT has_schema_privilege(current_schema(), 'CREATE')").scalar():
        yield "the user may not make tables: make it the owner of the database and its schema"
    if c.exec_driver_sql("SELECT pg_is_in_recovery()").scalar():
        yield "this is a standby: name the primary (target_session_attrs=read-write)"
