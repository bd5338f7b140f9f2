"""One connection to PostgreSQL with an event loop of its own, driven by whichever thread uses it, one at a time.

The driver is asynchronous and the middle of the gateway is not: SQLAlchemy runs the synchronous work beside the loop and hands every
wait to it. This module MUST NOT share a loop between two links.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar, cast

import asyncpg  # type: ignore[import-untyped]  # the driver has no types
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util.concurrency import await_, greenlet_spawn

from gateway.errors import StoreUnavailable
from gateway.store.away import is_away

T = TypeVar("T")

CLOSE_SECONDS = 5
LAST_WORDS = frozenset({"FATAL", "PANIC"})
"""Severities of the protocol (PostgreSQL, Error and Notice Message Fields) with which the server ends a session."""
OF_THE_DRIVER: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
OF_A_LINK: Final = (*OF_THE_DRIVER, DBAPIError, OSError, TimeoutError)
"""What comes when the other side is not there, or not as it was left."""


class Link:
    """`run(work, ...)` calls `work` where statements on `c` may be executed; `say` sends one plain statement from inside it."""

    def __init__(self, engine: AsyncEngine, beside: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._beside = beside
        self._loop = asyncio.new_event_loop()
        self._connection: AsyncConnection | None = None
        self._raw: Any = None

    def connect(self) -> None:
        """Connects when it is not connected. Raises what the driver raises."""
        if self._connection is not None and not self._raw.is_closed():
            return
        self.forget()
        self._connection = self._wait(self._open())

    async def _open(self) -> AsyncConnection:
        connection = await self._engine.connect()
        fairy = await connection.get_raw_connection()
        self._raw = fairy.driver_connection
        return connection

    @property
    def c(self) -> Connection:
        """The synchronous face of the connection; its statements only work inside `run`."""
        assert self._connection is not None
        return cast("Connection", self._connection.sync_connection)

    @property
    def raw(self) -> asyncpg.Connection:
        """The driver's connection."""
        return self._raw

    def run(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Calls `work` and answers what it answers."""
        return self._wait(greenlet_spawn(work, *arguments, **named))

    def fetch(self, text: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows of one statement of the driver's own; from outside `run`."""
        try:
            rows: Sequence[Sequence[Any]] = self._wait(self._raw.fetch(text, *values))
        except OF_THE_DRIVER as error:
            end_with(error, self._raw)
            raise
        return rows

    def say(self, statement: str) -> None:
        """One statement without parameters, from inside `run`."""
        try:
            await_(self._raw.execute(statement))
        except OF_THE_DRIVER as error:
            end_with(error, self._raw)
            raise

    def is_in_transaction(self) -> bool:
        return self._raw is not None and not self._raw.is_closed() and bool(self._raw.is_in_transaction())

    def is_alive(self) -> bool:
        return self._raw is not None and not self._raw.is_closed()

    def forget(self) -> None:
        """Drops the connection without a word to the other side, which may be gone."""
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        raw, self._raw = self._raw, None
        with contextlib.suppress(Exception):
            raw.terminate()
        with contextlib.suppress(Exception):
            self._wait(connection.invalidate())
        with contextlib.suppress(Exception):
            self._wait(connection.close())

    def close(self) -> None:
        """Ends the connection and the loop."""
        if self._connection is not None:
            with contextlib.suppress(Exception):  # the other side may be gone, and nothing is open
                self._wait(self._raw.close(timeout=CLOSE_SECONDS))
            self.forget()
        if not self._loop.is_closed():
            self._loop.close()

    def _wait(self, awaitable: Awaitable[T]) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._loop.run_until_complete(awaitable)
        # called from a coroutine: its loop cannot be used for this, and two loops do not run in one thread
        return self._beside.submit(self._loop.run_until_complete, awaitable).result()


def end_with(error: BaseException | None, connection: asyncpg.Connection) -> None:
    """The connection is closed from here on if `error` was the server's last word to it, or if the driver lost its place in what was said.

    That word arrives before the end of the connection does: whoever asked in between would find it open and take an outage for an answer.
    """
    if getattr(error, "severity_en", None) in LAST_WORDS or isinstance(error, asyncpg.InternalClientError):
        connection.terminate()


class Reading:
    """What a reader is given: the questions of a `Connection`, each asked through its link; answers are whole before they are handed over."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def execute(self, *arguments: Any, **named: Any) -> Any:
        return self._ask("execute", *arguments, **named)

    def scalar(self, *arguments: Any, **named: Any) -> Any:
        return self._ask("scalar", *arguments, **named)

    def scalars(self, *arguments: Any, **named: Any) -> Any:
        return self._ask("scalars", *arguments, **named)

    def exec_driver_sql(self, *arguments: Any, **named: Any) -> Any:
        return self._ask("exec_driver_sql", *arguments, **named)

    def fetch(self, text: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """What a `Statement` asks."""
        return self._answer(self._link.fetch, text, values)

    def _ask(self, question: str, *arguments: Any, **named: Any) -> Any:
        return self._answer(self._link.run, getattr(self._link.c, question), *arguments, **named)

    def _answer(self, ask: Callable[..., T], *arguments: Any, **named: Any) -> T:
        try:
            return ask(*arguments, **named)
        except Exception as error:
            if self._link.is_alive() and not is_away(error):
                raise
            raise StoreUnavailable("the database is away") from error

    @property
    def dialect(self) -> Any:
        return self._link.c.dialect
