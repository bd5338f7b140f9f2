"""Where a delivery stands: do the versions that it was decided under still hold, and whose turn is it?

Questions only, asked inside the transaction that acts on the answer. This module MUST NOT change anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, bindparam, exists, or_, select

from consent.edges import passed
from fhir_profiles.shapes import Event
from gateway.among import Several, among
from gateway.consents.register import SealedConsents, find_consents, open_consents
from gateway.journeys.tasks import NOTICE
from gateway.parts import Parts
from gateway.people.named import UNHEARD
from gateway.states import DELIVERY_OPEN, DeliveryState, MessageState
from gateway.store.locks import held
from gateway.store.schema import consent, decision, delivery, message, person
from gateway.store.statement import Statement, one_of

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
    .where(_FRONT.c.id == bindparam("delivery_id"), delivery.c.state == DeliveryState.QUEUED.value)
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
            delivery.c.state == DeliveryState.QUEUED.value,
        ),
    ),
    _FRONT.c.id,
)
_EARLIER: Final = (
    delivery.c.person_id == bindparam("person_id"),
    delivery.c.recipient == bindparam("recipient"),
    delivery.c.sequence < bindparam("sequence"),
)
_OWN: Final = select(message.c.sequence).where(message.c.id == bindparam("message_id")).scalar_subquery()
_PARKED_BEFORE: Final = exists().where(
    message.c.person_id == bindparam("person_id"),
    message.c.state == MessageState.PARKED.value,
    message.c.sequence < _OWN,
)


def _in_front(*, collected: bool) -> Statement:
    apart = COLLECTED if collected else ()
    open_states = [state.value for state in DELIVERY_OPEN if state.value not in apart]
    moving = [state for state in IN_MOTION if state not in apart]
    in_front = or_(
        ~delivery.c.whole_picture & one_of(delivery.c.state, open_states),
        delivery.c.whole_picture & one_of(delivery.c.state, moving),
    )
    return Statement(
        select(
            exists().where(*_EARLIER, in_front).label("letter"),
            _PARKED_BEFORE.label("message"),
            UNHEARD.label("unheard"),
        )
    )


def _in_front_of_whole_picture(*, collected: bool) -> Statement:
    moving = () if collected else (DeliveryState.SENDING.value,)
    in_front = exists().where(*_EARLIER, delivery.c.whole_picture, one_of(delivery.c.state, moving))
    return Statement(select(in_front.label("letter"), UNHEARD.label("unheard")))


_IN_FRONT: Final = {collected: _in_front(collected=collected) for collected in (False, True)}
_IN_FRONT_OF_WHOLE_PICTURE: Final = {each: _in_front_of_whole_picture(collected=each) for each in (False, True)}
_PEOPLE_NOW: Final = Several(
    select(
        person.c.id,
        person.c.consent_version,
        person.c.link_version,
        exists().where(consent.c.person_id == person.c.id).label("consents"),
    ).where(among(person.c.id)),
    person.c.id,
)
_TO_NOTICE: Final = Statement(
    select(person.c.id).where(person.c.id == bindparam("person_id"), person.c.to_notice).limit(1)
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


def moved_since(c: Connection, parts: Parts, row: DeliveryRow) -> str | None:
    """What is another now than when the delivery was decided: `agreement`, `recipient`, `link`, `consent`, `override`; None when nothing is.

    Also when nobody said anything: a period of a consent, the agreement or an override may have begun or ended since.
    """
    return all_moved_since(c, parts, (row,))[row.id]


def all_moved_since(c: Connection, parts: Parts, rows: Sequence[DeliveryRow]) -> dict[str, str | None]:
    """`moved_since` of several deliveries, by their ids."""
    people = {row.id: row for row in _PEOPLE_NOW.of(c, [row.person_id for row in rows if row.person_id is not None])}
    consents = find_consents(c, parts, [row.id for row in people.values() if row.consents])
    return {row.id: _moved_since(parts, row, people, consents) for row in rows}


def _moved_since(
    parts: Parts, row: DeliveryRow, people: Mapping[str, Any], registered: Mapping[str, SealedConsents]
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


def is_behind(c: Connection, parts: Parts, row: DeliveryRow, *, collected: bool) -> bool:
    """Must it wait for an earlier letter to the same recipient about the same person?

    A letter that changes something waits for every earlier one that is not ended, and for a parked message of the person: nobody knows
    what that would have changed. A whole picture waits only for one that is on its way this moment. `collected`: the recipient fetches,
    and an earlier letter that it has fetched is not in the way. Every letter waits while a word of the person about sharing is unheard.
    """
    if row.person_id is None:
        return False
    # INVARIANT: no notice leaves while nobody has looked whether it is still so (steps/noticed.py).
    if row.letter == NOTICE and _TO_NOTICE.first(c, person_id=row.person_id) is not None:
        return True
    earlier = {"person_id": row.person_id, "recipient": row.recipient, "sequence": row.sequence}
    # INVARIANT: from the moment that we answered for a word about sharing, no letter about its person leaves before it was heard (decision 0075).
    if row.whole_picture:
        in_front = _IN_FRONT_OF_WHOLE_PICTURE[collected].one(c, **earlier)
        return bool(in_front.letter or in_front.unheard)
    # INVARIANT: per person and recipient, order holds for letters that change something.
    in_front = _IN_FRONT[collected].one(c, **earlier, message_id=row.message_id)
    return in_front.letter or in_front.unheard or (in_front.message and not _is_correction(parts, row))


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
