"""What a store that was put back may not do by itself: go on. It is older than the world.

A letter that was unfinished when the copy was made may have left since; a message that was received may have had its effect since under
other delivery ids; and a consent may have been withdrawn since. So nothing of it goes on before a person has looked: letters and
messages are parked, each with a task that is told at once, and `held release` or `held reject` ends it. Nothing here MUST ever send.
"""

import json
from dataclasses import asdict, dataclass
from functools import partial

from sqlalchemy import Connection, func, select

from gateway.failpoints import around
from gateway.journeys.tasks import add_tasks, task_of
from gateway.ledger import Break, LedgerFault, record
from gateway.moves import move_delivery, move_message
from gateway.parts import Parts
from gateway.states import DeliveryState, MessageState
from gateway.store.locks import hold_delivery, hold_message
from gateway.store.schema import delivery, message, person

REASON = "restored"
BATCH = 100
GOES_ON = (
    DeliveryState.QUEUED.value,
    DeliveryState.WAITING.value,
    DeliveryState.SENDING.value,
    DeliveryState.AMBIGUOUS.value,
)
"""What the line would take up by itself."""


@dataclass(frozen=True, kw_only=True)
class Parked:
    """How many waits for a person now."""

    letters: int
    messages: int


@dataclass(frozen=True, kw_only=True)
class LastHeard:
    """Up to where this store knows a channel: what was sent on it since has to be sent again."""

    channel: str
    client: str
    last_message: str
    last_at: str


def park_unfinished(parts: Parts) -> Parked:
    """Everything that would go on by itself waits for a person from now on. It may be called again: what is parked stays so."""
    letters = messages = 0
    while found := _unfinished(parts):
        for message_id in found[0]:
            with around("restored-message"):
                messages += parts.store.write(partial(_park_message, parts=parts, message_id=message_id))
        for delivery_id in found[1]:
            with around("restored-letter"):
                letters += parts.store.write(partial(_park_letter, parts=parts, delivery_id=delivery_id))
    return Parked(letters=letters, messages=messages)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """A new epoch: what it passes over, and what waits for a person because of it."""

    passed_over: Break
    parked: Parked


def begin_epoch(parts: Parts, *, reason: str, by: str) -> Epoch:
    """A person takes this store into use. LedgerFault when its ledger continues its head, or a gateway is running on it."""
    if not reason.strip():
        raise LedgerFault("a reason is needed")
    if not parts.store.lead("ledger"):
        raise LedgerFault("a gateway is running on this store: stop every process first")
    act = parts.ids.entry()
    passed_over = parts.ledger.begin_epoch(partial(_enter, parts=parts, act=act, reason=reason, by=by))
    return Epoch(passed_over=passed_over, parked=park_unfinished(parts))


def _enter(c: Connection, found: Break, *, parts: Parts, act: str, reason: str, by: str) -> None:
    """INVARIANT: what was signed and is not here is said in the ledger itself, with who took it into use and, sealed, why."""
    note = parts.keys.seal(
        c,
        category="ledger",
        plaintext=json.dumps({"by": by, "reason": reason}).encode(),
        person_id=None,
        now=parts.now(),
    )
    record(
        c,
        entry_id=parts.ids.entry(),
        chain=act,
        step=1,
        event="epoch-began",
        at=parts.now(),
        facts={**asdict(found), "note": note},
    )


def _unfinished(parts: Parts) -> tuple[list[str], list[str]] | None:
    with parts.store.read() as c:
        received = select(message.c.id).where(message.c.state == MessageState.RECEIVED.value).limit(BATCH)
        going = select(delivery.c.id).where(delivery.c.state.in_(GOES_ON)).limit(BATCH)
        found = list(c.execute(received).scalars()), list(c.execute(going).scalars())
    return found if any(found) else None


def _park_message(c: Connection, *, parts: Parts, message_id: str) -> bool:
    hold_message(c, message_id)
    if c.execute(select(message.c.state).where(message.c.id == message_id)).scalar_one() != MessageState.RECEIVED:
        return False
    move_message(c, parts, message_id, MessageState.PARKED, reason=REASON)
    add_tasks(c, parts, [task_of("message-restored")], message_id=message_id)
    return True


def _park_letter(c: Connection, *, parts: Parts, delivery_id: str) -> bool:
    hold_delivery(c, delivery_id)
    row = c.execute(select(delivery.c.state, delivery.c.whole_picture).where(delivery.c.id == delivery_id)).one()
    if row.state not in GOES_ON:
        return False
    move_delivery(c, parts, delivery_id, DeliveryState.PARKED, reason=REASON)
    code = "handover-restored" if row.whole_picture else "letter-restored"
    add_tasks(c, parts, [task_of(code)], delivery_id=delivery_id)
    return True


def require_keys(parts: Parts) -> None:
    """Raises SealedBroken when the keys here are not those that this store was written with."""
    with parts.store.read() as c:
        someone = c.execute(select(person.c.id).where(func.length(person.c.wrapped_key) > 0).limit(1)).scalar()
        if someone is not None:
            parts.keys.commitment(c, someone, b"", b"")


def last_heard(parts: Parts) -> tuple[LastHeard, ...]:
    """For each channel and client the last message that this store has, so that each sender can be asked for everything since."""
    newest = select(func.max(message.c.sequence)).group_by(message.c.channel, message.c.client)
    with parts.store.read() as c:
        rows = c.execute(
            select(message.c.channel, message.c.client, message.c.id, message.c.received_at)
            .where(message.c.sequence.in_(newest))
            .order_by(message.c.channel, message.c.client)
        ).all()
    return tuple(
        LastHeard(channel=row.channel, client=row.client, last_message=row.id, last_at=row.received_at) for row in rows
    )
