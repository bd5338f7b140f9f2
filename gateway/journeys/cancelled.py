"""A release or a transfer that was cancelled: which handover it takes back, who may have it, what of it has not left.

A message can say so itself (ADT^A13), or by what it says of a movement that a handover was sent for: back on the same booking within the
window of reversal, or after all no release (messaging finding 5). This module MUST NOT decide who is told: a correction goes through the
same gate as any letter. It MUST NOT hold a handover back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, or_, select

from fhir_profiles.days import instant_of
from fhir_profiles.letters import LETTERS
from fhir_profiles.movements import ends_a_stay_that_goes_on, last_left, left_at, same_movement, was_taken_back
from fhir_profiles.shapes import Event, Json, Translation
from fhir_profiles.tasks import TASKS
from gateway.among import Several, among
from gateway.instants import from_text, to_text
from gateway.journeys.plan import LEAVES_CUSTODY, LEAVES_PRISON, NO_RELEASE, Arrived
from gateway.journeys.tasks import end_tasks
from gateway.moves import move_delivery
from gateway.parts import Parts
from gateway.states import DELIVERY_RECALLABLE, DeliveryState
from gateway.store.schema import attempt, delivery
from gateway.store.statement import Statement, one_of

HAS_ARRIVED = frozenset(
    {DeliveryState.DELIVERED, DeliveryState.CONFIRMED, DeliveryState.SENDING, DeliveryState.AMBIGUOUS}
)
MAY_HAVE_LEFT: Final = sorted(each.value for each in (*HAS_ARRIVED, DeliveryState.PARKED, DeliveryState.REFUSED))
"""INVARIANT: what was refused can have arrived before, by an attempt whose outcome nobody knows: a receiver refuses a repeat."""
NOT_ARRIVED = ("transient", "refused")
"""`attempt.outcome` values that are certain; no outcome, `ambiguous` and `delivered` may have arrived."""

WORDS_APART: Final = timedelta(days=1)
"""How long after the first word about a movement another can still come."""
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
    message_id: str | None
    letter: str
    recipient: str | None
    recipient_class: str
    provisional: bool
    made_at: str
    state: DeliveryState
    arrived: bool
    corrected: bool

    @property
    def onward(self) -> bool:
        """Whether it was made of a transfer to another prison, and of no release."""
        return Event.TRANSFER in LETTERS[self.letter].events


def handover_letters(parts: Parts) -> frozenset[str]:
    """The letters that a release or a transfer starts."""
    leaving = {event.value for event in LEAVES_PRISON}
    return frozenset(each.letter for each in parts.agreements.values() if leaving & set(each.events))


@cache
def _last_of(letters: frozenset[str]) -> Statement:
    """When the last message made a delivery of these letters, of those that made any."""
    return Statement(
        select(delivery.c.message_id, delivery.c.created_at)
        .where(delivery.c.person_id == bindparam("person_id"), one_of(delivery.c.letter, letters))
        .order_by(delivery.c.sequence.desc())
        .limit(1)
    )


@cache
def _around(letters: frozenset[str]) -> Statement:
    """The deliveries of these letters that this message made, and those since then that others made."""
    return Statement(
        select(delivery)
        .where(
            delivery.c.person_id == bindparam("person_id"),
            one_of(delivery.c.letter, letters),
            or_(delivery.c.message_id == bindparam("message_id"), delivery.c.created_at >= bindparam("since")),
        )
        .order_by(delivery.c.sequence)
    )


@cache
def _whose(letters: frozenset[str]) -> Several:
    """Which of these people any delivery of these letters was made for."""
    return Several(
        select(delivery.c.person_id).where(among(delivery.c.person_id), one_of(delivery.c.letter, letters)).distinct(),
        delivery.c.person_id,
    )


def handovers_of_all(
    c: Connection, person_ids: Collection[str], letters: Collection[str]
) -> dict[str, tuple[Handover, ...]]:
    """`handovers_of` each of these people: of most there are none."""
    having = {row.person_id for row in _whose(frozenset(letters)).of(c, person_ids)}
    return {each: handovers_of(c, each, letters) if each in having else () for each in person_ids}


def handovers_of(c: Connection, person_id: str, letters: Collection[str]) -> tuple[Handover, ...]:
    """Every delivery of the last message that made a handover for this person, and of those in the day before it."""
    last = _last_of(frozenset(letters)).first(c, person_id=person_id)
    if last is None:
        return ()
    since = to_text(from_text(last.created_at) - WORDS_APART)
    rows = _around(frozenset(letters)).all(c, person_id=person_id, message_id=last.message_id, since=since)
    return tuple(
        Handover(
            delivery_id=row.id,
            message_id=row.message_id,
            letter=row.letter,
            recipient=row.recipient,
            recipient_class=row.recipient_class,
            provisional=row.provisional,
            made_at=row.created_at,
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


def of_last_movement(handovers: Sequence[Handover], resources: Sequence[Json]) -> tuple[Handover, ...]:
    """Those that were made of the movement that the last of them was made of, by whatever message told it: both feeds, and the health record.

    What stands before a correction is of a movement that was taken back.
    """
    found: list[Handover] = []
    for each in reversed(handovers):
        last = found[-1] if found else each
        if each.message_id != last.message_id and not _goes_with(each, last, resources, found):
            break
        found.append(each)
    return tuple(reversed(found))


def _goes_with(each: Handover, last: Handover, resources: Sequence[Json], found: Sequence[Handover]) -> bool:
    if each.onward != last.onward or each.corrected or any(one.corrected for one in found):
        return False
    left = left_at(resources, instant_of(last.made_at))
    told = left_at(resources, instant_of(each.made_at))
    return same_movement(left, told.isoformat() if told is not None else None) is True


def in_the_light_of(translation: Translation, before: Sequence[Json], handovers: Sequence[Handover]) -> Translation:
    """What a message means to whom a handover was sent for: it may take that release back. `before` is the file without the message.

    INVARIANT: absent never decides: a word without a time takes nothing back, and a person is asked.
    """
    brought = tuple(entry["resource"] for entry in translation.bundle.get("entry", []))
    if not set(translation.events) & (LEAVES_CUSTODY | NO_RELEASE) and ends_a_stay_that_goes_on(before, brought):
        return replace(translation, tasks=(*translation.tasks, TASKS["end-by-update"]))
    if LEAVES_CUSTODY & set(translation.events) and was_taken_back(before, brought, translation.occurred):
        return _taken_back(translation)
    standing = [each for each in handovers if not each.corrected]
    unsure = all(each.provisional for each in standing)
    onward = any(each.onward for each in standing)
    # A handover that was certain is taken back by a return alone: another reason for leaving is another movement.
    returned = Event.READMISSION in translation.events or (onward and _is_back(translation, before))
    if not standing or not (returned or (unsure and _says_another(translation, onward=onward))):
        return translation
    same = _same_release(translation, before, standing)
    if same is None:
        return replace(translation, tasks=(*translation.tasks, TASKS["reversal-unclear"]))
    if not same:
        return translation
    kept = tuple(each for each in translation.events if each not in {Event.RECEPTION, Event.READMISSION})
    return replace(translation, events=(*kept, Event.RELEASE_CANCELLED))


def _taken_back(translation: Translation) -> Translation:
    """A release of which the file knows already that it was undone: the reversal came first. Nobody is handed over, and a person is told."""
    events = tuple(each for each in translation.events if each not in LEAVES_CUSTODY)
    tasks = tuple(each for each in translation.tasks if each.code != Event.RELEASE_UNCLEAR)
    return replace(translation, events=(*events, Event.RECORD), tasks=(*tasks, TASKS["release-taken-back"]))


def _is_back(translation: Translation, before: Sequence[Json]) -> bool:
    """Received again in the very prison that was left."""
    left = last_left(before)
    return Event.RECEPTION in translation.events and left is not None and left[0] == translation.establishment


def _says_another(translation: Translation, *, onward: bool) -> bool:
    """A word of another movement than a handover was made of. A merge of two records is none; a discharge that closes a merged one is."""
    another = (NO_RELEASE | {Event.RELEASE}) - {Event.TRANSFER} if onward else NO_RELEASE
    return bool(another & set(translation.events)) and not translation.absorbed


def told_before(
    translation: Translation, before: Sequence[Json], handovers: Sequence[Handover], message_id: str
) -> tuple[Handover, ...]:
    """The handovers that another message made of the very movement that this one reports: two feeds, or a feed and the health record."""
    events = set(translation.events)
    standing = [
        each
        for each in handovers
        if not each.corrected
        and each.message_id != message_id
        and each.state is not DeliveryState.RECALLED
        and events & ({Event.TRANSFER} if each.onward else LEAVES_CUSTODY)
    ]
    if not standing:
        return ()
    return tuple(standing) if _same_release(translation, before, standing) else ()


def _same_release(translation: Translation, before: Sequence[Json], handovers: Sequence[Handover]) -> bool | None:
    """Whether what a message reports is the movement that these handovers were made of, or its reversal."""
    return same_movement(left_at(before, instant_of(handovers[-1].made_at)), translation.occurred)


def arrived_of(handovers: Sequence[Handover]) -> tuple[Arrived, ...]:
    """Whoever may have the handover and has no correction of it yet: it can be corrected, or its place taken.

    Of two words about one movement a recipient has two of them, the second in the place of the first: the second counts.
    """
    newest = {(each.letter, each.recipient): each.message_id for each in handovers if each.arrived}
    return tuple(
        Arrived(
            delivery_id=each.delivery_id,
            letter=each.letter,
            recipient=each.recipient,
            recipient_class=each.recipient_class,
            onward=each.onward,
        )
        for each in handovers
        if each.arrived
        and not each.corrected
        and each.recipient is not None
        and newest[each.letter, each.recipient] == each.message_id
    )


def waits_for_prison(handovers: Sequence[Handover]) -> tuple[Handover, ...]:
    """The handovers of a transfer that wait because nobody knows to which prison."""
    return tuple(
        each for each in handovers if each.onward and each.recipient is None and each.state in DELIVERY_RECALLABLE
    )


def recall_unsent(c: Connection, parts: Parts, handovers: Sequence[Handover], *, reason: str) -> None:
    """Take back what waits, is held or is parked; nobody has to settle it any more."""
    for each in handovers:
        if each.state in DELIVERY_RECALLABLE:
            move_delivery(c, parts, each.delivery_id, DeliveryState.RECALLED, reason=reason)
            end_tasks(c, parts, delivery_id=each.delivery_id)
