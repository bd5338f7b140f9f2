"""Writes a second through the store beside the floor of the same run: bare sqlite3 with the same PRAGMAs and rows, one fsync a write.

    .venv/bin/python -m tests.bench.store_writes [seconds]

One write is what an acceptance costs the store: a 5 kB sealed body, a message row, a ledger entry.
Prints JSON lines: name, callers, per_second, p50_ms, p99_ms, ratio_to_floor.
"""

import json
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, insert

from gateway.keys.identifiers import RandomIds
from gateway.ledger import record
from gateway.store import Store, open_store
from gateway.store.schema import message, sealed
from gateway.store.sqlite import _prepare

AT = "2026-01-15T12:00:00.000000Z"
BODY = os.urandom(5_000)
IDS = RandomIds()
_SEALED = insert(sealed)
_MESSAGE = insert(message)


def acceptance(c: Connection) -> None:
    sealed_id, message_id = IDS.entry(), IDS.entry()
    c.execute(
        _SEALED,
        {
            "id": sealed_id, "category": "body", "nonce": b"n" * 12, "ciphertext": BODY, "wrapped_key": b"w" * 40,
            "wrapped_by": "installation", "created_at": AT,
        },
    )  # fmt: skip
    c.execute(
        _MESSAGE,
        {
            "id": message_id, "key_index": os.urandom(32), "body_index": os.urandom(32), "client": "c", "channel": "c",
            "format": "hl7v2", "kind": "ADT^A01", "processing_id": "P", "state": "received", "body_id": sealed_id,
            "step": 1, "attempts": 0, "received_at": AT,
        },
    )  # fmt: skip
    record(c, entry_id=IDS.entry(), chain=message_id, step=1, event="received", at=AT, facts={"kind": "ADT^A01"})


def bare(c: sqlite3.Connection) -> None:
    """The same rows by hand."""
    sealed_id, message_id, entry_id = IDS.entry(), IDS.entry(), IDS.entry()
    c.execute("BEGIN IMMEDIATE")
    c.execute(
        "INSERT INTO sealed VALUES (?,?,?,?,?,?,?,?)",
        (sealed_id, "body", b"n" * 12, BODY, b"w" * 40, "installation", AT, None),
    )
    c.execute(
        "INSERT INTO message (id, key_index, body_index, client, channel, format, kind, processing_id, state, body_id, step,"
        " attempts, received_at) VALUES (?,?,?,'c','c','hl7v2','ADT^A01','P','received',?,1,0,?)",
        (message_id, os.urandom(32), os.urandom(32), sealed_id, AT),
    )
    c.execute("INSERT INTO ledger_entry (id, chain, step, body) VALUES (?,?,1,?)", (entry_id, message_id, b"x" * 180))
    c.execute("COMMIT")


def measure(call: Callable[[], None], callers: int, seconds: float) -> dict[str, float]:
    times: list[float] = []
    end = time.perf_counter() + seconds

    def loop() -> None:
        while (start := time.perf_counter()) < end:
            call()
            times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=loop) for _ in range(callers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    times.sort()
    return {
        "per_second": round(len(times) / took),
        "p50_ms": round(times[len(times) // 2] * 1000, 2),
        "p99_ms": round(times[len(times) * 99 // 100] * 1000, 2),
    }


def run(folder: Path, seconds: float) -> list[dict[str, float | str]]:
    store: Store = open_store(f"sqlite:///{folder / 'store.db'}")
    open_store(f"sqlite:///{folder / 'floor.db'}").close()
    floor = sqlite3.connect(folder / "floor.db", isolation_level=None, check_same_thread=False)
    _prepare(floor)
    floor.execute("PRAGMA wal_autocheckpoint = 1000")
    lowest = measure(lambda: bare(floor), 1, seconds)
    results: list[dict[str, float | str]] = [{"name": "bare sqlite3, synchronous=FULL", "callers": 1, **lowest}]
    for callers in (1, 8, 64):
        found = measure(lambda: store.write(acceptance), callers, seconds)
        ratio = round(found["per_second"] / lowest["per_second"], 2)
        results.append({"name": "store.write", "callers": callers, **found, "ratio_to_floor": ratio})
    floor.close()
    store.close()
    return results


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for result in run(Path(folder), float(sys.argv[1]) if len(sys.argv) > 1 else 3.0):
            sys.stdout.write(json.dumps(result) + "\n")
