"""What its recipient has to confirm and has not in time: of a handover the clinical lead is told, and told again; of a notice of withdrawal
somebody is asked to tell it by hand, and then the guardian hears. It MUST NOT delay or alter a letter.

`delivery.due_at` of such a letter that is delivered is when it is looked at next; of every other delivered letter it is never.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, Exists, Table, and_, bindparam, exists, literal, or_, select, update

from fhir_profiles.letters import HANDING_OVER
from gateway.failpoints import around
from gateway.instants import from_text, to_text
from gateway.journeys.tasks import NOTICE, OVERDUE, add_tasks, task_of
from gateway.log import Code, log
from gateway.parts import Parts
from gateway.states import DELIVERY_OPEN, DeliveryState
from gateway.steps.standing import DeliveryRow
from gateway.store.locks import hold_delivery
from gateway.store.schema import delivery, task
from gateway.store.statement import Statement, one_of

D = DeliveryState
NEVER: Final = "9999-12-31T00:00:00.000000Z"
CODES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(HANDING_OVER, ("handover-unconfirmed", "handover-unconfirmed-again")),
    NOTICE: (NOTICE, OVERDUE),
}
"""Letter -> who is told when, one after the other."""
UNCONFIRMED: Final = frozenset(code for letter in HANDING_OVER for code in CODES[letter])


def _told(level: int) -> Exists:
    """Was the code of this level (0 or -1) raised for a delivery?"""
    code = or_(*(and_(delivery.c.letter == letter, task.c.code == codes[level]) for letter, codes in CODES.items()))
    return exists().where(task.c.delivery_id == delivery.c.id, code)


_TOLD_ONCE, _TOLD_ALL = _told(0), _told(-1)
BY_PERSON: Final = "by-person"
"""`delivery.reason` of a letter whose arrival a person has asked about: it is known, though no reply has said so."""
AT_ONCE: Final = 200
_ENDED_BY_OURSELVES: Final = (D.WITHHELD.value, D.RECALLED.value, D.EXPIRED.value)


def _overtaking(one: Table) -> tuple[Exists, Exists]:
    later = one.alias("later")
    newer = (
        later.c.person_id.is_not_distinct_from(one.c.person_id)
        & later.c.recipient.is_not_distinct_from(one.c.recipient)
        & (later.c.letter == one.c.letter)
        & (later.c.sequence > one.c.sequence)
        & later.c.state.not_in([literal(state) for state in _ENDED_BY_OURSELVES])
        & (later.c.letter != NOTICE)  # each is about letters of its own
    )
    return exists().where(later.c.supersedes == one.c.id), exists().where(newer)


_DELIVERED: Final = Statement(
    select(delivery.c.id)
    .where(
        delivery.c.state == D.DELIVERED.value, delivery.c.due_at <= bindparam("now"), one_of(delivery.c.letter, CODES)
    )
    .limit(AT_ONCE)
)
# INVARIANT: whatever is found here is raised now: what was told already, or matters no more, never stands before what was not.
_NOT_THERE: Final = Statement(
    select(delivery.c.id)
    .where(one_of(delivery.c.state, [state.value for state in DELIVERY_OPEN]), one_of(delivery.c.letter, CODES))
    .where(
        delivery.c.created_at <= bindparam("once"),
        or_(~_TOLD_ONCE, and_(delivery.c.created_at <= bindparam("twice"), ~_TOLD_ALL)),
    )
    .where(*(~each for each in _overtaking(delivery)))
    .limit(AT_ONCE)
)
_LETTER: Final = Statement(select(delivery).where(delivery.c.id == bindparam("delivery_id")))
_OF_LETTER: Final = Statement(
    select(delivery.c.letter, delivery.c.created_at).where(delivery.c.id == bindparam("delivery_id"))
)
_RAISED: Final = Statement(select(task.c.code).where(task.c.delivery_id == bindparam("delivery_id")))
_OVERTAKEN: Final = Statement(
    select(delivery.c.id).where(delivery.c.id == bindparam("delivery_id"), or_(*_overtaking(delivery)))
)


def look_again_at(parts: Parts, row: DeliveryRow) -> str:
    """When a letter that is delivered now is looked at again."""
    return _later(parts, row.created_at, 1) if row.letter in CODES else NEVER


def escalate_unconfirmed(parts: Parts) -> int:
    """Raise what is due. How many were raised."""
    with parts.store.read() as c:
        found = _due(c, parts)
    for delivery_id in found:
        with around("escalate"):
            parts.store.write(lambda c: _escalate(c, parts, delivery_id))  # noqa: B023  used at once
    return len(found)


def _due(c: Connection, parts: Parts) -> list[str]:
    once, twice = (
        to_text(parts.clock() - timedelta(seconds=parts.settings.delivery.confirm_seconds * times)) for times in (1, 2)
    )
    return [*_DELIVERED.column(c, now=parts.now()), *_NOT_THERE.column(c, once=once, twice=twice)]


def _level(c: Connection, parts: Parts, delivery_id: str) -> int | None:
    """Which of the letter's codes is due and was never raised, open or ended: each once for a letter. None when none is."""
    letter, created = _OF_LETTER.one(c, delivery_id=delivery_id)
    raised = set(_RAISED.column(c, delivery_id=delivery_id))
    for level, code in enumerate(CODES[letter]):
        if code not in raised:
            return level if _later(parts, created, level + 1) <= parts.now() else None
    return None


def _escalate(c: Connection, parts: Parts, delivery_id: str) -> None:
    hold_delivery(c, delivery_id)
    row = _LETTER.one(c, delivery_id=delivery_id)
    if DeliveryState(row.state) is not D.DELIVERED and DeliveryState(row.state) not in DELIVERY_OPEN:
        return
    level, codes = _level(c, parts, delivery_id), CODES[row.letter]
    matters = not is_overtaken(c, delivery_id)
    if level is not None and matters:
        if row.letter in HANDING_OVER:
            log(Code.HANDOVER_UNCONFIRMED, delivery=delivery_id)
        add_tasks(c, parts, (task_of(codes[level]),), delivery_id=delivery_id)
    if DeliveryState(row.state) is D.DELIVERED:
        raised = len(codes) if level is None or not matters else level + 1
        due = _later(parts, row.created_at, raised + 1) if raised < len(codes) else NEVER
        c.execute(update(delivery).where(delivery.c.id == delivery_id).values(due_at=due))


def is_overtaken(c: Connection, delivery_id: str) -> bool:
    """Was it taken back or corrected, or does a newer handover to the same recipient stand for it?"""
    return _OVERTAKEN.first(c, delivery_id=delivery_id) is not None


def _later(parts: Parts, created_at: str, times: int) -> str:
    return to_text(from_text(created_at) + timedelta(seconds=parts.settings.delivery.confirm_seconds * times))
