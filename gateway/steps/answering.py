"""Bring a sender the answer that it asked to be told later, at the address that its channel registers, once the line has come to its message.

An application acknowledgement says custody, so it goes as soon as the message is no longer `received`; a FHIR response says what became of
the message, so it waits until that has ended. What was withheld from whom is in neither. Nothing in front of a letter waits for any of this.
An attempt is committed before it is made, its outcome after it; a crash between the two sends the same bytes again under the same id. This
module MUST NOT take an address from anything but the settings.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select

from adapters.contract import DUPLICATE, Answer, OwedAnswer
from gateway.clients import find
from gateway.failpoints import around
from gateway.instants import to_text
from gateway.journeys.tasks import ANSWER_NOT_TAKEN, add_tasks, end_code, task_of
from gateway.keys import SealedError
from gateway.log import Code, log
from gateway.parts import Parts
from gateway.states import AnswerState, MessageState
from gateway.steps.acknowledge import fhir_rejected
from gateway.steps.deliver import LATE_SECONDS, Result, Sent, backoff_seconds
from gateway.steps.owed import Owed, hold_owed, move_owed
from gateway.steps.receive import stored_answers
from gateway.store.schema import message, owed_answer
from gateway.store.statement import Statement, one_of

A = AnswerState
M = MessageState
_SENDABLE: Final = frozenset({A.QUEUED, A.AMBIGUOUS})
_ENDED: Final = frozenset({M.RELEASED, M.REJECTED})
AT_ONCE: Final = 200
NOT_REGISTERED: Final = "not-registered"
GONE: Final = "gone"


def _come_to() -> ColumnElement[bool]:
    """Is there something to say of the message?"""
    ended = one_of(message.c.state, [each.value for each in _ENDED])
    return or_(ended, and_(message.c.format == "hl7v2", message.c.state != M.RECEIVED.value))


_DUE: Final = Statement(
    select(owed_answer.c.id)
    .join(message, message.c.id == owed_answer.c.message_id)
    .where(one_of(owed_answer.c.state, [each.value for each in _SENDABLE]), owed_answer.c.due_at <= bindparam("now"))
    .where(_come_to())
    .order_by(owed_answer.c.due_at, owed_answer.c.created_at)
    .limit(AT_ONCE)
)
_LEFT: Final = Statement(
    select(owed_answer.c.id, owed_answer.c.attempts).where(
        owed_answer.c.state == A.SENDING.value, owed_answer.c.intent_at <= bindparam("late")
    )
)


def due_answers(c: Connection, parts: Parts) -> tuple[str, ...]:
    """The answers that could go now, who is due the longest first: those of a sender that is away are due later after each attempt, and hide no other's."""
    return tuple(_DUE.column(c, now=parts.now()))


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt that is committed: its number, and what is sent."""

    number: int
    answer: OwedAnswer


def open_answer(parts: Parts, answer_id: str) -> Attempt | None:
    """An answer whose attempt is committed, to be sent now; None when there is nothing to send, or nobody to send it to."""
    with around("answer-intent"):
        return parts.store.write(lambda c: _commit_intent(c, parts, answer_id))


def _commit_intent(c: Connection, parts: Parts, answer_id: str) -> Attempt | None:
    owed = hold_owed(c, answer_id)
    if owed is None or owed.state not in _SENDABLE or owed.due_at > parts.now():
        return None
    found = select(message.c.channel, message.c.client, message.c.state, message.c.format, message.c.answer_id)
    row = c.execute(found.where(message.c.id == owed.message_id, _come_to())).first()
    if row is None:
        return None
    # INVARIANT: an answer goes to the address that its client's own channel registers now, and nowhere else: a channel can change hands.
    if not _registers(parts, row.channel, row.client) or find(c, row.client) is None:
        _park(c, parts, owed, NOT_REGISTERED)
        return None
    answer = _kept(c, parts, row.answer_id)
    if answer is None:
        move_owed(c, parts, owed, A.PARKED, code=GONE)  # erased, or past its term: there is nothing left to say
        return None
    if row.format == "fhir" and row.state == M.REJECTED:
        answer = fhir_rejected(answer)
    move_owed(c, parts, owed, A.SENDING)
    sent = OwedAnswer(
        delivery_id=owed.id,
        recipient=row.channel,
        wire="hl7v2" if row.format == "hl7v2" else "fhir-message",
        content_type=answer.content_type,
        body=answer.body,
    )
    return Attempt(number=owed.attempts + 1, answer=sent)


def _registers(parts: Parts, channel: str, client: str) -> bool:
    return channel in parts.answering and parts.settings.channel(channel).client == client


def _kept(c: Connection, parts: Parts, answer_id: str | None) -> Answer | None:
    if answer_id is None:
        return None
    try:
        return stored_answers(parts.keys.unseal(c, answer_id))[1]
    except SealedError:
        return None


def write_outcome(parts: Parts, answer_id: str, number: int, sent: Sent) -> None:
    """Commit what the attempt of this number came to, and when the next one is."""
    with around("answer-outcome"):
        parts.store.write(lambda c: _outcome(c, parts, answer_id, number, sent))


def _outcome(c: Connection, parts: Parts, answer_id: str, number: int, sent: Sent) -> None:
    owed = hold_owed(c, answer_id)
    if owed is None:
        return
    late = owed.state in (A.AMBIGUOUS, A.PARKED)  # the outcome came after we had given up waiting for it
    # INVARIANT: what an attempt came to is no other attempt's outcome: the one that is under way has its own.
    under_way = owed.state is A.SENDING and owed.attempts == number
    if not under_way and not (late and sent.result is Result.DELIVERED):
        return
    # an id of ours never has other bytes: who says that it is there already, and was sent it before, has it
    there_already = sent.code == DUPLICATE and number > 1
    match Result.DELIVERED if there_already else sent.result:
        case Result.DELIVERED:
            move_owed(c, parts, owed, A.DELIVERED, code=sent.code)
            end_code(c, parts, ANSWER_NOT_TAKEN, message_id=owed.message_id)
        case Result.REFUSED:
            move_owed(c, parts, owed, A.REFUSED, code=sent.code)
            _tell(c, parts, owed, sent.code)
        case Result.TRANSIENT:
            _again(c, parts, owed, A.QUEUED, sent)
        case Result.AMBIGUOUS:
            _again(c, parts, owed, A.AMBIGUOUS, sent)


def _again(c: Connection, parts: Parts, owed: Owed, state: AnswerState, sent: Sent) -> None:
    """Later, as a letter would be; or parked after the limit."""
    if owed.attempts % parts.settings.delivery.attempts == 0:
        _park(c, parts, owed, sent.code)
        return
    seconds = backoff_seconds(parts, owed.id, owed.attempts, sent.retry_after_seconds)
    move_owed(c, parts, owed, state, code=sent.code, due_at=parts.after(seconds=seconds))


def _park(c: Connection, parts: Parts, owed: Owed, code: str) -> None:
    move_owed(c, parts, owed, A.PARKED, code=code)
    _tell(c, parts, owed, code)


def _tell(c: Connection, parts: Parts, owed: Owed, code: str) -> None:
    log(Code.ANSWER_NOT_TAKEN, message=owed.message_id, answer=owed.id, reason=code)
    add_tasks(c, parts, (task_of(ANSWER_NOT_TAKEN),), message_id=owed.message_id)


def time_out_answers(parts: Parts) -> None:
    """An attempt that a crash left without an outcome is `ambiguous`, and made again."""
    settings = parts.settings.delivery
    late = to_text(parts.clock() - timedelta(seconds=settings.send_timeout_seconds + LATE_SECONDS))
    with parts.store.read() as c:
        found = _LEFT.all(c, late=late)
    for row in found:
        write_outcome(parts, row.id, row.attempts, Sent(result=Result.AMBIGUOUS, code="no-receipt"))
