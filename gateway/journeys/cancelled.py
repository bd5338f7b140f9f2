"""A release that was cancelled: which handover it takes back, who may have it, what of it has not left.

This module MUST NOT decide who is told: a correction goes through the same gate as any letter.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from gateway.journeys.plan import LEAVES_CUSTODY, Arrived
from gateway.moves import move_delivery
from gateway.parts import Parts
from gateway.states import DELIVERY_RECALLABLE, DeliveryState
from gateway.store.schema import attempt, delivery
from gateway.store.statement import Statement, one_of

HAS_ARRIVED = frozenset(
    {DeliveryState.DELIVERED, DeliveryState.CONFIRMED, DeliveryState.SENDING, DeliveryState.AMBIGUOUS}
)
NOT_ARRIVED = ("transient", "refused")
"""`attempt.outcome` values that are certain; no outcome, `ambiguous` and `delivered` may have arrived."""

_UNKNOWN: Final = Statement(
    select(attempt.c.number)
    .where(
        attempt.c.delivery_id == bindparam("delivery_id"),
        attempt.c.outcome.is_(None) | ~one_of(attempt.c.outcome, NOT_ARRIVED),
    )
    .limit(1)
)
_STANDS_FOR: Final = Statement(select(delivery.c.letter).where(delivery.c.supersedes == bindparam("delivery_id")))


@dataclass(frozen=True, kw_only=True)
class Handover:
    """One delivery of the person's last handover. `arrived` counts whatever may have: only certainty is no."""

    delivery_id: str
    recipient: str | None
    recipient_class: str
    state: DeliveryState
    arrived: bool
    corrected: bool


def handover_letters(parts: Parts) -> frozenset[str]:
    """The letters that a release starts."""
    leaving = {event.value for event in LEAVES_CUSTODY}
    return frozenset(each.letter for each in parts.agreements.values() if leaving & set(each.events))


@cache
def _last_of(letters: frozenset[str]) -> Statement:
    """The deliveries of these letters that the last message made which made any."""
    last = (
        select(delivery.c.message_id)
        .where(delivery.c.person_id == bindparam("person_id"), one_of(delivery.c.letter, letters))
        .order_by(delivery.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    return Statement(
        select(delivery)
        .where(
            delivery.c.person_id == bindparam("person_id"),
            one_of(delivery.c.letter, letters),
            delivery.c.message_id == last,
        )
        .order_by(delivery.c.sequence)
    )


def handovers_of(c: Connection, person_id: str, letters: Collection[str]) -> tuple[Handover, ...]:
    """Every delivery of the last message that made a handover for this person."""
    rows = _last_of(frozenset(letters)).all(c, person_id=person_id)
    return tuple(
        Handover(
            delivery_id=row.id,
            recipient=row.recipient,
            recipient_class=row.recipient_class,
            state=DeliveryState(row.state),
            arrived=may_have_arrived(c, row),
            corrected=_is_corrected(c, row.id, letters),
        )
        for row in rows
    )


def may_have_arrived(c: Connection, row: Any) -> bool:
    """Could the recipient have this letter? An attempt whose outcome nobody knows counts."""
    if DeliveryState(row.state) in HAS_ARRIVED:
        return True
    return _UNKNOWN.first(c, delivery_id=row.id) is not None


def _is_corrected(c: Connection, delivery_id: str, letters: Collection[str]) -> bool:
    return any(letter not in letters for letter in _STANDS_FOR.column(c, delivery_id=delivery_id))


def arrived_of(handovers: Sequence[Handover]) -> tuple[Arrived, ...]:
    """Who gets a correction: whoever may have the handover and has none yet."""
    return tuple(
        Arrived(delivery_id=each.delivery_id, recipient=each.recipient, recipient_class=each.recipient_class)
        for each in handovers
        if each.arrived and not each.corrected and each.recipient is not None
    )


def recall_unsent(c: Connection, parts: Parts, handovers: Sequence[Handover]) -> None:
    """Take back what waits, is held or is parked."""
    for each in handovers:
        if each.state in DELIVERY_RECALLABLE:
            move_delivery(c, parts, each.delivery_id, DeliveryState.RECALLED, reason="release-cancelled")
