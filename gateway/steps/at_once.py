"""How much of what waits is read at once: as many messages as there are, and no more than fit into memory beside each other."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import func, select

from gateway.store.schema import message, sealed

TURN_BYTES: Final = 16_000_000
"""Of bodies of messages: a turn also holds what was read from them, what it files and its letters."""

MESSAGES: Final = select(message, func.coalesce(func.length(sealed.c.ciphertext), 0).label("bytes")).outerjoin(
    sealed, sealed.c.id == message.c.body_id
)
"""Messages with the `bytes` of their bodies, which an engine knows without reading them."""


def fitting(rows: Sequence[Any]) -> Sequence[Any]:
    """The first of these messages whose bodies fit together; one in any case."""
    room = TURN_BYTES
    for number, row in enumerate(rows):
        room -= row.bytes
        if room < 0:
            return rows[: max(number, 1)]
    return rows
