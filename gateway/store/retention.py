"""Retention: what a sealed thing's `ends_at` has passed is deleted, in small batches.

It MUST NOT delete what is not ended: DESIGN section 2, Keys. Who sets `ends_at` is the step that ends a thing; this only obeys.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, bindparam, delete, exists, or_, select, update

from gateway.states import DELIVERY_OPEN, MESSAGE_MOVES, MessageState
from gateway.store.schema import agreement, consent, decision, delivery, message, named_number, resource, sealed
from gateway.store.statement import Statement, one_of

BATCH = 200

_MESSAGE_OPEN = [state.value for state, moves in MESSAGE_MOVES.items() if moves]
_DELIVERY_OPEN = [state.value for state in DELIVERY_OPEN]

# INVARIANT: retention never sweeps what is received, held, waiting, ambiguous, parked, or an agreement in force, whatever its ends_at says
_needed = or_(
    exists().where(
        one_of(message.c.state, _MESSAGE_OPEN),
        or_(message.c.body_id == sealed.c.id, message.c.answer_id == sealed.c.id),
    ),
    exists().where(one_of(delivery.c.state, _DELIVERY_OPEN), delivery.c.sealed_id == sealed.c.id),
    exists().where(agreement.c.ended_at.is_(None), agreement.c.sealed_id == sealed.c.id),
    exists().where(
        one_of(delivery.c.state, _DELIVERY_OPEN),
        delivery.c.decision_id == decision.c.id,
        decision.c.sealed_id == sealed.c.id,
    ),
)


# A message that waits no more, or waits and has its person, is found without the numbers that it names. What is received is named while its
# word about sharing is unheard (people/named.py), whoever it is about.
_named_for_nothing = or_(
    ~one_of(message.c.state, _MESSAGE_OPEN),
    message.c.person_id.is_not(None) & (message.c.state != MessageState.RECEIVED.value),
)

# Asked at every sweep, whether anything ended or not.
_FORGET_NAMED: Final = Statement(
    delete(named_number).where(exists().where(message.c.id == named_number.c.message_id, _named_for_nothing))
)
_ENDED: Final = Statement(
    select(sealed.c.id).where(sealed.c.ends_at <= bindparam("now"), ~_needed).order_by(sealed.c.ends_at).limit(BATCH)
)


def set_end(c: Connection, sealed_ids: Iterable[str], ends_at: str) -> None:
    """From now on these may be swept at `ends_at`. For the step that ends a thing: a receipt, a person's decision."""
    c.execute(update(sealed).where(sealed.c.id.in_(list(sealed_ids))).values(ends_at=ends_at))


def sweep_ended(c: Connection, now: str) -> int:
    """Deletes up to `BATCH` sealed rows whose `ends_at` is at or before `now`, and what is nothing without them. Answers how many.

    Rows that are history stay and lose their content (message, delivery, decision); a version of a resource, a consent or an agreement
    goes with it.
    Call again until the answer is 0.
    """
    _FORGET_NAMED.run(c)
    ended = _ENDED.column(c, now=now)
    if not ended:
        return 0
    # INVARIANT: a repeat is recognised as long as its answer is kept, and no longer: then its id is free again.
    forgotten = {"answer_id": None, "key_index": None, "bundle_index": None}
    c.execute(update(message).where(message.c.answer_id.in_(ended)).values(**forgotten))
    for column in (message.c.body_id, delivery.c.sealed_id, decision.c.sealed_id):
        c.execute(update(column.table).where(column.in_(ended)).values({column.name: None}))
    for table in (resource, consent, agreement):
        c.execute(delete(table).where(table.c.sealed_id.in_(ended)))
    c.execute(delete(sealed).where(sealed.c.id.in_(ended)))
    return len(ended)
