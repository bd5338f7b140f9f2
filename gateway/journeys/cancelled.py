"""A release that was cancelled: which handover it takes back, who may have it, what of it has not left.

This module MUST NOT decide who is told: a correction goes through the same gate as any letter.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, exists, select

from gateway.journeys.plan import LEAVES_CUSTODY, Arrived
from gateway.moves import move_delivery
from gateway.parts import Parts
from gateway.states import DELIVERY_RECALLABLE, DeliveryState
from gateway.store.schema import attempt, delivery

HAS_ARRIVED = frozenset(
    {DeliveryState.DELIVERED, DeliveryState.CONFIRMED, DeliveryState.SENDING, DeliveryState.AMBIGUOUS}
)
NOT_ARRIVED = ("transient", "refused")
"""`attempt.outcome` values that are certain; no outcome, `ambiguous` and `delivered` may have arrived."""


@dataclass(frozen=True, kw_only=True)
class Handover:
    """One delivery of the person's last handover. `arrived` counts whatever may have: only certainty is no."""

    delivery_id: str
    recipient: str | None
    state: DeliveryState
    arrived: bool
    corrected: bool


def handover_letters(parts: Parts) -> frozenset[str]:
    """The letters that a release starts."""
    leaving = {event.value for event in LEAVES_CUSTODY}
    return frozenset(each.letter for each in parts.agreements.values() if leaving & set(each.events))


def handovers_of(c: Connection, person_id: str, letters: Collection[str]) -> tuple[Handover, ...]:
    """Every delivery of the last message that made a handover for this person."""
    last = (
        select(delivery.c.message_id)
        .where(delivery.c.person_id == person_id, delivery.c.letter.in_(letters))
        .order_by(delivery.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = c.execute(
        select(delivery)
        .where(delivery.c.person_id == person_id, delivery.c.letter.in_(letters), delivery.c.message_id == last)
        .order_by(delivery.c.sequence)
    ).all()
    return tuple(
        Handover(
            delivery_id=row.id,
            recipient=row.recipient,
            state=DeliveryState(row.state),
            arrived=may_have_arrived(c, row),
            corrected=_is_corrected(c, row.id, letters),
        )
        for row in rows
    )


def may_have_arrived(c: Connection, row: Row[tuple[object, ...]]) -> bool:
    """Could the recipient have this letter? An attempt whose outcome nobody knows counts."""
    if DeliveryState(row.state) in HAS_ARRIVED:
        return True
    unknown = attempt.c.outcome.is_(None) | attempt.c.outcome.not_in(NOT_ARRIVED)
    return bool(c.execute(select(exists().where(attempt.c.delivery_id == row.id, unknown))).scalar())


def _is_corrected(c: Connection, delivery_id: str, letters: Collection[str]) -> bool:
    corrections = select(delivery.c.id).where(delivery.c.supersedes == delivery_id, delivery.c.letter.not_in(letters))
    return c.execute(corrections.limit(1)).first() is not None


def arrived_of(handovers: Sequence[Handover]) -> tuple[Arrived, ...]:
    """Who gets a correction: whoever may have the handover and has none yet."""
    return tuple(
        Arrived(delivery_id=each.delivery_id, recipient=each.recipient)
        for each in handovers
        if each.arrived and not each.corrected and each.recipient is not None
    )


def recall_unsent(c: Connection, parts: Parts, handovers: Sequence[Handover]) -> None:
    """Take back what waits, is held or is parked."""
    for each in handovers:
        if each.state in DELIVERY_RECALLABLE:
            move_delivery(c, parts, each.delivery_id, DeliveryState.RECALLED, reason="release-cancelled")
