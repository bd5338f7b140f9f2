"""The SQLite engine: what was acknowledged survives a kill, snapshots hold, files are private, the log is cut."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.errors import SettingsError
from gateway.store import MemoryStore, SqliteStore, StoreError, open_store
from gateway.store.schema import installation
from gateway.store.sqlite import _PRAGMAS, WAL_LIMIT_BYTES, _prepare
from tests.gateway.store.rows import names, put

ROOT = Path(__file__).resolve().parents[3]

CHILD = """
import sys, threading
from gateway.store import open_store
from tests.gateway.store.rows import put
store = open_store(sys.argv[1])
start = int(sys.argv[2])
def call(caller):
    number = 0
    while True:
        name = f"{start}/{caller}/{number}"
        store.write(put(name))
        sys.stdout.write(name + "\\n")
        sys.stdout.flush()
        number += 1
for caller in range(8):
    threading.Thread(target=call, args=(caller,)).start()
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    acknowledged: set[str] = set()
    for start in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, url, str(start)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(100 + 70 * start):
            acknowledged.add(child.stdout.readline().strip())
        child.send_signal(signal.SIGKILL)
        # whole lines that were on their way are acknowledgements too
        acknowledged |= {line.strip() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")}
        child.wait()
        child.stdout.close()
    assert len(acknowledged) >= 510
    store = open_store(url)
    assert acknowledged <= set(names(store))
    store.close()
    check = sqlite3.connect(tmp_path / "gateway.db")
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_a_read_is_a_snapshot_as_of_its_entry(file_store: SqliteStore) -> None:
    file_store.write(put("a"))
    with file_store.read() as c:
        file_store.write(put("b"))
        assert c.scalar(select(func.count()).select_from(installation)) == 1
    with file_store.read() as c:
        assert c.scalar(select(func.count()).select_from(installation)) == 2


def test_the_pragmas_hold_on_every_connection(file_store: SqliteStore) -> None:
    with file_store.read() as c:
        found = {name: c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in _PRAGMAS}
        assert found == _PRAGMAS
        assert c.exec_driver_sql("PRAGMA query_only").scalar() == 1
    assert {name: file_store._transactions.raw.execute(f"PRAGMA {name}").fetchone()[0] for name in _PRAGMAS} == _PRAGMAS
    assert (_PRAGMAS["journal_mode"], _PRAGMAS["synchronous"], _PRAGMAS["secure_delete"]) == ("wal", 2, 1)


def test_a_database_that_cannot_be_durable_is_refused() -> None:
    """Sabotage: a database in memory has no write-ahead log, and the check at connect finds it."""
    c = sqlite3.connect(":memory:")
    with pytest.raises(StoreError, match="PRAGMA journal_mode is memory, not wal"):
        _prepare(c)
    c.close()


def test_nobody_else_can_read_the_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
        store.write(put("a"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes == {"gateway.db": 0o600, "gateway.db-wal": 0o600, "gateway.db-shm": 0o600}


def test_a_file_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.touch(mode=0o644)
    open_store(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_write_ahead_log_is_truncated_when_it_is_long(file_store: SqliteStore, tmp_path: Path) -> None:
    wal = tmp_path / "gateway.db-wal"
    longest = 0
    for number in range(30):
        file_store.write(put(f"{number:02}", "x" * 400_000))
        longest = max(longest, wal.stat().st_size)
    assert longest < 2 * WAL_LIMIT_BYTES + 500_000  # which the next commit waits behind
    assert is_cut(wal)


def is_cut(wal: Path) -> bool:
    """It is copied beside whoever writes, and cut though nobody does."""
    ends = time.monotonic() + 20
    while wal.stat().st_size >= WAL_LIMIT_BYTES and time.monotonic() < ends:
        time.sleep(0.01)
    return wal.stat().st_size < WAL_LIMIT_BYTES


def test_nobody_who_writes_waits_while_the_log_is_copied(
    file_store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    copy = SqliteStore._copy
    monkeypatch.setattr(SqliteStore, "_copy", lambda store: may_end.wait(20) and copy(store))
    wal = tmp_path / "gateway.db-wal"
    for number in range(14):
        file_store.write(put(f"{number:02}", "x" * 400_000))
    assert WAL_LIMIT_BYTES < wal.stat().st_size < 2 * WAL_LIMIT_BYTES
    may_end.set()
    assert is_cut(wal)
    assert len(names(file_store)) == 14


def test_a_long_read_only_delays_the_truncation(file_store: SqliteStore, tmp_path: Path) -> None:
    wal = tmp_path / "gateway.db-wal"
    with file_store.read() as c:
        for number in range(20):
            file_store.write(put(f"{number:02}", "x" * 400_000))
        assert c.scalar(select(func.count()).select_from(installation)) == 0
        assert wal.stat().st_size > WAL_LIMIT_BYTES
    file_store.write(put("a"))
    file_store.write(put("b"))
    assert is_cut(wal)
    assert len(names(file_store)) == 22


def test_what_was_deleted_is_not_in_the_file(file_store: SqliteStore, tmp_path: Path) -> None:
    """secure_delete: the bytes are overwritten, and close cuts the log."""
    canary = "CANARY-" * 50
    file_store.write(put("a", canary))
    file_store.write(lambda c: c.execute(installation.delete()))
    file_store.close()
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"CANARY" not in left


def test_two_stores_on_one_file_see_each_other(file_store: SqliteStore, tmp_path: Path) -> None:
    """A command beside a running gateway."""
    beside = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
    beside.write(put("command"))
    file_store.write(put("gateway"))
    assert names(file_store) == names(beside) == ["command", "gateway"]
    beside.close()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("oracle://localhost/db", "engine 'oracle' is not supported"),
        ("nonsense", "not a URL"),
        ("sqlite:////nowhere/at/all/db", "folder of the database does not exist"),
        ("sqlite:////tmp", "cannot be opened"),
        ("sqlite:////tmp/db?mode=ro", "not supported"),
    ],
)
def test_a_store_url_that_does_not_fit_says_what_is_wrong(url: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        open_store(url)


def test_a_store_url_without_a_file_is_memory() -> None:
    store = open_store("sqlite://")
    assert isinstance(store, MemoryStore)
    store.close()


def test_a_copy_of_a_memory_store_is_its_own(tmp_path: Path) -> None:
    first = MemoryStore.create()
    first.write(put("both"))
    second = first.copy()
    first.write(put("first"))
    second.write(put("second"))
    assert names(first) == ["both", "first"]
    assert names(second) == ["both", "second"]
    first.close()
    assert names(second) == ["both", "second"]
    second.close()


def test_a_second_opening_in_the_process_loses_no_commit(tmp_path: Path) -> None:
    """POSIX drops a process's locks on a file when it closes any handle of it. A database whose locks are gone looks abandoned: the next
    process to close it deletes the log that this one still writes to, and what was acknowledged is in no file any more.
    """
    database = tmp_path / "throughgate.db"
    store = open_store(f"sqlite:///{database}")
    store.write(put("before"))
    open_store(f"sqlite:///{database}").close()
    other = f"import sqlite3; c = sqlite3.connect({str(database)!r}); c.execute('SELECT * FROM installation').fetchall(); c.close()"
    subprocess.run([sys.executable, "-c", other], check=True)
    store.write(put("after"))
    look = f"import sqlite3; print(sqlite3.connect({str(database)!r}).execute('SELECT name FROM installation ORDER BY name').fetchall())"
    seen = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout
    store.close()
    assert "after" in seen
    assert "before" in seen
