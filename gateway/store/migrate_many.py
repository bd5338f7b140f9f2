"""Brings the tables of a database that many processes share up to date: under one lock, in one transaction, all of it or nothing."""

from collections.abc import Callable

from sqlalchemy import Connection, inspect

from gateway.store.engine import StoreError
from gateway.store.guard import mend
from gateway.store.locks import lock_key
from gateway.store.migrate import HEAD, MIGRATIONS

OTHERS_MILLISECONDS = 120_000
"""How long one process waits for another one's migrations before it gives up its start."""


def revision(c: Connection) -> str | None:
    """The revision that the tables are at; None for an empty database."""
    if not inspect(c).has_table("alembic_version"):
        return None
    found = c.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return str(found) if found is not None else None


def migrate_many(c: Connection, say: Callable[[str], None]) -> None:
    """Runs every missing migration. `say` executes one statement outside of SQLAlchemy's knowledge. StoreError for a newer database."""
    if _is_done(c):
        return
    from alembic import command  # noqa: PLC0415  it costs half a second, and mostly there is nothing to do
    from alembic.config import Config  # noqa: PLC0415  for the same reason

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = c
    say("BEGIN")
    try:
        # Whoever is behind another process waits for the whole of its work, not for one row of it.
        say(f"SET LOCAL lock_timeout = {OTHERS_MILLISECONDS}")
        say(f"SET LOCAL statement_timeout = {OTHERS_MILLISECONDS}")
        say(f"SELECT pg_advisory_xact_lock({lock_key('migrations')})")
        say("SET LOCAL lock_timeout TO DEFAULT")
        say("SET LOCAL statement_timeout TO DEFAULT")
        if not _is_done(c):  # another process may have been faster: it is asked again behind the lock
            if not c.in_transaction():
                c.begin()  # bookkeeping only: alembic sees that the transaction is somebody else's and leaves it alone
            command.upgrade(config, "head")
    except BaseException:
        say("ROLLBACK")
        raise
    else:
        say("COMMIT")
    finally:
        mend(c)


def _is_done(c: Connection) -> bool:
    found = revision(c)
    if found is not None and found > HEAD:
        raise StoreError(f"the database is at revision {found}, newer than this program ({HEAD})")
    return found == HEAD
