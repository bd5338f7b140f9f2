"""The whole way of one message: what was decided for whom, what was withheld by which rule, what became of each letter.

Read only. It shows ids, closed words, paths and rules; it MUST NOT show the content of a message or a letter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select

from gateway.keys import SealedGone
from gateway.parts import Parts
from gateway.states import DeliveryState
from gateway.steps.kept import Kept, KeptUnread, open_kept
from gateway.steps.receive import asked_as
from gateway.steps.standing import InFront, all_in_front, delivery_rows, people_of
from gateway.store.schema import attempt, decision, delivery, message, owed_answer, task

_AT_ONCE: Final = 1_000
"""Ids in one statement."""
_TO_LEAVE: Final = (DeliveryState.QUEUED.value, DeliveryState.WAITING.value)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    number: int
    intent_at: str
    outcome: str | None
    code: str | None


@dataclass(frozen=True, kw_only=True)
class DeliveryWay:
    """One letter. `supersedes` is the delivery that it stands for, or the handover that it corrects.

    `waits_for` is asked for where one message or one letter is shown; `due_at` is when a letter that waits for nothing is sent (again).
    """

    id: str
    decision: str
    recipient: str | None
    recipient_class: str
    letter: str
    wire: str | None
    state: str
    reason: str | None
    provisional: bool
    supersedes: str | None
    waits_for: InFront | None
    due_at: str | None
    created_at: str
    ended_at: str | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, kw_only=True)
class DecisionWay:
    """One decision. `reasons` and `withheld` are (rule, text) and (path, rule); `counted` are (report, period, cell).

    `gone`: retention has taken what it was made from, so that only its outcome is known; `unread`: it is there and cannot be read.
    """

    id: str
    recipient: str | None
    recipient_class: str
    letter: str
    agreement: str
    outcome: str
    decided_at: str
    reasons: tuple[tuple[str, str], ...]
    permitted: tuple[str, ...]
    withheld: tuple[tuple[str, str], ...]
    counted: tuple[tuple[str, str, str], ...]
    missing: tuple[str, ...]
    gone: bool = False
    unread: bool = False
    fault: str = ""
    """Why it is unread."""
    bound: bool = False
    """See `Kept`."""


@dataclass(frozen=True, kw_only=True)
class AnswerWay:
    """What the sender asked to be told later, as a message of its own. `code` is what the last attempt came to."""

    id: str
    state: str
    code: str | None
    attempts: int
    created_at: str
    ended_at: str | None


@dataclass(frozen=True, kw_only=True)
class TaskWay:
    role: str
    code: str
    told_at: str | None
    ended_at: str | None


@dataclass(frozen=True, kw_only=True)
class MessageWay:
    """One message. `asked_as` are X-Request-ID and X-Correlation-ID of its request, by which its sender may ask for it."""

    id: str
    kind: str
    client: str
    establishment: str | None
    state: str
    reason: str | None
    received_at: str
    ended_at: str | None
    asked_as: Mapping[str, str]
    decisions: tuple[DecisionWay, ...]
    deliveries: tuple[DeliveryWay, ...]
    tasks: tuple[TaskWay, ...]
    answer: AnswerWay | None


@dataclass(frozen=True, kw_only=True)
class KeptDecision:
    """Everything that is kept of one decision. `letters` are (id, state) of the deliveries that stand under it."""

    kept: Kept
    letters: tuple[tuple[str, str], ...]

    @property
    def arrived(self) -> bool:
        """Has the recipient said, or its server, that it has the letter?"""
        return any(state in (DeliveryState.DELIVERED, DeliveryState.CONFIRMED) for _, state in self.letters)


def find_message(c: Connection, some_id: str) -> str | None:
    """The message of a message's, a delivery's, a decision's or an owed answer's id."""
    for table, column in (
        (message, message.c.id),
        (delivery, delivery.c.message_id),
        (decision, decision.c.message_id),
        (owed_answer, owed_answer.c.message_id),
    ):
        found = c.execute(select(column).where(table.c.id == some_id)).scalar()
        if found is not None:
            return str(found)
    return None


def newest_message(c: Connection) -> str | None:
    """The message that was kept last."""
    found = c.execute(select(message.c.id).order_by(message.c.sequence.desc()).limit(1)).scalar()
    return None if found is None else str(found)


def reports(c: Connection) -> tuple[DeliveryWay, ...]:
    """The deliveries that no message made: calendar reports, oldest first."""
    rows = c.execute(select(delivery).where(delivery.c.message_id.is_(None)).order_by(delivery.c.sequence)).all()
    return delivery_ways(c, rows)


def all_deliveries(c: Connection) -> tuple[DeliveryWay, ...]:
    """Every delivery in the order of release, with what became of it."""
    return delivery_ways(c, c.execute(select(delivery).order_by(delivery.c.sequence)).all())


def outcomes(c: Connection) -> dict[str, str]:
    """Decision id -> its outcome."""
    return {str(row.id): str(row.outcome) for row in c.execute(select(decision.c.id, decision.c.outcome))}


def digests(c: Connection) -> dict[str, str]:
    """Delivery id -> SHA-256 of the letter's bytes as they were decided; deliveries without a letter are left out."""
    rows = c.execute(select(delivery.c.id, delivery.c.digest).where(delivery.c.digest.is_not(None)))
    return {str(row.id): str(row.digest) for row in rows}


def messages_of(c: Connection, person_id: str) -> tuple[str, ...]:
    """The messages about a person, in the order of acceptance."""
    found = c.execute(select(message.c.id).where(message.c.person_id == person_id).order_by(message.c.sequence))
    return tuple(str(row.id) for row in found)


def message_way(c: Connection, parts: Parts, message_id: str) -> MessageWay | None:
    """Everything that is kept about one message; None when there is no such message."""
    row = c.execute(select(message).where(message.c.id == message_id)).first()
    if row is None:
        return None
    deliveries = c.execute(
        select(delivery).where(delivery.c.message_id == message_id).order_by(delivery.c.sequence)
    ).all()
    decisions = c.execute(
        select(decision).where(decision.c.message_id == message_id).order_by(decision.c.decided_at, decision.c.id)
    ).all()
    return MessageWay(
        id=row.id,
        kind=row.kind,
        client=row.client,
        establishment=row.establishment,
        state=row.state,
        reason=row.reason,
        received_at=row.received_at,
        ended_at=row.ended_at,
        asked_as=_asked_as(c, parts, row.answer_id),
        decisions=tuple(decision_way(c, parts, each) for each in decisions),
        deliveries=delivery_ways(c, deliveries, _in_front(c, parts, deliveries)),
        tasks=_tasks(c, message_id, [each.id for each in deliveries]),
        answer=_answer(c, message_id),
    )


def _answer(c: Connection, message_id: str) -> AnswerWay | None:
    row = c.execute(select(owed_answer).where(owed_answer.c.message_id == message_id)).first()
    if row is None:
        return None
    return AnswerWay(
        id=row.id,
        state=row.state,
        code=row.code,
        attempts=row.attempts,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _asked_as(c: Connection, parts: Parts, answer_id: str | None) -> Mapping[str, str]:
    """Nothing for a message that was refused, or whose acknowledgement retention has taken."""
    try:
        return asked_as(parts.keys.unseal(c, answer_id)) if answer_id is not None else {}
    except SealedGone:
        return {}


def decision_way(c: Connection, parts: Parts, row: Row[tuple[object, ...]]) -> DecisionWay:
    """One decision's row, with what was sealed beside it."""
    kept, is_unread, fault = None, False, ""
    try:
        kept = open_kept(c, parts.keys, row.sealed_id, of=row.id)
    except SealedGone:
        pass
    except KeptUnread as error:
        is_unread, fault = True, str(error)
    return DecisionWay(
        id=row.id,
        recipient=row.recipient,
        recipient_class=row.recipient_class,
        letter=row.letter,
        agreement=row.agreement,
        outcome=row.outcome,
        decided_at=row.decided_at,
        reasons=tuple((each.rule, each.text) for each in kept.decision.reasons) if kept else (),
        permitted=kept.decision.permitted if kept else (),
        withheld=kept.withheld if kept else (),
        counted=tuple((each.report, each.period, each.cell) for each in kept.counted) if kept else (),
        missing=kept.missing if kept else (),
        gone=kept is None and not is_unread,
        unread=is_unread,
        fault=fault,
        bound=kept is not None and kept.bound,
    )


def kept_decision(c: Connection, parts: Parts, decision_id: str) -> KeptDecision | None:
    """A decision with what was sealed beside it; None when there is none of this id, or retention has taken what it was made from.

    Raises KeptUnread.
    """
    row = c.execute(select(decision.c.sealed_id).where(decision.c.id == decision_id)).one_or_none()
    if row is None:
        return None
    return opened_decision(c, parts, decision_id, row.sealed_id, letters_under(c, [decision_id]).get(decision_id, ()))


def opened_decision(
    c: Connection, parts: Parts, decision_id: str, sealed_id: str | None, letters: Sequence[tuple[str, str]]
) -> KeptDecision | None:
    """`kept_decision` for who has read many rows at once. Raises KeptUnread."""
    if sealed_id is None:
        return None
    try:
        return KeptDecision(kept=open_kept(c, parts.keys, sealed_id, of=decision_id), letters=tuple(letters))
    except SealedGone:
        return None


def letters_under(c: Connection, decisions: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Decision id -> (id, state) of the deliveries that stand under it, in their order."""
    found: dict[str, list[tuple[str, str]]] = {}
    query = select(delivery.c.decision_id, delivery.c.id, delivery.c.state).order_by(delivery.c.sequence)
    for at in range(0, len(decisions), _AT_ONCE):
        for each in c.execute(query.where(delivery.c.decision_id.in_(decisions[at : at + _AT_ONCE]))):
            found.setdefault(each.decision_id, []).append((each.id, each.state))
    return found


def delivery_way(c: Connection, parts: Parts, row: Row[Any]) -> DeliveryWay:
    """One delivery's row with its attempts, and what it waits for."""
    return delivery_ways(c, [row], _in_front(c, parts, [row]))[0]


def delivery_ways(
    c: Connection, rows: Sequence[Row[Any]], in_front: Mapping[str, InFront | None] = MappingProxyType({})
) -> tuple[DeliveryWay, ...]:
    """Rows of deliveries, each with its attempts, which are asked for together and not letter by letter."""
    tries: dict[str, list[Attempt]] = {}
    ids = [row.id for row in rows]
    query = select(attempt).order_by(attempt.c.delivery_id, attempt.c.number)
    for at in range(0, len(ids), _AT_ONCE):
        for each in c.execute(query.where(attempt.c.delivery_id.in_(ids[at : at + _AT_ONCE]))):
            tries.setdefault(each.delivery_id, []).append(
                Attempt(number=each.number, intent_at=each.intent_at, outcome=each.outcome, code=each.code)
            )
    return tuple(_delivery_way(row, tries.get(row.id, ()), in_front.get(row.id)) for row in rows)


def _in_front(c: Connection, parts: Parts, rows: Sequence[Row[Any]]) -> dict[str, InFront | None]:
    """What those of these letters wait for that have not left."""
    found: dict[str, InFront | None] = {}
    for state in _TO_LEAVE:
        asked = tuple(delivery_rows(c, [row.id for row in rows if row.state == state]).values())
        collected = state == DeliveryState.WAITING.value
        found |= all_in_front(c, parts, asked, people_of(c, asked), collected=collected)
    return found


def _delivery_way(row: Row[Any], tries: Sequence[Attempt], waits_for: InFront | None) -> DeliveryWay:
    return DeliveryWay(
        id=row.id,
        decision=row.decision_id,
        recipient=row.recipient,
        recipient_class=row.recipient_class,
        letter=row.letter,
        wire=row.wire,
        state=row.state,
        reason=row.reason,
        provisional=bool(row.provisional),
        supersedes=row.supersedes,
        waits_for=waits_for,
        due_at=row.due_at if row.state in _TO_LEAVE else None,
        created_at=row.created_at,
        ended_at=row.ended_at,
        attempts=tuple(tries),
    )


def _tasks(c: Connection, message_id: str, deliveries: Sequence[str]) -> tuple[TaskWay, ...]:
    found = c.execute(
        select(task)
        .where(or_(task.c.message_id == message_id, task.c.delivery_id.in_(deliveries)))
        .order_by(task.c.created_at, task.c.id)
    )
    return tuple(TaskWay(role=row.role, code=row.code, told_at=row.told_at, ended_at=row.ended_at) for row in found)
