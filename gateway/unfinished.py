"""What the store says is unfinished: the questions that the line asks between its steps. Reads, and one counter; it decides nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, bindparam, exists, or_, select, true, update

from gateway.among import Several, among
from gateway.failpoints import around
from gateway.instants import to_text
from gateway.journeys.cancelled import NOT_ARRIVED
from gateway.journeys.tasks import add_tasks, task_of
from gateway.moves import move_message
from gateway.parts import Parts
from gateway.states import DELIVERY_OPEN, DeliveryState, MessageState
from gateway.steps import standing
from gateway.steps.answering import due_answers
from gateway.steps.close import due_periods
from gateway.steps.named import note_whom
from gateway.steps.standing import DELIVERIES, all_in_front, all_moved_since, people_of
from gateway.store.locks import hold_message
from gateway.store.schema import attempt, delivery, message, person, task
from gateway.store.statement import Statement, looked_at, one_of

D = DeliveryState
M = MessageState
PUBLISHED_AT_ONCE = 500
"""A sweep publishes this many of each; the next one brings the rest."""
MESSAGE_ATTEMPTS = 5
RETRY_SECONDS = (0.1, 0.5, 2.0, 10.0)
SENDABLE = (D.QUEUED.value, D.AMBIGUOUS.value)
COLLECTABLE = (D.WAITING.value, D.SENDING.value, D.AMBIGUOUS.value)

_RECEIVED: Final = Statement(
    select(message.c.id)
    .where(message.c.state == M.RECEIVED.value)
    .order_by(message.c.sequence)
    .limit(PUBLISHED_AT_ONCE)
)
_NEXT: Final = Statement(
    select(message.c.id)
    .where(message.c.person_id == bindparam("person_id"), message.c.state == M.RECEIVED.value)
    .order_by(message.c.sequence)
    .limit(1)
)
_UNTOLD: Final = Statement(
    select(task.c.id).where(
        task.c.tell, task.c.told_at.is_(None), task.c.ended_at.is_(None), task.c.due_at <= bindparam("now")
    )
)
_MAY_BE_STALE: Final = (D.QUEUED.value, D.WAITING.value, D.PARKED.value, D.HELD.value, D.AMBIGUOUS.value)
SETTINGS_AT_ONCE: Final = 8
"""For so many sets of recipients and agreements the questions are kept: a process has one, and the next when an agreement is activated."""
_STATE: Final = Statement(select(message.c.state).where(message.c.id == bindparam("message_id")))
_FRONT: Final = delivery.alias("front")
_HAS_ONE_IN_FRONT: Final = exists().where(
    _FRONT.c.person_id == delivery.c.person_id,
    _FRONT.c.recipient == delivery.c.recipient,
    _FRONT.c.sequence < delivery.c.sequence,
    ~_FRONT.c.whole_picture,
    one_of(_FRONT.c.state, [state.value for state in DELIVERY_OPEN]),
)
"""Of what only one after the other may go, all but the first: most of what waits for a recipient that is down. Who else waits, `all_in_front` says."""
_QUEUED: Final = (
    select(delivery.c.id).where(looked_at(delivery.c.state) == D.QUEUED.value).order_by(delivery.c.sequence)
)
_RECIPIENTS: Final = Several(select(delivery.c.id, delivery.c.recipient).where(among(delivery.c.id)), delivery.c.id)
_QUEUED_OF_MESSAGE: Final = Statement(_QUEUED.where(delivery.c.message_id == bindparam("message_id")))
_QUEUED_OF_PERSON: Final = Statement(_QUEUED.where(delivery.c.person_id == bindparam("person_id")))


@dataclass(frozen=True, kw_only=True)
class Work:
    """What could go on now. `stale_people` have letters that were decided under versions that hold no more."""

    messages: tuple[str, ...]
    deliveries: tuple[str, ...]
    stale_people: tuple[str, ...]
    untold: int
    answers: tuple[str, ...]

    def runnable(self, may_try: Callable[[str], bool]) -> bool:
        """Is there anything to do now?"""
        going = self.deliveries or self.stale_people or self.untold or self.answers
        return bool(going or any(map(may_try, self.messages)))


@dataclass(frozen=True, kw_only=True)
class MailboxItem:
    """One line of a mailbox's list."""

    id: str
    queued_at: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A message that could not be released: when it is tried again, or that it was parked and which message of the person comes next."""

    again_at: str | None
    parked: bool = False
    next_message: str | None = None


def read(parts: Parts, full: frozenset[str] = frozenset()) -> Work:
    """Everything that is unfinished and could go on now. `full` are recipients that get no letter now."""
    with parts.store.read() as c:
        return Work(
            messages=_messages(c),
            deliveries=_deliveries(c, parts, frozenset(parts.outbounds) - full),
            stale_people=_stale_people(c, parts),
            untold=_untold(c, parts),
            answers=due_answers(c, parts),
        )


def is_due(parts: Parts) -> bool:
    """Is a calendar report due?"""
    return next(iter(due_periods(parts)), None) is not None


def _messages(c: Connection) -> tuple[str, ...]:
    return tuple(_RECEIVED.column(c))


def _deliveries(c: Connection, parts: Parts, recipients: frozenset[str]) -> tuple[str, ...]:
    # INVARIANT: what waits behind a recipient that is down, or for a person, hides nobody else's letter, however much it is.
    found: list[str] = []
    after = 0
    while len(found) < PUBLISHED_AT_ONCE:
        rows = _due_to(recipients).all(c, now=parts.now(), after=after)
        waits = all_in_front(c, parts, rows, people_of(c, rows), collected=False)
        found += [row.id for row in rows if not waits[row.id]]
        if len(rows) < PUBLISHED_AT_ONCE:
            break
        after = rows[-1].sequence
    return tuple(found[:PUBLISHED_AT_ONCE])


@lru_cache(maxsize=SETTINGS_AT_ONCE)
def _due_to(recipients: frozenset[str]) -> Statement:
    """Letters to these that are due, those left out that would wait behind another anyway."""
    return Statement(
        DELIVERIES.where(
            delivery.c.sequence > bindparam("after"),
            one_of(delivery.c.state, SENDABLE),
            delivery.c.due_at <= bindparam("now"),
            one_of(delivery.c.recipient, sorted(recipients)),
            delivery.c.whole_picture | ~_HAS_ONE_IN_FRONT,
        )
        .order_by(delivery.c.sequence)
        .limit(PUBLISHED_AT_ONCE)
    )


def _stale_people(c: Connection, parts: Parts) -> tuple[str, ...]:
    """People with a letter that has not left and was decided under other versions."""
    digests = frozenset(agreement.digest for agreement in parts.agreements.values())
    versions = frozenset(recipient.version for recipient in parts.recipients.values())
    rows = _decided_under_others(digests, versions).all(c)
    moved = all_moved_since(c, parts, rows, people_of(c, rows))
    return tuple({row.person_id: None for row in rows if moved[row.id] is not None})


def _none_of(column: Column[str], values: frozenset[str]) -> ColumnElement[bool]:
    return ~one_of(column, sorted(values)) if values else true()


@lru_cache(maxsize=SETTINGS_AT_ONCE)
def _decided_under_others(digests: frozenset[str], versions: frozenset[str]) -> Statement:
    """Letters that have not left, of which the agreement or the recipient is none of these, or the person's consents or links moved."""
    unknown = exists().where(
        attempt.c.delivery_id == delivery.c.id,
        attempt.c.outcome.is_(None) | ~one_of(attempt.c.outcome, NOT_ARRIVED),
    )
    return Statement(
        DELIVERIES.join(person, person.c.id == delivery.c.person_id)
        .where(one_of(delivery.c.state, _MAY_BE_STALE))
        .where(or_(delivery.c.state != D.PARKED.value, ~unknown))  # those are a person's: gateway/steps/reconsider.py
        .where(
            or_(
                person.c.consent_version != delivery.c.consent_version,
                person.c.link_version != delivery.c.link_version,
                _none_of(delivery.c.agreement_digest, digests),
                delivery.c.recipient.is_not(None) & _none_of(delivery.c.recipient_version, versions),
            )
        )
        .limit(PUBLISHED_AT_ONCE)
    )


def _untold(c: Connection, parts: Parts) -> int:
    if parts.teller is None:
        return 0
    return len(_UNTOLD.all(c, now=parts.now()))


def of_message(parts: Parts, message_id: str) -> Sequence[str]:
    """The letters of a message that wait to be sent."""
    with parts.store.read() as c:
        return _QUEUED_OF_MESSAGE.column(c, message_id=message_id)


def to_any_of(parts: Parts, delivery_ids: Sequence[str], recipients: frozenset[str]) -> dict[str, str]:
    """Which of these letters are to one of these recipients, and to which."""
    with parts.store.read() as c:
        found = _RECIPIENTS.of(c, delivery_ids)
    return {row.id: row.recipient for row in found if row.recipient in recipients}


def of_person(parts: Parts, person_id: str) -> Sequence[str]:
    """The letters about a person that wait to be sent."""
    with parts.store.read() as c:
        return _QUEUED_OF_PERSON.column(c, person_id=person_id)


def behind(parts: Parts, delivery_id: str) -> tuple[str, ...]:
    """The next letters that may have waited behind this one, where it has ended: behind one that waits itself nobody goes.

    INVARIANT: else each would wake the next two, and those the next, as often as a broker is told of them.
    """
    with parts.store.read() as c:
        row = standing.delivery_row(c, delivery_id)
        is_open = row is not None and DeliveryState(row.state) in DELIVERY_OPEN
        return () if is_open else standing.behind(c, delivery_id)


def _next(c: Connection, person_id: str) -> str | None:
    found: str | None = _NEXT.value(c, person_id=person_id)
    return found


def person_of(parts: Parts, delivery_id: str) -> str | None:
    """Whose letter it is."""
    with parts.store.read() as c:
        found: str | None = c.execute(select(delivery.c.person_id).where(delivery.c.id == delivery_id)).scalar()
    return found


def person_of_message(parts: Parts, message_id: str) -> str | None:
    """Whose message it is."""
    with parts.store.read() as c:
        found: str | None = c.execute(select(message.c.person_id).where(message.c.id == message_id)).scalar()
    return found


def state_of(parts: Parts, message_id: str) -> MessageState:
    """The state of a message."""
    with parts.store.read() as c:
        return MessageState(_STATE.one(c, message_id=message_id).state)


def count_failure(parts: Parts, message_id: str) -> Failure:
    """Count a failed attempt at a message; after the last one it is parked and told."""

    def work(c: Connection) -> Failure:
        hold_message(c, message_id)
        row = c.execute(select(message).where(message.c.id == message_id)).one()
        if row.state != M.RECEIVED:
            return Failure(again_at=None)
        c.execute(update(message).where(message.c.id == message_id).values(attempts=row.attempts + 1))
        if row.attempts + 1 < MESSAGE_ATTEMPTS:
            seconds = RETRY_SECONDS[min(row.attempts, len(RETRY_SECONDS) - 1)]
            return Failure(again_at=to_text(parts.clock() + timedelta(seconds=seconds)))
        move_message(c, parts, message_id, M.PARKED, reason="attempts")
        if row.person_id is None:
            note_whom(c, parts, message_id, None)
        add_tasks(c, parts, (task_of("message-parked"),), message_id=message_id)
        return Failure(again_at=None, parked=True, next_message=_next(c, row.person_id) if row.person_id else None)

    with around("count-failure"):
        return parts.store.write(work)


def mailbox(parts: Parts, recipient: str | None) -> Sequence[MailboxItem]:
    """What a recipient may collect now, in the order of release."""
    with parts.store.read() as c:
        rows = c.execute(
            DELIVERIES.where(delivery.c.recipient == recipient, delivery.c.state.in_(COLLECTABLE)).order_by(
                delivery.c.sequence
            )
        ).all()
        waits = all_in_front(c, parts, rows, people_of(c, rows), collected=True)
    return [MailboxItem(id=row.id, queued_at=row.created_at) for row in rows if not waits[row.id]]


def is_in_mailbox(parts: Parts, recipient: str | None, delivery_id: str) -> bool:
    """Is this letter this recipient's to collect?"""
    box = parts.recipients.get(recipient or "")
    if box is None or box.adapter != "mailbox":
        return False
    with parts.store.read() as c:
        found = c.execute(
            select(delivery.c.id).where(delivery.c.id == delivery_id, delivery.c.recipient == box.id)
        ).first()
    return found is not None
