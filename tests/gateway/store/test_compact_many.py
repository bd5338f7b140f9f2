"""On the engine of many writers too: what was deleted leaves the tables' files when they are written anew, and not with a plain VACUUM."""

import random
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select

from gateway.store import Store, compact_many
from gateway.store.compaction import AT_ONCE_BYTES
from gateway.store.postgres import PostgresStore
from gateway.store.schema import sealed
from tests.engines import database
from tests.gateway.store.rows import names, put

NOW = "2026-01-15T12:00:00.000000Z"
ROWS = 300


def half_deleted(store: Store) -> list[bytes]:
    """The beginnings of what was sealed and is deleted."""
    choose = random.Random(1)
    rows: list[dict[str, Any]] = [
        {
            "id": f"S{number}",
            "category": "body",
            "nonce": b"n" * 12,
            "ciphertext": choose.randbytes(300),
            "wrapped_key": choose.randbytes(60),
            "wrapped_by": "installation",
            "created_at": NOW,
        }
        for number in range(ROWS)
    ]
    store.write(lambda c: c.execute(insert(sealed), rows))
    gone = rows[::2]
    store.write(lambda c: c.execute(delete(sealed).where(sealed.c.id.in_([row["id"] for row in gone]))))
    return [row["ciphertext"][:32] for row in gone]


def in_the_files(url: str, marks: list[bytes]) -> bool:
    """Does one of these stand in any file of this database? The write-ahead log is the server's, for all databases, and not looked at."""
    server, name = database(), url.rsplit("/", 1)[1]
    assert server.sql("CHECKPOINT", name)
    found = server.folder / "oid"
    assert server.sql(f"COPY (SELECT oid FROM pg_database WHERE datname = '{name}') TO '{found}'", name)
    folder = server.folder / "data" / "base" / found.read_text("utf-8").strip()
    found.unlink()
    content = [path.read_bytes() for path in Path(folder).iterdir() if path.is_file()]
    return any(mark in each for mark in marks for each in content)


def test_what_was_deleted_leaves_the_files(shared_store: PostgresStore, database_url: str) -> None:
    gone = half_deleted(shared_store)
    assert in_the_files(database_url, gone)
    assert database().sql("VACUUM", database_url.rsplit("/", 1)[1])
    assert in_the_files(database_url, gone), "sabotage: where nothing is written anew the look at the bytes finds it"
    assert not shared_store.compact("once", at_most_bytes=1_000)
    assert in_the_files(database_url, gone)
    assert shared_store.compact("once", at_most_bytes=AT_ONCE_BYTES)
    assert not in_the_files(database_url, gone)
    with shared_store.read() as c:
        assert c.scalar(select(func.count()).select_from(sealed)) == ROWS / 2


def test_while_a_snapshot_keeps_it_it_is_not_done(
    shared_store: PostgresStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be copied along. Nobody waits for that snapshot longer than is said, and a person can ask again."""
    monkeypatch.setattr(compact_many, "LOOKS", 4)
    ready, ends = threading.Event(), threading.Event()

    def read() -> None:
        with shared_store.read() as c:
            c.execute(select(sealed.c.id)).all()
            ready.set()
            ends.wait()

    reader = threading.Thread(target=read)
    reader.start()
    ready.wait()
    gone = half_deleted(shared_store)
    assert not shared_store.compact("once", at_most_bytes=AT_ONCE_BYTES)
    assert in_the_files(database_url, gone)
    ends.set()
    reader.join()
    assert not shared_store.compact("once", at_most_bytes=AT_ONCE_BYTES), "by itself it is tried once"
    assert shared_store.compact("once", at_most_bytes=None)
    assert not in_the_files(database_url, gone)


def test_who_writes_meanwhile_loses_nothing(shared_store: PostgresStore) -> None:
    half_deleted(shared_store)
    threads = [threading.Thread(target=shared_store.write, args=(put(f"w{n:02}"),)) for n in range(20)]
    for thread in threads[:10]:
        thread.start()
    assert shared_store.compact("once", at_most_bytes=None)
    for thread in threads[10:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(shared_store) == [f"w{n:02}" for n in range(20)]
