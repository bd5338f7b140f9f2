"""The group commit: many works, one fsync; a failure of the commit reaches everybody, a failure of a work only its caller."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.failpoints import hooked
from gateway.store import SqliteStore, StoreError, StoreUnavailable, group_commit
from gateway.store.group_commit import LARGEST_BATCH
from gateway.store.guard import mend
from tests.gateway.store.rows import names, put


class Caller(threading.Thread):
    """One caller of `write` and what it got."""

    def __init__(self, store: SqliteStore, work: Callable[[Connection], Any]) -> None:
        super().__init__()
        self._store = store
        self._work = work
        self.answer: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._store.write(self._work)
        except BaseException as error:  # noqa: BLE001  looked at by the test
            self.error = error


def in_one_batch(store: SqliteStore, works: list[Callable[[Connection], Any]]) -> list[Caller]:
    """Holds the writer in a first work until all the others wait behind it."""
    inside, go = threading.Event(), threading.Event()

    def holds(c: Connection) -> None:
        inside.set()
        assert go.wait(20)

    first = Caller(store, holds)
    assert inside.wait(20)
    callers = [Caller(store, work) for work in works]
    while len(store._writer._queue) < len(works):
        threading.Event().wait(0.001)
    go.set()
    for caller in (first, *callers):
        caller.join()
    return callers


class Commits:
    """Counts the commits, and raises at a point if told to."""

    def __init__(self, raise_at: str = "") -> None:
        self.count = 0
        self.raise_at = raise_at

    def __call__(self, point: str) -> None:
        if point == "store.after-commit":
            self.count += 1
        if point == self.raise_at:
            raise OSError("the disk is gone")


def raises(c: Connection) -> None:
    put("undone")(c)
    raise LookupError("on purpose")


def test_what_cannot_be_taken_back_is_the_store_s_fault_and_not_the_work_s(
    file_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction goes away under a work, and mending the connection fails too: nothing was kept, and the same can go well later."""

    def gone(c: Connection) -> None:
        c.exec_driver_sql("ROLLBACK")
        raise LookupError("what a driver says of a connection that has gone")

    def fails(c: Connection) -> None:
        mend(c)
        raise OSError("the connection has gone")

    monkeypatch.setattr(group_commit, "mend", fails)
    lost, beside = in_one_batch(file_store, [gone, put("beside")])
    assert isinstance(lost.error, StoreUnavailable)
    monkeypatch.undo()
    assert isinstance(beside.error, StoreUnavailable | None)
    file_store.write(put("later"))
    assert "later" in names(file_store)


def test_what_waits_together_is_committed_together(file_store: SqliteStore) -> None:
    commits = Commits()
    with hooked(commits):
        callers = in_one_batch(file_store, [put(f"{number:02}") for number in range(50)])
    assert commits.count == 1
    assert [caller.answer for caller in callers] == [f"{number:02}" for number in range(50)]
    assert len(names(file_store)) == 50


def test_a_batch_has_an_end(file_store: SqliteStore) -> None:
    commits = Commits()
    with hooked(commits):
        in_one_batch(file_store, [put(f"{number:03}") for number in range(LARGEST_BATCH)])
    assert commits.count == 2  # the work that held the writer is one of the first batch
    assert len(names(file_store)) == LARGEST_BATCH


def test_a_lone_work_is_committed_at_once_and_alone(file_store: SqliteStore) -> None:
    commits = Commits()
    with hooked(commits):
        for number in range(5):
            file_store.write(put(str(number)))
    assert commits.count == 5


def test_a_work_that_raises_undoes_only_itself(file_store: SqliteStore) -> None:
    commits = Commits()
    with hooked(commits):
        before, bad, after = in_one_batch(file_store, [put("before"), raises, put("after")])
    assert commits.count == 1
    assert isinstance(bad.error, LookupError)
    assert (before.error, after.error) == (None, None)
    assert names(file_store) == ["after", "before"]


def test_a_failed_commit_fails_every_caller_and_keeps_nothing(file_store: SqliteStore) -> None:
    with hooked(Commits(raise_at="store.before-commit")):
        one, bad, two = in_one_batch(file_store, [put("one"), raises, put("two")])
    assert isinstance(one.error, StoreUnavailable)
    assert isinstance(two.error, StoreUnavailable)
    assert isinstance(one.error.__cause__, OSError)
    assert isinstance(bad.error, LookupError)
    assert names(file_store) == []
    file_store.write(put("again"))
    assert names(file_store) == ["again"]


def test_a_commit_that_nobody_hears_of_is_kept(file_store: SqliteStore) -> None:
    """Lost between the commit and the answer: the caller is told to look, and nowhere that nothing was kept."""
    with hooked(Commits(raise_at="store.after-commit")), pytest.raises(StoreUnavailable, match="look whether"):
        file_store.write(put("kept"))
    assert names(file_store) == ["kept"]


def test_a_full_disk_acknowledges_nothing_that_is_not_kept(file_store: SqliteStore, tmp_path: Path) -> None:
    driver = file_store._transactions.raw
    pages = driver.execute("PRAGMA page_count").fetchone()[0]
    driver.execute(f"PRAGMA max_page_count = {pages + 20}")
    acknowledged = []
    refused = 0
    for number in range(40):
        works = [put(f"{number:02}/{part}", "x" * 3000) for part in range(3)]
        for caller in in_one_batch(file_store, list(works)):
            if caller.error is None:
                acknowledged.append(caller.answer)
            else:
                refused += 1
    assert refused > 0
    assert acknowledged
    assert names(file_store) == sorted(acknowledged)
    driver.execute(f"PRAGMA max_page_count = {pages + 1000}")
    file_store.write(put("zz", "x" * 3000))
    assert "zz" in names(file_store)


def test_a_transaction_lost_under_a_work_fails_the_whole_batch(file_store: SqliteStore) -> None:
    """What SQLite does by itself for some I/O errors: the transaction of everybody is gone."""

    def loses(c: Connection) -> None:
        file_store._transactions.raw.execute("ROLLBACK")

    one, two = in_one_batch(file_store, [put("one"), loses])
    assert isinstance(one.error, StoreUnavailable)
    assert isinstance(two.error, StoreUnavailable)
    file_store.write(put("next"))
    assert names(file_store) == ["next"]


def test_another_process_that_holds_the_lock_too_long(file_store: SqliteStore, tmp_path: Path) -> None:
    file_store._transactions.raw.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        file_store.write(put("blocked"))
    other.execute("ROLLBACK")
    other.close()
    file_store.write(put("free"))
    assert names(file_store) == ["free"]


async def test_a_coroutine_that_is_cancelled_does_not_disturb_the_others(file_store: SqliteStore) -> None:
    inside, go = threading.Event(), threading.Event()

    def holds(c: Connection) -> None:
        inside.set()
        assert go.wait(20)

    first = asyncio.create_task(file_store.write_async(holds))
    await asyncio.to_thread(inside.wait, 20)
    gone = asyncio.create_task(file_store.write_async(put("gone")))
    stays = asyncio.create_task(file_store.write_async(put("stays")))
    await asyncio.sleep(0)
    gone.cancel()
    go.set()
    await first
    assert await stays == "stays"
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert "stays" in names(file_store)


def test_a_loop_that_is_closed_does_not_stop_the_writer(file_store: SqliteStore) -> None:
    inside, go = threading.Event(), threading.Event()

    def holds(c: Connection) -> None:
        inside.set()
        assert go.wait(20)

    async def leaves() -> None:
        task = asyncio.create_task(file_store.write_async(holds))
        await asyncio.to_thread(inside.wait, 20)
        task.cancel()

    asyncio.run(leaves())
    go.set()
    file_store.write(put("next"))
    assert names(file_store) == ["next"]


def test_close_finishes_what_was_asked_for_and_takes_no_more(file_store: SqliteStore) -> None:
    in_one_batch(file_store, [put("a"), put("b")])
    file_store.close()
    file_store.close()
    with pytest.raises(StoreError, match="closed"):
        file_store.write(put("c"))
