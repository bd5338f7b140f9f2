"""Writing the tables of PostgreSQL anew: `VACUUM (FULL)`, table by table, on a connection of its own.

A plain VACUUM lets the room of a deleted row be used again and leaves its bytes there. This module MUST NOT say that it was done while a
snapshot of somebody else still keeps what was deleted: then it is copied into the new file.
"""

import threading
from typing import Final

from sqlalchemy import Connection

from gateway.store.link import OF_A_LINK, Link
from gateway.store.schema import APPEND_ONLY, metadata

LOOKS = 40
LOOK_SECONDS: Final = 0.05
"""How often, and how long after each other, it looks whether those have gone who still read what was there before."""
_TABLES: Final = tuple(table.name for table in metadata.sorted_tables if table not in APPEND_ONLY)
"""What something is ever deleted from."""
_BYTES: Final = (
    "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relkind = 'r'"
    " AND relnamespace = current_schema()::regnamespace AND relname NOT LIKE 'ledger%'"
)
_NOW: Final = "SELECT pg_current_xact_id()::text"
_BEHIND: Final = (
    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND age(backend_xmin) > age('{0}'::xid))"
    " + (SELECT count(*) FROM pg_prepared_xacts WHERE age(transaction) >= age('{0}'::xid))"
    " + (SELECT count(*) FROM pg_replication_slots WHERE age(xmin) > age('{0}'::xid))"
)
"""Who still sees what was there before that transaction."""


def compact_many(link: Link, tried: set[str], asked_for: str, *, at_most_bytes: int | None) -> bool:
    """See `Store.compact`. `tried` is the process's memory; the link is closed at the end."""
    try:
        if at_most_bytes is not None and asked_for in tried:
            return False
        link.connect()
        if at_most_bytes is not None and link.run(_size, link.c) > at_most_bytes:
            return False
        tried.add(asked_for)
        link.run(_write_anew, link, hurried=at_most_bytes is not None)
    except (*OF_A_LINK, _StillRead):
        return False
    else:
        return True
    finally:
        link.close()


class _StillRead(Exception):
    """Somebody's snapshot is older than what was deleted."""


def _size(c: Connection) -> int:
    return int(c.exec_driver_sql(_BYTES).scalar_one())


def _write_anew(link: Link, *, hurried: bool) -> None:
    now = str(link.c.exec_driver_sql(_NOW).scalar_one())
    # INVARIANT: whoever was there before has gone: those who come now see nothing of what was deleted
    behind = _BEHIND.format(_short(now))
    for _ in range(LOOKS):
        if not link.c.exec_driver_sql(behind).scalar_one():
            break
        threading.Event().wait(LOOK_SECONDS)
    else:
        raise _StillRead
    if not hurried:
        link.say("SET statement_timeout = 0")
    for name in _TABLES:
        link.say(f'VACUUM (FULL) "{name}"')


def _short(transaction: str) -> int:
    """The 32 bits of a transaction's number that rows and snapshots are marked with."""
    return int(transaction) % 2**32
