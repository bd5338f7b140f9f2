"""Where a delivery stands: do the versions that it was decided under still hold, and whose turn is it?

Questions only, asked inside the transaction that acts on the answer. This module MUST NOT change anything.
"""

from sqlalchemy import Connection, Row, exists, or_, select

from consent.edges import passed
from fhir_profiles.shapes import Event
from gateway.consents.register import read_consents
from gateway.journeys.file import read_versions
from gateway.parts import Parts
from gateway.states import DELIVERY_OPEN, DeliveryState, MessageState
from gateway.store.schema import decision, delivery, message

DeliveryRow = Row[tuple[object, ...]]

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


def delivery_row(c: Connection, delivery_id: str) -> DeliveryRow | None:
    """A delivery with the agreement and outcome of its decision."""
    found: DeliveryRow | None = c.execute(
        select(delivery, decision.c.agreement.label("agreement"), decision.c.outcome.label("outcome"))
        .join(decision, decision.c.id == delivery.c.decision_id)
        .where(delivery.c.id == delivery_id)
    ).one_or_none()
    return found


def moved_since(c: Connection, parts: Parts, row: DeliveryRow) -> str | None:
    """What is another now than when the delivery was decided: `agreement`, `recipient`, `link`, `consent`; None when nothing is.

    Also when nobody said anything: a period of a consent, or the agreement, may have begun or ended since.
    """
    agreement = parts.agreements.get(row.agreement)
    if agreement is None or agreement.digest != row.agreement_digest:
        return "agreement"
    if row.recipient is not None:
        recipient = parts.recipients.get(row.recipient)
        if recipient is None or recipient.version != row.recipient_version:
            return "recipient"
    if row.person_id is None:
        return None
    versions = read_versions(c, row.person_id)
    if versions.link != row.link_version:
        return "link"
    if versions.consent != row.consent_version:
        return "consent"
    decided_at = c.execute(select(decision.c.decided_at).where(decision.c.id == row.decision_id)).scalar_one()
    # INVARIANT: a consent that holds no more lets nothing out, whether somebody took it back or its time is over.
    return "consent" if passed(read_consents(c, parts, row.person_id), agreement, decided_at, parts.now()) else None


def is_behind(c: Connection, parts: Parts, row: DeliveryRow, *, collected: bool) -> bool:
    """Must it wait for an earlier letter to the same recipient about the same person?

    A letter that changes something waits for every earlier one that is not ended, and for a parked message of the person: nobody knows
    what that would have changed. A whole picture waits only for one that is on its way this moment. `collected`: the recipient fetches,
    and an earlier letter that it has fetched is not in the way.
    """
    if row.person_id is None:
        return False
    earlier = (
        delivery.c.person_id == row.person_id,
        delivery.c.recipient == row.recipient,
        delivery.c.sequence < row.sequence,
    )
    if row.whole_picture:
        sending = delivery.c.whole_picture & (delivery.c.state == DeliveryState.SENDING.value)
        return not collected and _any(c, *earlier, sending)
    # INVARIANT: per person and recipient, order holds for letters that change something.
    open_states = [state.value for state in DELIVERY_OPEN if not (collected and state.value in COLLECTED)]
    moving = [state for state in IN_MOTION if not (collected and state in COLLECTED)]
    in_front = or_(
        ~delivery.c.whole_picture & delivery.c.state.in_(open_states),
        delivery.c.whole_picture & delivery.c.state.in_(moving),
    )
    return _any(c, *earlier, in_front) or _behind_parked_message(c, parts, row)


def _behind_parked_message(c: Connection, parts: Parts, row: DeliveryRow) -> bool:
    agreement = parts.agreements.get(row.agreement)
    if row.message_id is None or (agreement is not None and Event.RELEASE_CANCELLED.value in agreement.events):
        return False  # a correction waits for the handover that it corrects and for nothing else
    own = select(message.c.sequence).where(message.c.id == row.message_id).scalar_subquery()
    parked = exists().where(
        message.c.person_id == row.person_id, message.c.state == MessageState.PARKED.value, message.c.sequence < own
    )
    return bool(c.execute(select(parked)).scalar())


def is_superseded(c: Connection, row: DeliveryRow) -> bool:
    """Has a later whole picture for the same recipient left, or is it about to? Then an older one must not arrive after it."""
    if not row.whole_picture or row.person_id is None:
        return False
    return _any(
        c,
        delivery.c.person_id == row.person_id,
        delivery.c.recipient == row.recipient,
        delivery.c.letter == row.letter,
        delivery.c.sequence > row.sequence,
        delivery.c.state.in_(LEFT_OR_LEAVING),
    )


def _any(c: Connection, *where: object) -> bool:
    return bool(c.execute(select(exists().where(*where))).scalar())  # type: ignore[arg-type]  # column expressions of one table
