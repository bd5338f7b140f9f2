"""Migrations make the tables that schema.py describes, all of them or none."""

import re
import sqlite3
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool

from gateway.store import SqliteStore, StoreError
from gateway.store.migrate import HEAD, MIGRATIONS, migrate, revision
from gateway.store.schema import APPEND_ONLY, metadata

ADDED = re.compile(r"\n|, (?=\w+ (?:TEXT|INTEGER|BOOLEAN|BLOB)\b)")


def connection() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def tables(c: sqlite3.Connection) -> dict[str, list[str]]:
    """Name -> its statement, line by line; the order of constraints and columns says nothing, and a column that was added stands on another's line."""
    rows = c.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'alembic_version'")
    return {name: sorted(line.strip().rstrip(",").strip() for line in ADDED.split(sql)) for name, sql in rows}


def described() -> dict[str, list[str]]:
    c = connection()
    engine = create_engine("sqlite+pysqlite://", creator=lambda: c, poolclass=StaticPool)
    metadata.create_all(engine)
    found = tables(c)
    engine.dispose()
    return found


def migrated() -> sqlite3.Connection:
    c = connection()
    migrate(c)
    return c


def test_migrations_make_what_the_schema_describes() -> None:
    c = migrated()
    assert tables(c) == described()
    assert len(described()) > 30
    c.close()


def test_the_comparison_finds_a_column_too_many_and_a_lost_check() -> None:
    """Sabotage of the comparison above."""
    c = migrated()
    c.execute("ALTER TABLE task ADD COLUMN extra TEXT")
    assert tables(c) != described()
    c.close()
    statement = next(line for line in described()["message"] if "CHECK" in line)
    assert "'received'" in statement


def test_the_newest_revision_is_the_one_that_a_database_ends_at() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
    c = migrated()
    assert revision(c) == HEAD
    migrate(c)
    assert revision(c) == HEAD
    c.close()


def test_a_migration_that_fails_leaves_nothing() -> None:
    c = connection()
    c.execute("CREATE TABLE delivery (x)")  # in the way of one of the last statements
    with pytest.raises(Exception, match="already exists"):
        migrate(c)
    assert set(tables(c)) == {"delivery"}
    assert revision(c) is None
    c.close()


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    c = migrated()
    c.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer than this program"):
        migrate(c)
    c.close()


@pytest.mark.parametrize("table", [table.name for table in APPEND_ONLY])
def test_the_ledger_tables_only_grow(file_store: SqliteStore, table: str) -> None:
    values = {
        "ledger_entry": "INSERT INTO ledger_entry VALUES (1, 'a', 'c', 1, 'b')",
        "ledger_position": "INSERT INTO ledger_position VALUES (0, 'a', 'h')",
        "ledger_head": "INSERT INTO ledger_head VALUES (1, 'r', 'f', 'n', 't')",
    }
    if table == "ledger_position":
        file_store.write(lambda c: c.exec_driver_sql(values["ledger_entry"]))
    file_store.write(lambda c: c.exec_driver_sql(values[table]))
    column = "size" if table == "ledger_head" else "rowid"
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with pytest.raises(IntegrityError, match="append-only"):
            file_store.write(lambda c: c.exec_driver_sql(statement))  # noqa: B023  # called at once
