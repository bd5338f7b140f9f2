"""The one writer: many works, each with its own savepoint, one fsynced COMMIT, then everybody is answered.

A batch is whatever waits when the writer is free: while one COMMIT is on its way to the disk the next batch gathers, so nobody
waits for a timer and a lone work commits at once. This module MUST NOT answer a caller before the COMMIT returned.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from gateway.errors import StoreUnavailable
from gateway.failpoints import pass_point
from gateway.store.engine import StoreError
from gateway.store.guard import mend

T = TypeVar("T")

LARGEST_BATCH = 256
"""Works in one commit. Beyond it the first callers would wait for the last ones without any gain."""


class Job(Generic[T]):
    """One work and what became of it."""

    def __init__(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop | None) -> None:
        self.work = work
        self.answer: T | None = None
        self.error: BaseException | None = None
        self.loop = loop
        self.future: asyncio.Future[T] | None = loop.create_future() if loop else None
        self._done = threading.Lock()
        self._done.acquire()

    def finish(self) -> None:
        self._done.release()

    def result(self) -> T:
        """Waits for the batch; answers or raises."""
        self._done.acquire()
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value]  # set by the writer unless error is

    def resolve(self) -> None:
        """In the event loop of the caller: hands over what became of it, unless the caller has gone."""
        if self.future is None or self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.answer)  # type: ignore[arg-type]  # set by the writer unless error is


class GroupCommit:
    """A thread that owns the writing connection. `after_commit` runs in it between batches (checkpoints)."""

    def __init__(self, c: Connection, raw: sqlite3.Connection, after_commit: Callable[[], None]) -> None:
        self._c = c
        self._raw = raw
        self._after_commit = after_commit
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._closed = False
        self._gate = threading.Lock()  # nothing is queued behind the end
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop | None = None) -> Job[T]:
        if threading.current_thread() is self._thread:
            raise StoreError("a work must not call write again")
        job = Job(work, loop)
        with self._gate:
            if self._closed:
                raise StoreError("the store is closed")
            self._queue.put(job)
        return job

    def stop(self) -> None:
        """Finishes what was submitted."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch: list[Job[Any]] = []
            more = self._commit(first, batch)
            _answer(batch)
            if not more:
                return
            self._after_commit()

    def _commit(self, first: Job[Any], batch: list[Job[Any]]) -> bool:
        """One transaction over everything that waits. False when the end of the queue was met."""
        job: Job[Any] | None = first
        more = True
        try:
            self._raw.execute("BEGIN IMMEDIATE")
            while job is not None:
                batch.append(job)
                self._run_one(job)
                job, more = self._next(len(batch))
            pass_point("store.before-commit")
            # INVARIANT: nothing is acknowledged before an fsynced commit (synchronous=FULL, verified at connect)
            self._raw.execute("COMMIT")
            pass_point("store.after-commit")
        except BaseException as error:  # noqa: BLE001  whatever it was, every caller of the batch must hear of it
            self._fail(batch or [first], error)
            if not batch:
                batch.append(first)
        return more

    def _next(self, length: int) -> tuple[Job[Any] | None, bool]:
        if length >= LARGEST_BATCH:
            return None, True
        try:
            job = self._queue.get_nowait()
        except Empty:
            return None, True
        return job, job is not None

    def _run_one(self, job: Job[Any]) -> None:
        self._raw.execute("SAVEPOINT work")
        try:
            job.answer = job.work(self._c)
        except BaseException as error:  # noqa: BLE001  raised again in the caller; the others of the batch go on
            job.error = error
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK TO work")
        if job.error is not None or self._c.in_nested_transaction():
            mend(self._c)
        if not self._raw.in_transaction:  # disk full, I/O error: SQLite undid the whole batch
            raise StoreUnavailable("the transaction was lost under a work")
        self._raw.execute("RELEASE work")

    def _fail(self, batch: list[Job[Any]], error: BaseException) -> None:
        """INVARIANT: a failed COMMIT fails every caller of the batch; those whose own work raised keep their own error."""
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")
        for job in batch:
            if job.error is None:
                unavailable = StoreUnavailable("the commit failed; nothing of this batch was kept")
                unavailable.__cause__ = error
                job.error = unavailable


def _answer(batch: list[Job[Any]]) -> None:
    """Wakes every caller; one call into an event loop however many of its coroutines wait."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in batch:
        if job.loop is None:
            job.finish()
        else:
            by_loop.setdefault(job.loop, []).append(job)
    for loop, jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, jobs)
        except RuntimeError:  # the loop was closed: nobody is there to hear it, and what was committed stays committed
            continue


def _resolve_all(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.resolve()
