"""Is there room for more? The declared limits on what is unfinished and on the database, looked at once a second.

Beyond them nothing new is taken, neither custody nor a record of a refusal; a repeat of what was taken before is still answered. What is
inside goes on: only work that ends makes room. It MUST NOT forget or drop anything to make room.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Final

from sqlalchemy import Column, Connection, bindparam, func, select

from gateway.errors import Overloaded
from gateway.settings import Limits
from gateway.states import DELIVERY_OPEN, MESSAGE_MOVES
from gateway.store.schema import delivery, message
from gateway.store.size import stored_bytes
from gateway.store.statement import Statement, one_of

LOOK_SECONDS: Final = 1.0
OPEN_MESSAGES: Final = tuple(state.value for state, moves in MESSAGE_MOVES.items() if moves)
OPEN_DELIVERIES: Final = tuple(state.value for state in DELIVERY_OPEN)


class Pressure:
    """What was seen at the last look. Between two looks at most a second's worth is taken beyond a limit."""

    def __init__(self) -> None:
        self._until: datetime | None = None
        self._full = False

    def require_room(self, c: Connection, limits: Limits, now: datetime) -> None:
        """Raises Overloaded when a limit is reached."""
        if self._until is None or not now < self._until <= now + timedelta(seconds=LOOK_SECONDS):
            self._full = is_full(c, limits)
            self._until = now + timedelta(seconds=LOOK_SECONDS)
        if self._full:
            raise Overloaded("a limit on unfinished work is reached")


def is_full(c: Connection, limits: Limits) -> bool:
    """Is any of the three limits reached?"""
    return (
        unfinished(c, message.c.state, OPEN_MESSAGES, limits.unfinished_messages) >= limits.unfinished_messages
        or unfinished(c, delivery.c.state, OPEN_DELIVERIES, limits.unfinished_deliveries)
        >= limits.unfinished_deliveries
        or stored_bytes(c) >= limits.store_bytes
    )


def unfinished(c: Connection, state: Column[str], states: tuple[str, ...], at_most: int) -> int:
    """How many are in these states, counted no further than `at_most`: what is beyond a limit costs no more than the limit."""
    return int(_counted(state, states).value(c, at_most=at_most))


@cache
def _counted(state: Column[str], states: tuple[str, ...]) -> Statement:
    some = select(state).where(one_of(state, states)).limit(bindparam("at_most")).subquery()
    return Statement(select(func.count().label("found")).select_from(some))
