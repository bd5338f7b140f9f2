"""What keeps several writers apart: rows that a transaction holds to its end, and named locks. The same words on every engine.

With one writer there is nobody to keep apart and these do nothing. A lock MUST be taken before what it guards is read, and always in
this order: acceptance or people or a report, then a person, then a message or a delivery.
"""

import hashlib
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, Text, bindparam, func, literal_column, select

from gateway.store.schema import person

S = TypeVar("S", bound=Any)

_MANY_WRITERS = "postgresql"
_HOLD = select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger)))
_PERSON = select(person.c.id).where(person.c.id == bindparam("person_id")).with_for_update(key_share=False)
_HORIZON = select(
    literal_column("pg_snapshot_xmin(pg_current_snapshot())::text", Text).label("oldest"),
    literal_column("pg_snapshot_xmax(pg_current_snapshot())::text", Text).label("next"),
)


def lock_key(*names: str) -> int:
    """A 64-bit number for a named lock."""
    digest = hashlib.sha256("\x1f".join(("throughgate", *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def hold(c: Connection, *names: str) -> None:
    """Until the end of this transaction no other one holds the lock of this name: `hold(c, "acceptance")`."""
    if c.dialect.name == _MANY_WRITERS:
        c.execute(_HOLD, {"key": lock_key(*names)})


def hold_person(c: Connection, person_id: str | None) -> None:
    """INVARIANT: whatever is done to one person's file, consents and letters is done by one transaction at a time."""
    if person_id is not None and c.dialect.name == _MANY_WRITERS:
        c.execute(_PERSON, {"person_id": person_id})


def held(query: S) -> S:
    """The same select; the rows it finds stay as they are for everybody else until this transaction ends."""
    return query.with_for_update()  # type: ignore[no-any-return]  # SQLAlchemy's own type of the same select


def late_rows(c: Connection) -> tuple[int, int] | None:
    """(oldest, next): transactions below `oldest` have ended, those from `next` on have not begun. None where rows appear in the order of their numbers."""
    if c.dialect.name != _MANY_WRITERS:
        return None
    row = c.execute(_HORIZON).one()
    return int(row[0]), int(row[1])
