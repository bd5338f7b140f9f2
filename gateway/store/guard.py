"""Keeps transactions in the store's hands: a work that commits or rolls back by itself would do so for everybody in its batch."""

import sqlite3
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from gateway.store.engine import StoreError
from gateway.store.statement import Values, speak

_MENDING = "throughgate-mending"


def raw(c: Connection) -> sqlite3.Connection:
    """The driver's connection below a SQLAlchemy one."""
    return cast("sqlite3.Connection", c.connection.dbapi_connection)


def guard(engine: Engine) -> None:
    """From now on `commit()` and `rollback()` on a connection of this engine raise StoreError."""
    event.listen(engine, "commit", _refuse)
    event.listen(engine, "rollback", _refuse)


def mend(c: Connection) -> None:
    """Forgets what SQLAlchemy believes about a transaction (after an error, or a savepoint left open). The database is not touched."""
    c.info[_MENDING] = True
    try:
        c.rollback()
    finally:
        del c.info[_MENDING]


def _refuse(c: Connection) -> None:
    if _MENDING not in c.info:
        raise StoreError("a work must not commit or roll back: the store does, once, for everybody in the batch")


class _Sqlite:
    """See `Driver`. Its errors name tables and columns, never a value."""

    def fetch(self, c: Connection, text: str, values: Values) -> Sequence[Sequence[Any]]:
        try:
            return raw(c).execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise _refused(error) from error

    def many(self, c: Connection, text: str, rows: Sequence[Values]) -> None:
        try:
            raw(c).executemany(text, rows)
        except sqlite3.Error as error:
            raise _refused(error) from error


def _refused(error: sqlite3.Error) -> BaseException:
    """What SQLAlchemy would raise, without the statement's values."""
    return DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True)


speak("sqlite", _Sqlite())
