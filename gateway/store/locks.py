"""What keeps several writers apart: rows that a transaction holds to its end, and named locks. The same words on every engine.

With one writer there is nobody to keep apart and these do nothing. A lock MUST be taken before what it guards is read, and always in
this order: acceptance or people, a person, a report, a message or a delivery. Works that share a commit may still meet in another
order; the engine ends such a knot and the work is run again.
"""

import hashlib
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, Text, bindparam, func, literal_column, select

from gateway.store.schema import delivery, message, person
from gateway.store.statement import Statement

S = TypeVar("S", bound=Any)

_MANY_WRITERS = "postgresql"
_HOLD = Statement(select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger))))
# key_share: rows that only refer to a held one (an attempt of a delivery) do not wait for it
_PERSON = Statement(select(person.c.id).where(person.c.id == bindparam("id")).with_for_update(key_share=True))
_DELIVERY = Statement(select(delivery.c.id).where(delivery.c.id == bindparam("id")).with_for_update(key_share=True))
_MESSAGE = Statement(select(message.c.id).where(message.c.id == bindparam("id")).with_for_update(key_share=True))
_HORIZON = select(
    literal_column("pg_snapshot_xmin(pg_current_snapshot())::text", Text).label("oldest"),
    literal_column("pg_current_xact_id()::text", Text).label("own"),
)


def lock_key(*names: str) -> int:
    """A 64-bit number for a named lock."""
    digest = hashlib.sha256("\x1f".join(("throughgate", *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def hold(c: Connection, *names: str) -> None:
    """Until the end of this transaction no other one holds the lock of this name: `hold(c, "acceptance")`."""
    if c.dialect.name == _MANY_WRITERS:
        _HOLD.run(c, key=lock_key(*names))


def hold_person(c: Connection, person_id: str | None) -> None:
    """INVARIANT: whatever is done to one person's file, consents and letters is done by one transaction at a time."""
    if person_id is not None and c.dialect.name == _MANY_WRITERS:
        _PERSON.run(c, id=person_id)


def hold_delivery(c: Connection, delivery_id: str) -> None:
    """Nobody else moves this delivery until this transaction ends; what is read of it behind this line is what it is."""
    if c.dialect.name == _MANY_WRITERS:
        _DELIVERY.run(c, id=delivery_id)


def hold_message(c: Connection, message_id: str) -> None:
    """The same for a message."""
    if c.dialect.name == _MANY_WRITERS:
        _MESSAGE.run(c, id=message_id)


def held(query: S) -> S:
    """The same select; the rows it finds stay as they are for everybody else until this transaction ends."""
    return query.with_for_update(key_share=True)  # type: ignore[no-any-return]  # SQLAlchemy's own type of the same select


def may_be_late(c: Connection) -> bool:
    """Can a row with a lower number show itself after one with a higher number?"""
    return c.dialect.name == _MANY_WRITERS


def late_rows(c: Connection) -> tuple[int, int] | None:
    """(oldest, own): transactions below `oldest` have ended; whoever has written anything yet is below `own`. For a write transaction.

    None where rows appear in the order of their numbers.
    """
    if not may_be_late(c):
        return None
    row = c.execute(_HORIZON).one()
    return int(row[0]), int(row[1])
