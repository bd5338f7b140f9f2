"""The earlier letters that carried something which a message may correct or take back, read from what was kept with their decisions.

Questions only. It MUST NOT change anything, nor decide who is told (gateway/journeys/amended.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, exists, select

from fhir_profiles.elements import name_of
from fhir_profiles.letters import LETTERS
from fhir_profiles.shapes import Json, Translation
from gateway.journeys.amended import Told
from gateway.journeys.cancelled import may_have_arrived
from gateway.keys import SealedGone
from gateway.parts import Parts
from gateway.states import DELIVERY_RECALLABLE, DeliveryState
from gateway.steps.kept import KeptUnread, open_kept
from gateway.steps.standing import DELIVERIES
from gateway.store.schema import decision, delivery, message
from gateway.store.statement import Statement, one_of

_CARRYING: Final = sorted(name for name, letter in LETTERS.items() if letter.carries is not None)
_NOTHING_LEFT: Final = sorted({DeliveryState.WITHHELD.value, DeliveryState.RECALLED.value})
_EARLIER: Final = Statement(
    DELIVERIES.add_columns(decision.c.sealed_id.label("kept_id"))
    .where(
        delivery.c.person_id == bindparam("person_id"),
        one_of(delivery.c.letter, _CARRYING),
        ~one_of(delivery.c.state, _NOTHING_LEFT),
        exists(
            select(message.c.id).where(
                message.c.id == delivery.c.message_id, message.c.sequence < bindparam("sequence")
            )
        ),
    )
    .order_by(delivery.c.sequence)
)


def may_correct(translation: Translation, before: Sequence[Json]) -> bool:
    """Whether a message says anything else of a thing that the file has. `before` is the file without the message."""
    held = {name_of(each): each for each in before}
    brought = (entry["resource"] for entry in translation.bundle.get("entry", []))
    return any(held.get(name_of(each), each) != each for each in brought if each["resourceType"] != "Patient")


@dataclass(frozen=True, kw_only=True)
class Before:
    """The earlier letters that were read; and those whose decision cannot be read, by delivery id: what they told a person has to find out."""

    told: tuple[Told, ...] = ()
    unread: tuple[str, ...] = ()


NONE_BEFORE: Final = Before()


def told_before(c: Connection, parts: Parts, person_id: str, sequence: int) -> Before:
    """The carried letters of the messages before `sequence`, each of which stands last: whatever took the place of one stands for it.

    One whose sealed decision retention has taken is left out: nobody knows any more what it told.
    """
    found: list[Told] = []
    unread: list[str] = []
    for row in _EARLIER.all(c, person_id=person_id, sequence=sequence):
        arrived = may_have_arrived(c, row)
        if not arrived and DeliveryState(row.state) not in DELIVERY_RECALLABLE:
            continue
        try:
            kept = open_kept(c, parts.keys, row.kept_id, of=row.decision_id)
        except SealedGone:
            continue
        except KeptUnread:
            # INVARIANT: one old decision that cannot be read keeps no letter of its person back.
            unread.append(row.id)
            continue
        found.append(
            Told(
                delivery_id=row.id,
                letter=row.letter,
                agreement=row.agreement,
                recipient=row.recipient,
                ods=kept.asked.ods if kept.asked is not None else None,
                context=kept.context,
                unsent=not arrived,
            )
        )
    replaced = {each.context.replaces for each in found}
    return Before(told=tuple(each for each in found if each.delivery_id not in replaced), unread=tuple(unread))
