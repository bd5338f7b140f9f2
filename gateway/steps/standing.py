"""Where a delivery stands: do the versions that it was decided under still hold, and whose turn is it?

Questions only, asked inside the transaction that acts on the answer. This module MUST NOT change anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, bindparam, case, exists, func, or_, select

from consent.edges import passed
from fhir_profiles.shapes import Event
from gateway.among import Several, among
from gateway.consents.register import SealedConsents, find_consents, open_consents
from gateway.journeys.tasks import NOTICE
from gateway.parts import Parts
from gateway.people.named import is_unheard
from gateway.states import DELIVERY_OPEN, DeliveryState, MessageState
from gateway.store.locks import held
from gateway.store.schema import consent, decision, delivery, message, person
from gateway.store.statement import Statement, looked_at, one_of


class InFront(StrEnum):
    """What a letter that could leave waits for."""

    NOTICE = "look-at-what-it-tells"
    SHARING = "word-about-sharing"
    LETTER = "earlier-letter"
    MESSAGE = "parked-message"


DeliveryRow: TypeAlias = Any
"""Every column of a delivery, and the `agreement`, `outcome` and `decided_at` of its decision."""

LEFT_OR_LEAVING = (
    DeliveryState.QUEUED.value,
    DeliveryState.WAITING.value,
    DeliveryState.SENDING.value,
    DeliveryState.AMBIGUOUS.value,
    DeliveryState.DELIVERED.value,
    DeliveryState.CONFIRMED.value,
)
IN_MOTION = (
    DeliveryState.QUEUED.value,
    DeliveryState.WAITING.value,
    DeliveryState.SENDING.value,
    DeliveryState.AMBIGUOUS.value,
)
COLLECTED = (DeliveryState.SENDING.value, DeliveryState.AMBIGUOUS.value)

DELIVERIES: Final = select(
    delivery,
    decision.c.agreement.label("agreement"),
    decision.c.outcome.label("outcome"),
    decision.c.decided_at.label("decided_at"),
).join(decision, decision.c.id == delivery.c.decision_id)
"""What every question below is asked about."""
_ROWS: Final = Several(DELIVERIES.where(among(delivery.c.id)), delivery.c.id)
_HELD: Final = Several(held(select(delivery.c.id).where(among(delivery.c.id)).order_by(delivery.c.id)), delivery.c.id)

_FRONT: Final = delivery.alias("front")
_BEHIND: Final = Statement(
    select(delivery.c.id)
    .join(
        _FRONT,
        (_FRONT.c.person_id == delivery.c.person_id)
        & (_FRONT.c.recipient == delivery.c.recipient)
        & (_FRONT.c.sequence < delivery.c.sequence),
    )
    .where(_FRONT.c.id == bindparam("delivery_id"), looked_at(delivery.c.state) == DeliveryState.QUEUED.value)
    .order_by(delivery.c.sequence)
    .limit(2)
)
_SOME_BEHIND: Final = Several(
    select(_FRONT.c.id).where(
        among(_FRONT.c.id),
        exists().where(
            delivery.c.person_id == _FRONT.c.person_id,
            delivery.c.recipient == _FRONT.c.recipient,
            delivery.c.sequence > _FRONT.c.sequence,
            looked_at(delivery.c.state) == DeliveryState.QUEUED.value,
        ),
    ),
    _FRONT.c.id,
)


def _in_front(*, collected: bool) -> Several:
    """The first that a letter that changes something waits for, of those to one recipient about one person; and that a whole picture does.

    Asked of all letters of such a pair: where the state is a condition, SQLite looks at everybody's letters that have it, and those are many when a
    recipient is down.
    """
    apart = COLLECTED if collected else ()
    open_states = [state.value for state in DELIVERY_OPEN if state.value not in apart]
    moving = [state for state in IN_MOTION if state not in apart]
    changing = or_(
        ~delivery.c.whole_picture & one_of(delivery.c.state, open_states),
        delivery.c.whole_picture & one_of(delivery.c.state, moving),
    )
    leaving = delivery.c.whole_picture & one_of(delivery.c.state, () if collected else (DeliveryState.SENDING.value,))
    pair = (delivery.c.person_id, delivery.c.recipient)
    return Several(
        select(
            *pair,
            func.min(case((changing, delivery.c.sequence))).label("changing"),
            func.min(case((leaving, delivery.c.sequence))).label("leaving"),
        )
        .where(among(*pair))
        .group_by(*pair),
        *pair,
    )


_IN_FRONT: Final = {collected: _in_front(collected=collected) for collected in (False, True)}
_OWN: Final = Several(select(message.c.id, message.c.sequence).where(among(message.c.id)), message.c.id)
_PEOPLE_NOW: Final = Several(
    select(
        person.c.id,
        person.c.consent_version,
        person.c.link_version,
        person.c.to_notice,
        exists().where(consent.c.person_id == person.c.id).label("consents"),
        select(func.min(message.c.sequence))
        .where(message.c.person_id == person.c.id, message.c.state == MessageState.PARKED.value)
        .scalar_subquery()
        .label("parked"),
        is_unheard(person.c.id).label("unheard"),
    ).where(among(person.c.id)),
    person.c.id,
)
_NEWER: Final = Statement(
    select(delivery.c.id)
    .where(
        delivery.c.person_id == bindparam("person_id"),
        delivery.c.recipient == bindparam("recipient"),
        delivery.c.letter == bindparam("letter"),
        delivery.c.sequence > bindparam("sequence"),
        one_of(delivery.c.state, LEFT_OR_LEAVING),
    )
    .limit(1)
)


def delivery_row(c: Connection, delivery_id: str) -> DeliveryRow | None:
    """A delivery with the agreement and outcome of its decision."""
    return delivery_rows(c, (delivery_id,)).get(delivery_id)


def delivery_rows(c: Connection, delivery_ids: Iterable[str]) -> dict[str, DeliveryRow]:
    """The same for several, by their ids."""
    return {row.id: row for row in _ROWS.of(c, delivery_ids)}


def hold_deliveries(c: Connection, delivery_ids: Iterable[str]) -> None:
    """Nobody else moves these until this transaction ends: see `hold_delivery`, in one statement, and in one order for whoever holds several."""
    _HELD.of(c, sorted(set(delivery_ids)))


def behind(c: Connection, delivery_id: str) -> tuple[str, ...]:
    """The next letters that may have waited behind this one."""
    return behind_all(c, (delivery_id,))[delivery_id]


def behind_all(c: Connection, delivery_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """`behind` each of these; nothing is behind most."""
    some = {row.id for row in _SOME_BEHIND.of(c, delivery_ids)}
    return {each: tuple(_BEHIND.column(c, delivery_id=each)) if each in some else () for each in delivery_ids}


People: TypeAlias = Mapping[str, Any]
"""What there is now of people whom deliveries are about: see `people_of`."""


def people_of(c: Connection, rows: Iterable[DeliveryRow]) -> People:
    """The people of these deliveries: what is asked of each for whatever is sent about them."""
    return {row.id: row for row in _PEOPLE_NOW.of(c, [row.person_id for row in rows if row.person_id is not None])}


def moved_since(c: Connection, parts: Parts, row: DeliveryRow) -> str | None:
    """What is another now than when the delivery was decided: `agreement`, `recipient`, `link`, `consent`, `override`; None when nothing is.

    Also when nobody said anything: a period of a consent, the agreement or an override may have begun or ended since.
    """
    return all_moved_since(c, parts, (row,), people_of(c, (row,)))[row.id]


def all_moved_since(c: Connection, parts: Parts, rows: Sequence[DeliveryRow], people: People) -> dict[str, str | None]:
    """`moved_since` of several deliveries, by their ids. `people` are theirs."""
    consents = find_consents(c, parts, [row.id for row in people.values() if row.consents])
    return {row.id: _moved_since(parts, row, people, consents) for row in rows}


def _moved_since(
    parts: Parts, row: DeliveryRow, people: People, registered: Mapping[str, SealedConsents]
) -> str | None:
    agreement = parts.agreements.get(row.agreement)
    if agreement is None or agreement.digest != row.agreement_digest:
        return "agreement"
    if row.recipient is not None:
        recipient = parts.recipients.get(row.recipient)
        if recipient is None or recipient.version != row.recipient_version:
            return "recipient"
    if row.person_id is None:
        return None
    now = people[row.person_id]
    if now.link_version != row.link_version:
        return "link"
    consents = open_consents(parts, registered[row.person_id]) if now.consents else ()
    # INVARIANT: a consent that holds no more lets nothing out, whether somebody took it back or its time is over.
    if now.consent_version != row.consent_version or passed(consents, agreement, row.decided_at, parts.now()):
        return "consent"
    # INVARIANT: what may leave only because somebody took it on in an emergency does not leave after its hours.
    return "override" if row.leaves_by is not None and parts.now() >= row.leaves_by else None


def all_in_front(
    c: Connection, parts: Parts, rows: Sequence[DeliveryRow], people: People, *, collected: bool
) -> dict[str, InFront | None]:
    """What each of these must wait for: by their ids; None for who waits for nothing. `people` are theirs.

    A letter that changes something waits for every earlier one that is not ended, and for a parked message of the person: nobody knows
    what that would have changed. A whole picture waits only for one that is on its way this moment. `collected`: the recipient fetches,
    and an earlier letter that it has fetched is not in the way. Every letter waits while a word of the person about sharing is unheard.
    """
    about = [row for row in rows if row.person_id is not None]
    pairs = _IN_FRONT[collected].of(c, [(row.person_id, row.recipient) for row in about])
    front = {(row.person_id, row.recipient): row for row in pairs}
    held_up = [row.message_id for row in about if people[row.person_id].parked is not None]
    own = {row.id: row.sequence for row in _OWN.of(c, [each for each in held_up if each is not None])}
    return {
        row.id: None
        if row.person_id is None
        else _in_front_of(parts, row, people[row.person_id], front.get((row.person_id, row.recipient)), own)
        for row in rows
    }


def _in_front_of(parts: Parts, row: DeliveryRow, now: Any, front: Any, own: Mapping[str, int]) -> InFront | None:
    """`now` is of its person, `front` of its recipient about that person, `own` the numbers of messages whose person has a parked one."""
    # INVARIANT: no notice leaves while nobody has looked whether it is still so (steps/noticed.py).
    if row.letter == NOTICE and now.to_notice:
        return InFront.NOTICE
    # INVARIANT: from the moment that we answered for a word about sharing, no letter about its person leaves before it was heard (decision 0075).
    if now.unheard:
        return InFront.SHARING
    if row.whole_picture:
        return InFront.LETTER if _is_before(front and front.leaving, row.sequence) else None
    # INVARIANT: per person and recipient, order holds for letters that change something.
    if _is_before(front and front.changing, row.sequence):
        return InFront.LETTER
    parked = _is_before(now.parked, own.get(row.message_id)) and not _is_correction(parts, row)
    return InFront.MESSAGE if parked else None


def _is_before(first: int | None, sequence: int | None) -> bool:
    return first is not None and sequence is not None and first < sequence


def _is_correction(parts: Parts, row: DeliveryRow) -> bool:
    """A correction waits for the handover that it corrects, and for no message."""
    agreement = parts.agreements.get(row.agreement)
    return agreement is not None and Event.RELEASE_CANCELLED.value in agreement.events


def is_superseded(c: Connection, row: DeliveryRow) -> bool:
    """Has a later whole picture for the same recipient left, or is it about to? Then an older one must not arrive after it."""
    if not row.whole_picture or row.person_id is None or row.letter == NOTICE:
        return False  # each notice is about letters of its own
    newer = {"person_id": row.person_id, "recipient": row.recipient, "letter": row.letter, "sequence": row.sequence}
    return _NEWER.first(c, **newer) is not None
