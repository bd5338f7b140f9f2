"""What was deleted leaves the files: `secure_delete` does not write over the copies that SQLite leaves behind, a compaction does."""

import random
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from gateway.store import MemoryStore, SqliteStore, open_store
from gateway.store.compaction import AT_ONCE_BYTES
from gateway.store.schema import installation, sealed
from tests.gateway.store.rows import names, put

NOW = "2026-01-15T12:00:00.000000Z"
ROWS = 500
Row = dict[str, Any]


def some_id(choose: random.Random) -> str:
    return "".join(choose.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=20))


def lived(store: SqliteStore, choose: random.Random) -> list[Row]:
    """Sealed things come, get their person and later their end, as in a gateway; half of them are deleted, which is what this answers."""
    rows: list[Row] = [
        {
            "id": some_id(choose),
            "category": "body",
            "nonce": choose.randbytes(12),
            "ciphertext": choose.randbytes(choose.randint(40, 400)),
            "wrapped_key": choose.randbytes(60),
            "wrapped_by": "installation",
            "created_at": NOW,
        }
        for _ in range(ROWS)
    ]
    store.write_all([lambda c, row=row: c.execute(insert(sealed).values(row)) for row in rows])  # type: ignore[misc]  # mypy does not infer it
    shuffled = choose.sample(rows, ROWS)
    for row in shuffled:
        row["wrapped_by"] = some_id(choose)
    changes = [
        update(sealed).where(sealed.c.id == row["id"]).values(wrapped_by=row["wrapped_by"], ends_at=NOW)
        for row in shuffled
    ]
    store.write_all([lambda c, change=change: c.execute(change) for change in changes])  # type: ignore[misc]  # mypy does not infer it
    gone = choose.sample(rows, ROWS // 2)
    deletions = [delete(sealed).where(sealed.c.id == row["id"]) for row in gone]
    store.write_all([lambda c, each=each: c.execute(each) for each in deletions])  # type: ignore[misc]  # mypy does not infer it
    return gone


def left_of(gone: list[Row], folder: Path) -> set[str]:
    """The columns of which something stands in any file."""
    files = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    marks = {name: [bytes(row[name])[:32] for row in gone] for name in ("ciphertext", "wrapped_key")}
    marks["id"] = [row["id"].encode() for row in gone]
    return {name for name, each in marks.items() if any(mark in files for mark in each)}


def with_remnants(folder: Path) -> tuple[SqliteStore, list[Row]]:
    """A store in whose files something of what was deleted is left, its log cut: SQLite's doing, about one in two has some."""
    for seed in range(12):
        (place := folder / str(seed)).mkdir()
        store = open_store(f"sqlite:///{place / 'gateway.db'}")
        assert isinstance(store, SqliteStore)
        gone = lived(store, random.Random(seed))
        store.close()
        if "ciphertext" in left_of(gone, place):
            again = open_store(f"sqlite:///{place / 'gateway.db'}")
            assert isinstance(again, SqliteStore)
            return again, gone
    raise AssertionError("secure_delete leaves nothing behind any more: then a compaction is not needed either")


def test_whole_rows_stay_in_the_file_until_it_is_written_anew(tmp_path: Path) -> None:
    """Live, with the log: nothing waits for the process to end."""
    store, gone = with_remnants(tmp_path)
    folder = Path(store._folder)
    assert left_of(gone, folder) >= {"id", "ciphertext"}, (
        "sabotage: this is what a look at the bytes finds without a compaction"
    )
    assert store.compact("once", at_most_bytes=AT_ONCE_BYTES)
    assert left_of(gone, folder) == set()
    with store.read() as c:
        assert c.scalar(select(func.count()).select_from(sealed)) == ROWS - len(gone)
    store.write(put("after"))
    store.close()
    check = sqlite3.connect(folder / "gateway.db")
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_what_is_larger_waits_for_a_person(tmp_path: Path) -> None:
    store, gone = with_remnants(tmp_path)
    folder = Path(store._folder)
    assert not store.compact("once", at_most_bytes=1_000)
    assert left_of(gone, folder) >= {"id", "ciphertext"}
    assert store.compact("once", at_most_bytes=None)
    assert left_of(gone, folder) == set()
    store.close()


def test_while_somebody_still_reads_what_was_there_it_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new pages are in the log then, and the old ones in the file. Later only the log is cut: the tables are not written anew again."""
    monkeypatch.setattr("gateway.store.sqlite.READERS_END_MILLISECONDS", 50)
    store, gone = with_remnants(tmp_path)
    folder = Path(store._folder)
    store.write(put("before"))
    with store.read() as c:
        assert not store.compact("once", at_most_bytes=AT_ONCE_BYTES)
        store.write(put("beside"))
        assert c.scalars(select(installation.c.name)).all() == ["before"]
        assert "ciphertext" in left_of(gone, folder)
    assert store.compact("once", at_most_bytes=AT_ONCE_BYTES)
    assert left_of(gone, folder) == set()
    assert names(store) == ["before", "beside"]
    store.close()


def test_while_another_process_writes_it_is_not_done_and_not_tried_again_by_itself(tmp_path: Path) -> None:
    store, gone = with_remnants(tmp_path)
    folder = Path(store._folder)
    other = sqlite3.connect(folder / "gateway.db", isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA busy_timeout = 0")
    store._transactions.raw.execute("PRAGMA busy_timeout = 50")

    def holding() -> None:
        """The empty work that goes before has committed: now somebody else writes."""
        other.execute("BEGIN IMMEDIATE")

    plain = store._write_anew

    def met(*, in_memory: bool) -> bool:
        holding()
        return plain(in_memory=in_memory)

    store._write_anew = met  # type: ignore[method-assign]  # so that the other one comes exactly then
    assert not store.compact("once", at_most_bytes=AT_ONCE_BYTES)
    other.execute("ROLLBACK")
    other.close()
    store._write_anew = plain  # type: ignore[method-assign]  # nobody is in the way now
    assert not store.compact("once", at_most_bytes=AT_ONCE_BYTES)
    assert "ciphertext" in left_of(gone, folder)
    assert store.compact("another", at_most_bytes=AT_ONCE_BYTES)
    assert left_of(gone, folder) == set()
    store.close()


def test_who_writes_meanwhile_is_acknowledged_behind_it(file_store: SqliteStore) -> None:
    """Nobody is refused, nothing is lost."""
    file_store.write(put("first", "x" * 2_000_000))
    threads = [threading.Thread(target=file_store.write, args=(put(f"w{n:02}"),)) for n in range(20)]
    for thread in threads[:10]:
        thread.start()
    assert file_store.compact("once", at_most_bytes=AT_ONCE_BYTES)
    for thread in threads[10:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(file_store) == ["first", *(f"w{n:02}" for n in range(20))]


def test_a_memory_store_has_no_file() -> None:
    store = MemoryStore.create()
    assert store.compact("once", at_most_bytes=0)
    store.close()
