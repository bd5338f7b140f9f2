"""The engine of many writers: durable or refused, one schema, works that meet are run again, a duty belongs to one process."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # the driver has no types
import pytest
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.errors import SettingsError, StoreUnavailable
from gateway.store import StoreError, open_store, postgres, statement
from gateway.store.away import is_away
from gateway.store.locks import hold, late_rows, lock_key
from gateway.store.migrate import HEAD
from gateway.store.postgres import PostgresStore
from gateway.store.schema import APPEND_ONLY, installation, metadata, token
from tests.engines import database, own_database
from tests.gateway.store.rows import names, put

ROOT = Path(__file__).resolve().parents[3]

CATALOG = (
    "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
)


def described_in_catalog(store: PostgresStore) -> set[tuple[Any, ...]]:
    """What is in the database, as its own catalogue says."""
    with store.read() as c:
        rows = [tuple(row) for query in CATALOG for row in c.exec_driver_sql(query)]
    return {row for row in rows if row[0] != "alembic_version"}


def test_migrations_make_what_the_schema_describes(shared_store: PostgresStore) -> None:
    other = open_store(database().fresh())
    assert isinstance(other, PostgresStore)

    def make_again(c: Connection) -> None:
        c.exec_driver_sql("DROP SCHEMA public CASCADE")
        c.exec_driver_sql("CREATE SCHEMA public")
        metadata.create_all(c)

    other.write(make_again)
    made, migrated = described_in_catalog(other), described_in_catalog(shared_store)
    other.close()
    assert migrated == made
    assert len(made) > 150


async def test_whoever_starts_waits_for_another_ones_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than for a row: the tables of a new database take seconds to make on a slow machine."""
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "100")
    url = database().fresh()
    first = await asyncpg.connect(url)
    await first.execute(f"SELECT pg_advisory_lock({lock_key('migrations')})")
    opening = asyncio.create_task(asyncio.to_thread(open_store, url))
    while not await first.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
        assert not opening.done()
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    assert not opening.done()
    await first.close()
    store = await opening
    with store.read() as c:
        assert c.exec_driver_sql("SHOW lock_timeout").scalar() == "100ms"
    store.close()


def test_several_processes_may_migrate_at_once() -> None:
    url = database().fresh()
    stores: list[Any] = []
    threads = [threading.Thread(target=lambda: stores.append(open_store(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    with stores[0].read() as c:
        assert c.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [(HEAD,)]
    for store in stores:
        store.close()


def test_a_database_of_a_newer_program_is_refused(shared_store: PostgresStore, database_url: str) -> None:
    shared_store.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer than this program"):
        open_store(database_url)


@pytest.mark.parametrize("table", [table.name for table in APPEND_ONLY])
@pytest.mark.parametrize("act", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_the_ledger_tables_only_grow(shared_store: PostgresStore, table: str, act: str) -> None:
    column = metadata.tables[table].primary_key.columns[0].name
    with pytest.raises(IntegrityError, match="append-only"):
        shared_store.write(lambda c: c.exec_driver_sql(act.format(table, column)))


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_cannot_be_durable_is_refused(setting: str) -> None:
    with own_database() as server:
        url = server.fresh()
        assert server.sql(f"ALTER SYSTEM SET {setting} = off")
        assert server.sql("SELECT pg_reload_conf()")
        with pytest.raises(StoreError, match=f"{setting} is off"):
            open_store(url)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://db.example/x", "verify-full"),
        ("postgresql://db.example/x?sslmode=require", "verify-full"),
        ("postgresql://localhost:1/x", "cannot be used"),
    ],
)
def test_an_unsafe_or_absent_server_is_refused(url: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        open_store(url)


def test_no_value_of_a_row_is_in_an_error(shared_store: PostgresStore) -> None:
    """The server's details quote whole rows, and the driver repeats them."""

    def breaks(c: Connection) -> None:
        c.execute(insert(token).values(digest=b"d", client_id=None, scope="SECRETVALUE", expires_at="SECRETVALUE"))

    def misfits(c: Connection) -> None:
        c.exec_driver_sql("SELECT $1::int", ("SECRETVALUE",))

    for work in (breaks, misfits):
        with pytest.raises(DBAPIError) as raised:
            shared_store.write(work)
        seen: BaseException | None = raised.value
        while seen is not None:
            assert "SECRETVALUE" not in f"{seen!r} {seen}"
            seen = seen.__cause__


def test_works_that_wait_for_each_other_are_run_again(shared_store: PostgresStore) -> None:
    """A deadlock: each has what the other wants. One is undone, run again, and both are done."""
    shared_store.write(put("a"))
    shared_store.write(put("b"))
    both = threading.Barrier(2, timeout=20)
    runs: list[str] = []

    def takes(first: str, second: str) -> None:
        def work(c: Connection) -> None:
            runs.append(first)
            for name in (first, second):
                c.execute(update(installation).where(installation.c.name == name).values(value=first))
                if name == first and len(runs) <= 2:
                    both.wait()

        shared_store.write(work)

    threads = [threading.Thread(target=takes, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 3
    with shared_store.read() as c:
        assert len(set(c.scalars(select(installation.c.value)))) == 1


def test_a_named_lock_keeps_transactions_of_two_processes_apart(shared_store: PostgresStore, database_url: str) -> None:
    beside = open_store(database_url)
    inside = threading.Event()
    order: list[str] = []

    def first(c: Connection) -> None:
        hold(c, "x")
        inside.set()
        threading.Event().wait(0.2)
        order.append("first")

    def second(c: Connection) -> None:
        hold(c, "x")
        order.append("second")

    thread = threading.Thread(target=shared_store.write, args=(first,))
    thread.start()
    assert inside.wait(20)
    beside.write(second)
    thread.join()
    beside.close()
    assert order == ["first", "second"]


def test_no_more_connections_than_are_read_on_at_once(shared_store: PostgresStore) -> None:
    """Reads one after another share one; each reader's first statements on another one would be understood anew."""

    def reader(c: Connection) -> int:
        return int(c.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    def alone() -> int:
        with shared_store.read() as c:
            return reader(c)

    assert len({alone() for _ in range(postgres.READERS)}) == 1
    with shared_store.read() as one, shared_store.read() as other:
        both = {reader(one), reader(other)}
    assert len(both) == 2
    assert {alone() for _ in range(postgres.READERS)} <= both


def test_a_duty_is_one_process_s_and_goes_to_another_when_it_has_gone(
    shared_store: PostgresStore, database_url: str
) -> None:
    beside = open_store(database_url)
    assert shared_store.lead("sweep")
    assert shared_store.lead("sweep")
    assert not beside.lead("sweep")
    assert beside.lead("ledger")
    shared_store.close()
    assert beside.lead("sweep")
    beside.close()


def test_a_process_that_lost_its_connection_lost_its_duties(shared_store: PostgresStore, database_url: str) -> None:
    beside = open_store(database_url)
    assert shared_store.lead("sweep")
    beside.write(
        lambda c: c.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    )
    assert beside.lead("sweep")
    assert not shared_store.lead("sweep")
    assert not shared_store.lead("sweep")
    beside.close()


def by_driver(c: Connection, text: str) -> None:
    statement._drivers[c.dialect.name].fetch(c, text, ())


def by_sqlalchemy(c: Connection, text: str) -> None:
    c.exec_driver_sql(text)


@pytest.mark.parametrize("ask", [by_driver, by_sqlalchemy])
@pytest.mark.parametrize("door", ["write", "read"])
def test_a_session_that_the_server_ends_is_the_store_s_fault_and_no_message_s(
    door: str, ask: Callable[[Connection, str], None], shared_store: PostgresStore, database_url: str
) -> None:
    """The server's last word arrives before its end does: who asks only whether the connection is closed takes it for an answer."""
    beside = open_store(database_url)
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"

    def in_the_middle(c: Connection) -> None:
        ask(c, "SELECT pg_sleep(20)")

    def asking() -> None:
        if door == "write":
            shared_store.write(in_the_middle)
            return
        with shared_store.read() as c:
            in_the_middle(c)

    for _ in range(10):
        with ThreadPoolExecutor(1) as one:
            asked = one.submit(asking)
            while not beside.write(lambda c: c.exec_driver_sql(ending).all()):
                sleep(0.01)
            assert isinstance(asked.exception(20), StoreUnavailable), repr(asked.exception())
    beside.close()
    assert shared_store.write(lambda c: c.exec_driver_sql("SELECT 1").scalar()) == 1


@pytest.mark.parametrize("sqlstate", ["08006", "53100", "53200", "53300", "57P01", "57P02", "57P03", "58030"])
def test_what_the_server_lacks_is_no_fault_of_the_message(sqlstate: str, shared_store: PostgresStore) -> None:
    """A disk that is full, no memory, too many connections, a shutdown: by whichever way it was asked."""
    raising = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$"
    for ask in (by_driver, by_sqlalchemy):
        with pytest.raises(StoreUnavailable) as caught:
            shared_store.write(lambda c, ask=ask: ask(c, raising))  # type: ignore[misc]  # bound at once
        assert sqlstate in str(caught.value.__cause__)
        with pytest.raises(StoreUnavailable), shared_store.read() as c:
            ask(c, raising)
    with pytest.raises(DBAPIError, match="22012") as own:
        shared_store.write(lambda c: by_driver(c, "SELECT 1 / 0"))
    assert not is_away(own.value)


def test_a_number_that_is_taken_and_not_committed_is_known_to_be_late(
    shared_store: PostgresStore, database_url: str
) -> None:
    beside = open_store(database_url)
    inside, go = threading.Event(), threading.Event()

    def slow(c: Connection) -> None:
        put("slow")(c)
        inside.set()
        assert go.wait(20)

    thread = threading.Thread(target=shared_store.write, args=(slow,))
    thread.start()
    assert inside.wait(20)
    oldest, own = beside.write(late_rows) or (0, 0)
    assert oldest < own
    go.set()
    thread.join()
    oldest, _ = beside.write(late_rows) or (0, 0)
    assert oldest >= own
    beside.close()


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


def test_what_was_acknowledged_survives_kill_9_of_the_program_and_of_the_server() -> None:
    with own_database() as server:
        url = server.fresh()
        acknowledged: set[str] = set()
        for start, kills_server in enumerate((False, True, True)):
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, url, str(start)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert child.stdout is not None
            for _ in range(100):
                acknowledged.add(child.stdout.readline().strip())
            if kills_server:
                server.kill()
            os.kill(child.pid, signal.SIGKILL)
            rest = child.stdout.read().splitlines(keepends=True)
            acknowledged |= {line.strip() for line in rest if line.endswith("\n")}
            child.wait()
            child.stdout.close()
            if kills_server:
                server.start()
        assert len(acknowledged) >= 300
        store = open_store(url)
        assert acknowledged <= set(names(store))
        store.close()


def test_a_server_that_was_away_is_used_again() -> None:
    with own_database() as server:
        store = open_store(server.fresh())
        store.write(put("before"))
        assert store.lead("sweep")
        server.kill()
        with pytest.raises(StoreUnavailable):
            store.write(put("lost"))
        with pytest.raises(StoreUnavailable):
            names(store)
        assert not store.lead("sweep")
        server.start()
        store.write(put("after"))
        assert names(store) == ["after", "before"]
        assert store.lead("sweep")
        store.close()
