"""Whose fault is it? What the store raises because it is away (locked, full, cut off, restarting) is no fault of the message at hand.

Whoever catches what one message raised asks here first: an outage that counted as a message's failure would park what is sound and let
a later message of the same person overtake it.
"""

import errno
import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from gateway.errors import StoreUnavailable

OF_THE_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""A disk that is full or broken, under the database or under the file of the ledger's head."""
OF_THE_SERVER: Final = ("08", "53", "57P", "58")
"""Classes of SQLSTATE: no connection; no disk, memory or place left; the server goes down or comes up; the system under it failed."""


def is_away(error: BaseException) -> bool:
    """Was it the store that failed, so that the same work can go well later?"""
    away = (StoreUnavailable, OperationalError, InterfaceError, NoConnectionFree, sqlite3.OperationalError)
    of_the_disk = isinstance(error, OSError) and error.errno in OF_THE_DISK
    return isinstance(error, away) or of_the_disk or _sqlstate(error).startswith(OF_THE_SERVER)


def _sqlstate(error: BaseException) -> str:
    said = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(said, "sqlstate", None) or "")
