"""Replies: what a recipient says of a letter that it got, in a message of its own or in the answer to our request.

`delivered` becomes `confirmed` by nothing else. Only a recipient's own client is heard about its letters; what names no letter of its own,
or says what cannot be, is held for a person. This module MUST NOT read a body by itself.
"""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, select, update

from adapters.contract import Receipt
from fhir_profiles.replies import Reply, ReplyCode, read_reply
from fhir_profiles.shapes import HoldCode
from gateway.clients import find
from gateway.journeys.tasks import add_tasks, end_tasks, task_of
from gateway.log import Code, log
from gateway.moves import move_delivery, move_message
from gateway.parts import Parts
from gateway.states import DeliveryState, MessageState
from gateway.steps.deliver import Result, Sent, refused_tasks, send_again
from gateway.steps.standing import DeliveryRow, delivery_row
from gateway.store.locks import hold_delivery
from gateway.store.schema import delivery, message

D = DeliveryState
SAID: Final = "reply"
_HEARD: Final = (D.SENDING, D.AMBIGUOUS, D.DELIVERED, D.PARKED, D.CONFIRMED, D.REFUSED)
"""Where a letter may be that its recipient has."""
LOOKED_AT: Final = 20_000
"""A reply by a derived id is looked for among so many of the recipient's last letters; by the delivery id among all."""


@dataclass(frozen=True, kw_only=True)
class ReplyMessage:
    """A reply that came as a message; `reply` is None where it cannot be read as one."""

    client: str
    reply: Reply | None


def read_reply_message(client: str, body: bytes) -> ReplyMessage:
    """Outside any transaction: what the bytes say."""
    return ReplyMessage(client=client, reply=read_reply(body))


def take_reply(c: Connection, parts: Parts, message_id: str, said: ReplyMessage) -> bool:
    """Do what a reply says, and end its message; False when it is held for a person."""
    row = _answered(c, said)
    if row is None or said.reply is None or not _follow(c, parts, row, said.reply.code):
        move_message(c, parts, message_id, MessageState.HELD, reason=HoldCode.REPLY_UNKNOWN.value)
        add_tasks(c, parts, (task_of(HoldCode.REPLY_UNKNOWN.value),), message_id=message_id)
        return False
    _give_to(c, parts, message_id, row)
    move_message(c, parts, message_id, MessageState.RELEASED, facts={"delivery": row.id, "code": said.reply.code.value})
    return True


def _answered(c: Connection, said: ReplyMessage) -> DeliveryRow | None:
    """The letter that is meant. INVARIANT: only a letter to the very recipient whose client speaks."""
    owner = find(c, said.client)
    if said.reply is None or owner is None or owner.recipient is None:
        return None
    hold_delivery(c, said.reply.identifier)
    direct = delivery_row(c, said.reply.identifier)
    if direct is not None:
        return direct if direct.recipient == owner.recipient else None
    recent = (
        select(delivery.c.id)
        .where(delivery.c.recipient == owner.recipient, delivery.c.state.in_([state.value for state in _HEARD]))
        .order_by(delivery.c.sequence.desc())
        .limit(LOOKED_AT)
    )
    found = next((one for one in c.execute(recent).scalars() if said.reply.means(one)), None)
    if found is None:
        return None
    hold_delivery(c, found)
    return delivery_row(c, found)


def _give_to(c: Connection, parts: Parts, message_id: str, row: DeliveryRow) -> None:
    """A reply is about the person of its letter: kept under that person's key, as the letter is."""
    if row.person_id is None:
        return
    c.execute(update(message).where(message.c.id == message_id).values(person_id=row.person_id))
    kept = c.execute(select(message.c.body_id, message.c.answer_id).where(message.c.id == message_id)).one()
    for sealed_id in (kept.body_id, kept.answer_id):
        if sealed_id is not None:
            parts.keys.wrap_for_person(c, sealed_id, row.person_id)


def _follow(c: Connection, parts: Parts, row: DeliveryRow, code: ReplyCode) -> bool:
    """What follows for the letter; False for what cannot be. A reply may come before our own receipt was written."""
    state = D(row.state)
    if state not in _HEARD or row.attempts == 0 or row.reason == "seal-broken":
        return False
    match code:
        case ReplyCode.OK:
            return _confirm(c, parts, row, state)
        case ReplyCode.FATAL_ERROR:
            return _refuse(c, parts, row, state)
        case ReplyCode.TRANSIENT_ERROR:
            return _again(c, parts, row, state)


def _confirm(c: Connection, parts: Parts, row: DeliveryRow, state: DeliveryState) -> bool:
    if state is D.REFUSED:
        return False
    if state in (D.SENDING, D.PARKED):
        move_delivery(c, parts, row.id, D.DELIVERED, facts={"attempt": row.attempts, "code": SAID})
    if state is not D.CONFIRMED:
        move_delivery(c, parts, row.id, D.CONFIRMED, facts={"code": SAID})
        end_tasks(c, parts, delivery_id=row.id)
    return True


def _refuse(c: Connection, parts: Parts, row: DeliveryRow, state: DeliveryState) -> bool:
    if state is D.CONFIRMED:
        return False
    if state is D.REFUSED:
        return True
    if state is D.PARKED:
        move_delivery(c, parts, row.id, D.DELIVERED, facts={"attempt": row.attempts, "code": SAID})
    log(Code.DELIVERY_REFUSED, delivery=row.id, recipient=row.recipient, reason=SAID)
    move_delivery(c, parts, row.id, D.REFUSED, reason=SAID, facts={"attempt": row.attempts})
    add_tasks(c, parts, refused_tasks(row.letter), delivery_id=row.id)
    return True


def _again(c: Connection, parts: Parts, row: DeliveryRow, state: DeliveryState) -> bool:
    """The recipient could not process it now: it is sent again, later, with the same key."""
    if state in (D.CONFIRMED, D.REFUSED) or row.sealed_id is None:
        return False
    if state in (D.SENDING, D.DELIVERED):
        send_again(c, parts, row, D.QUEUED, Sent(result=Result.TRANSIENT, code=SAID))
    return True  # `ambiguous` is tried again anyway; `parked` is a person's already


def judged(delivery_id: str, receipt: Receipt) -> Sent:
    """What a 2xx answer comes to when a reply stands in it. Its errors are believed whatever they name; `ok` only when it names this letter."""
    reply = read_reply(receipt.reply)
    delivered = Sent(result=Result.DELIVERED, code=receipt.code)
    if reply is None:
        return delivered
    match reply.code:
        case ReplyCode.OK:
            return replace(delivered, confirmed=reply.means(delivery_id))
        case ReplyCode.FATAL_ERROR:
            return Sent(result=Result.REFUSED, code=SAID)
        case ReplyCode.TRANSIENT_ERROR:
            return Sent(result=Result.TRANSIENT, code=SAID)
