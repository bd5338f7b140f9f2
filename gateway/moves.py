"""Every change of state, in one place: checked against MOVES, with its ledger entry in the same transaction.

No other module may write `message.state` or `delivery.state` of a row that exists (a test reads the syntax trees).
"""

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select, update

from gateway.ledger import record
from gateway.parts import Parts
from gateway.states import DELIVERY_MOVES, DELIVERY_OPEN, DELIVERY_START, MESSAGE_MOVES, DeliveryState, MessageState
from gateway.store.locks import held
from gateway.store.schema import delivery, message, sealed

LedgerFacts = Mapping[str, str | int | bool]

MESSAGE_ENDED = frozenset({MessageState.RELEASED, MessageState.REJECTED})


class IllegalMove(Exception):
    """A move that `states.py` does not list: a defect of ours, never of a message."""

    def __init__(self, what: str, old: str, new: str) -> None:
        super().__init__(f"{what}: {old} -> {new} is not a move")


def move_message(
    c: Connection,
    parts: Parts,
    message_id: str,
    to: MessageState,
    *,
    reason: str | None = None,
    facts: LedgerFacts | None = None,
) -> None:
    """Give a message its next state. Raises `IllegalMove`."""
    row = c.execute(
        held(
            select(message.c.state, message.c.step, message.c.body_id, message.c.answer_id).where(
                message.c.id == message_id
            )
        )
    ).one()
    old = MessageState(row.state)
    if to not in MESSAGE_MOVES[old]:
        raise IllegalMove("message", old, to)
    now = parts.now()
    # INVARIANT: a change of state and its ledger entry are one transaction (DESIGN section 2, rule 7).
    c.execute(
        update(message)
        .where(message.c.id == message_id)
        .values(state=to.value, reason=reason, step=row.step + 1, ended_at=now if to in MESSAGE_ENDED else None)
    )
    if to in MESSAGE_ENDED:
        _start_retention(c, parts, {"body": row.body_id, "answer": row.answer_id})
    _enter(c, parts, message_id, row.step + 1, to.value, {**(facts or {}), **_reason(reason)})


def move_delivery(
    c: Connection,
    parts: Parts,
    delivery_id: str,
    to: DeliveryState,
    *,
    reason: str | None = None,
    facts: LedgerFacts | None = None,
) -> None:
    """Give a delivery its next state. Raises `IllegalMove`."""
    row = c.execute(
        held(select(delivery.c.state, delivery.c.step, delivery.c.sealed_id).where(delivery.c.id == delivery_id))
    ).one()
    old = DeliveryState(row.state)
    if to not in DELIVERY_MOVES[old]:
        raise IllegalMove("delivery", old, to)
    c.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(state=to.value, reason=reason, step=row.step + 1, ended_at=None if to in DELIVERY_OPEN else parts.now())
    )
    if to not in DELIVERY_OPEN:
        _start_retention(c, parts, {"letter": row.sealed_id})
    _enter(c, parts, delivery_id, row.step + 1, to.value, {**(facts or {}), **_reason(reason)})


def start_delivery(
    c: Connection, parts: Parts, values: Mapping[str, object], *, facts: LedgerFacts | None = None
) -> None:
    """Insert a delivery in one of the states that a delivery may start in, with the first entry of its chain."""
    state = DeliveryState(str(values["state"]))
    if state not in DELIVERY_START:
        raise IllegalMove("delivery", "-", state)
    now = parts.now()
    ended = None if state in DELIVERY_OPEN else now
    c.execute(insert(delivery).values(**values, step=1, attempts=0, created_at=now, ended_at=ended))
    reason = values.get("reason")
    _enter(c, parts, str(values["id"]), 1, state.value, {**(facts or {}), **_reason(str(reason) if reason else None)})


def note_message(c: Connection, parts: Parts, message_id: str, event: str, facts: LedgerFacts) -> None:
    """An entry in a message's chain that is not a change of state (a decision, a registration)."""
    step = c.execute(held(select(message.c.step).where(message.c.id == message_id))).scalar_one() + 1
    c.execute(update(message).where(message.c.id == message_id).values(step=step))
    _enter(c, parts, message_id, step, event, facts)


def note_delivery(c: Connection, parts: Parts, delivery_id: str, event: str, facts: LedgerFacts) -> None:
    """An entry in a delivery's chain that is not a change of state (decided again, released by a person)."""
    step = c.execute(held(select(delivery.c.step).where(delivery.c.id == delivery_id))).scalar_one() + 1
    c.execute(update(delivery).where(delivery.c.id == delivery_id).values(step=step))
    _enter(c, parts, delivery_id, step, event, facts)


def _start_retention(c: Connection, parts: Parts, ended: Mapping[str, str | None]) -> None:
    """INVARIANT: the clock of retention starts when a person or a receipt ends a thing, never before."""
    for category, sealed_id in ended.items():
        if sealed_id is not None:
            ends_at = parts.after(days=parts.settings.retention.days(category))
            c.execute(update(sealed).where(sealed.c.id == sealed_id).values(ends_at=ends_at))


def _reason(reason: str | None) -> dict[str, str | int | bool]:
    return {"reason": reason} if reason else {}


def _enter(c: Connection, parts: Parts, chain: str, step: int, event: str, facts: LedgerFacts) -> None:
    record(c, entry_id=parts.ids.entry(), chain=chain, step=step, event=event, at=parts.now(), facts=facts)
