"""Brings a database's tables up to date. Alembic is imported only when there is something to do: it costs half a second."""

import sqlite3
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from gateway.store.engine import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0022"
"""The newest revision in `migrations/versions` (a test compares)."""


def revision(c: sqlite3.Connection) -> str | None:
    """The revision that the tables are at; None for an empty database."""
    if not c.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchone():
        return None
    row = c.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def migrate(c: sqlite3.Connection) -> None:
    """Runs every missing migration in one transaction: all of them or none. Raises StoreError for a database newer than this program."""
    found = revision(c)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StoreError(f"the database is at revision {found}, newer than this program ({HEAD})")
    _upgrade(c)


def _upgrade(c: sqlite3.Connection) -> None:
    from alembic import command  # noqa: PLC0415  see the module's first line
    from alembic.config import Config  # noqa: PLC0415  for the same reason

    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: c,
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        hide_parameters=True,
    )
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    connection = engine.connect()
    connection.begin()  # bookkeeping only: alembic sees that the transaction is somebody else's and leaves it alone
    config.attributes["connection"] = connection
    c.execute("BEGIN IMMEDIATE")  # another process may be faster: alembic looks at the revision again behind this line
    try:
        command.upgrade(config, "head")
    except BaseException:
        c.execute("ROLLBACK")
        raise
    else:
        c.execute("COMMIT")
    finally:
        connection.close()  # the bookkeeping; `c` stays open for its owner
