"""What is erased has to leave the files: that tables are to be written anew is a row of the store, and stays until it was done.

`secure_delete` writes over what is deleted, and not over the copy that an engine leaves behind when it moves a row to another place. Such
a copy can be a whole row, with the key that opens it. It goes when every table is written anew (`Store.compact`). This module MUST NOT
forget that before it was done.
"""

from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from gateway.store.schema import installation
from gateway.store.statement import Statement

AT_ONCE_BYTES: Final = 128 * 1024 * 1024
"""A store of at most this size is written anew at once: nobody is acknowledged meanwhile, for about a second (docs/decisions/0061). A larger one
waits for the hour that a person chooses."""
_NAME: Final = "to-compact"

_ASKED: Final = Statement(select(installation.c.value).where(installation.c.name == _NAME))
_ASK: Final = Statement.insert(installation)
_ASK_AGAIN: Final = Statement(update(installation).where(installation.c.name == _NAME).values(value=bindparam("asked")))
_DONE: Final = Statement(
    delete(installation).where(installation.c.name == _NAME, installation.c.value == bindparam("asked"))
)


def ask(c: Connection, *, at: str, act_id: str) -> None:
    """From this commit on something is to leave the files. The caller holds `people`, so that one asks at a time."""
    before = asked(c)
    if before is None:
        _ASK.run(c, name=_NAME, value=f"{at} {act_id}")
    else:
        _ASK_AGAIN.run(c, asked=f"{since(before)} {act_id}")


def asked(c: Connection) -> str | None:
    """What was asked for last and is not done; None where nothing is to be done."""
    found = _ASKED.value(c)
    return None if found is None else str(found)


def since(asked_for: str) -> str:
    """The instant from which on something waits."""
    return asked_for.partition(" ")[0]


def done(c: Connection, asked_for: str) -> bool:
    """It was done; False where somebody has asked again since it was begun: that is still to be done."""
    _DONE.run(c, asked=asked_for)
    return asked(c) is None
