"""The writer: many works, each (or all of one kind together) with a savepoint, one durable COMMIT, then everybody is answered.

A batch is whatever waits when the writer is free: while one COMMIT is on its way to the disk the next batch gathers, so nobody
waits for a timer and a lone work commits at once. This module MUST NOT answer a caller before the COMMIT returned.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from gateway.errors import StoreUnavailable
from gateway.failpoints import pass_point
from gateway.store.alike import Alike, each_answered
from gateway.store.away import is_away
from gateway.store.engine import StoreError
from gateway.store.guard import mend
from gateway.store.waiting import Waiting

T = TypeVar("T")

LARGEST_BATCH = 256
"""Works in one commit. Beyond it the first callers would wait for the last ones without any gain."""
TOGETHER = 64
"""Works of one kind under one savepoint."""
_AWAY = "the store is away; nothing of this was kept"
_AT_COMMIT = "the store went away at the commit: look whether this was kept before it is done again"
"""The server may have it all the same, and only its answer was lost."""
ATTEMPTS = 8
"""How often one work is run when other writers are in its way (deadlock, lock not had in time)."""


class Job(Generic[T]):
    """One work and what became of it."""

    def __init__(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop | None) -> None:
        self.work = work
        self.attempts = 0
        self.answer: T | None = None
        self.error: BaseException | None = None
        self.loop = loop
        self.future: asyncio.Future[T] | None = loop.create_future() if loop else None
        self._done = threading.Lock()
        self._done.acquire()

    @property
    def is_urgent(self) -> bool:
        """Does a coroutine wait for it? Then somebody on a wire waits for that."""
        return self.loop is not None

    def fits(self, other: "Job[Any]") -> bool:
        """Can the other be done in one with this?"""
        mine, its = self.work, other.work
        return isinstance(mine, Alike) and isinstance(its, Alike) and mine.many is its.many

    def finish(self) -> None:
        self._done.release()

    def result(self) -> T:
        """Waits for the batch; answers or raises."""
        self._done.acquire()
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value]  # set by the writer unless error is

    def outcome(self) -> T | Exception:
        """Waits for the batch; what was answered or raised."""
        try:
            return self.result()
        except Exception as error:  # noqa: BLE001  it is handed over as it is, to who asked
            return error

    def resolve(self) -> None:
        """In the event loop of the caller: hands over what became of it, unless the caller has gone."""
        if self.future is None or self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.answer)  # type: ignore[arg-type]  # set by the writer unless error is


class Transactions(Protocol):
    """One engine's transactions on one connection, which only the writer's thread uses."""

    @property
    def c(self) -> Connection:
        """The connection that works are given."""
        ...

    def within(self, run: Callable[[], None]) -> None:
        """Runs a batch in whatever the engine's driver needs around it."""
        ...

    def begin(self) -> None: ...

    def commit(self) -> None:
        """Durable when it returns."""
        ...

    def rollback(self) -> None: ...

    def savepoint(self) -> None: ...

    def release(self) -> None: ...

    def undo(self) -> None:
        """Back to the savepoint."""
        ...

    def is_open(self) -> bool:
        """Is there a transaction? False when the engine undid it by itself."""
        ...

    def is_in_the_way(self, error: BaseException) -> bool:
        """Was it only another writer, so that the same work may pass the next time?"""
        ...


class GroupCommit:
    """A thread that owns the writing connection; several may share a `queue`. `after_commit` runs in it between batches (checkpoints)."""

    def __init__(
        self,
        transactions: Transactions,
        after_commit: Callable[[], None],
        *,
        queue: "Waiting[Job[Any]] | None" = None,
        largest_batch: int = LARGEST_BATCH,
    ) -> None:
        self._transactions = transactions
        self._after_commit = after_commit
        self._largest_batch = largest_batch
        self._queue: Waiting[Job[Any]] = Waiting() if queue is None else queue
        self._closed = False
        self._gate = threading.Lock()  # nothing is queued behind the end
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def owns(self, thread: threading.Thread) -> bool:
        """Is this the thread that works run in?"""
        return thread is self._thread

    def submit(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop | None = None) -> Job[T]:
        job = Job(work, loop)
        self._put([job], urgent=job.is_urgent)
        return job

    def submit_all(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        """One behind the other, so that they share a commit; waits for what became of each."""
        jobs = [Job(work, None) for work in works]
        self._put(jobs, urgent=False)
        return [job.outcome() for job in jobs]

    def _put(self, jobs: list[Job[Any]], *, urgent: bool) -> None:
        if self.owns(threading.current_thread()):
            raise StoreError("a work must not call write again")
        with self._gate:
            if self._closed:
                raise StoreError("the store is closed")
            self._queue.put(jobs, urgent=urgent)

    def stop(self) -> None:
        """Finishes what was submitted."""
        self.end()
        self.join()

    def end(self) -> None:
        """Takes nothing more. Those that share a queue are all ended before one of them is waited for."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.end()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.first()) is not None:
            batch: list[Job[Any]] = []
            self._commit(first, batch)
            batch = self._again(batch)
            _answer(batch)
            self._after_commit()

    def _again(self, batch: list[Job[Any]]) -> list[Job[Any]]:
        """The whole work again, alone, where another writer was in the way of it: everything is read anew."""
        for job in batch:
            while job.error is not None and job.attempts < ATTEMPTS and self._transactions.is_in_the_way(job.error):
                job.error = None
                self._commit(job, [], alone=True)
        return batch

    def _commit(self, first: Job[Any], batch: list[Job[Any]], *, alone: bool = False) -> None:
        """One transaction over everything that waits (or over `first` alone)."""
        asked = False

        def run() -> None:
            nonlocal asked
            job: Job[Any] | None = first
            self._transactions.begin()
            while job is not None:
                jobs = [job]
                if not alone:
                    room = min(TOGETHER, self._largest_batch - len(batch)) - 1
                    jobs += self._queue.more(urgent=job.is_urgent, fits=job.fits, at_most=room)
                batch.extend(jobs)
                self._run_all(jobs)
                full = alone or len(batch) >= self._largest_batch
                job = None if full else self._queue.next(len(batch), only_urgent=job.is_urgent)
            pass_point("store.before-commit")
            asked = True
            # INVARIANT: nothing is acknowledged before a durable commit (each engine verifies at connect that it is one)
            self._transactions.commit()
            pass_point("store.after-commit")

        try:
            self._transactions.within(run)
        except BaseException as error:  # noqa: BLE001  whatever it was, every caller of the batch must hear of it
            self._fail(batch or [first], error, _AT_COMMIT if asked else _AWAY)
            if not batch:
                batch.append(first)

    def _run_all(self, jobs: list[Job[Any]]) -> None:
        """In one; each alone where it is the only one, or where that failed."""
        if len(jobs) > 1:
            alike = [job.work for job in jobs if isinstance(job.work, Alike)]
            answers, error = self._attempt(partial(each_answered, alike[0].many, [work.one for work in alike]))
            if error is None:
                for job, answer in zip(jobs, answers, strict=True):
                    job.attempts += 1
                    job.answer = answer
                return
        for job in jobs:
            job.attempts += 1
            job.answer, job.error = self._attempt(job.work)

    def _attempt(self, work: Callable[[Connection], Any]) -> tuple[Any, BaseException | None]:
        """What `work` answered, or what it raised; then nothing of it is left."""
        answer: Any = None
        error: BaseException | None = None
        self._transactions.savepoint()
        try:
            answer = work(self._transactions.c)
        except BaseException as raised:  # noqa: BLE001  raised again in the caller; the others of the batch go on
            error = _unavailable(raised) if is_away(raised) else raised
        try:
            if error is not None and self._transactions.is_open():
                self._transactions.undo()
            if error is not None or self._transactions.c.in_nested_transaction():
                mend(self._transactions.c)
        except Exception:  # a connection that has gone cannot be mended: that is said below, in the store's own words
            if self._transactions.is_open():
                raise
        if not self._transactions.is_open():  # disk full, I/O error, connection lost: the whole batch is undone
            raise StoreUnavailable("the transaction was lost under a work") from error
        self._transactions.release()
        return answer, error

    def _fail(self, batch: list[Job[Any]], error: BaseException, said: str) -> None:
        """INVARIANT: a failed COMMIT fails every caller of the batch; those whose own work raised keep their own error."""
        if self._transactions.is_open():
            self._transactions.rollback()
        for job in batch:
            if job.error is None:
                job.error = _unavailable(error, said)


def _unavailable(cause: BaseException, said: str = _AWAY) -> StoreUnavailable:
    unavailable = StoreUnavailable(said)
    unavailable.__cause__ = cause
    return unavailable


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
