"""A person who was released, and of whom their provider has not said in time that they came: the clinical lead is told, once for a handover.

Most who die after prison die in the first weeks (specification A 4.7). It looks only where the provider's system is registered: who cannot tell
is not silent. It MUST NOT delay, alter or repeat a letter, nor tell anybody outside the prison's own service.
"""

from datetime import timedelta
from itertools import islice
from typing import Final

from sqlalchemy import Connection, Row, bindparam, exists, select

from fhir_profiles import facts
from fhir_profiles.fhir_kinds import RESPONSE
from fhir_profiles.letters import LETTERS
from fhir_profiles.shapes import Event
from gateway.failpoints import around
from gateway.instants import to_text
from gateway.journeys.file import read_file
from gateway.journeys.tasks import NOT_ENGAGED, add_tasks, task_of
from gateway.parts import Parts
from gateway.states import DeliveryState
from gateway.steps.unconfirmed import is_overtaken
from gateway.store.locks import hold_delivery
from gateway.store.schema import client, delivery, message, task
from gateway.store.statement import Statement, one_of

WATCHED_DAYS: Final = 28
"""Four weeks after release: after that a word comes too late, and counts for indicators alone."""
AT_ONCE: Final = 200
_HANDOVERS: Final = frozenset(
    name for name, letter in LETTERS.items() if letter.hands_over and Event.RELEASE in letter.events
)
_ARRIVED: Final = (DeliveryState.DELIVERED.value, DeliveryState.CONFIRMED.value)


_WHO_COULD: Final = exists().where(client.c.recipient == delivery.c.recipient, client.c.ended_at.is_(None))
_WORD: Final = exists().where(
    message.c.person_id == delivery.c.person_id,
    message.c.received_at > delivery.c.created_at,
    message.c.kind != RESPONSE,
    message.c.client == client.c.name,
    client.c.recipient == delivery.c.recipient,
)
_TOLD: Final = exists().where(task.c.delivery_id == delivery.c.id, task.c.code == NOT_ENGAGED)
_SILENT: Final = Statement(
    select(delivery.c.id, delivery.c.person_id).where(
        one_of(delivery.c.state, _ARRIVED),
        one_of(delivery.c.letter, sorted(_HANDOVERS)),
        delivery.c.created_at <= bindparam("before"),
        delivery.c.created_at > bindparam("after"),
        _WHO_COULD,
        ~_WORD,
        ~_TOLD,
    )
)


def tell_unengaged(parts: Parts) -> int:
    """Tell of every handover whose recipient has been silent too long. How many."""
    with parts.store.read() as c:
        # INVARIANT: who is in custody again stands before nobody: what matters is counted, not what was looked at.
        found = list(islice((row.id for row in _silent(c, parts) if _still_matters(c, parts, row)), AT_ONCE))
    for delivery_id in found:
        with around("escalate"):
            parts.store.write(lambda c: _tell(c, parts, delivery_id))  # noqa: B023  used at once
    return len(found)


def _silent(c: Connection, parts: Parts) -> list[Row[tuple[str, str]]]:
    now = parts.clock()
    before = to_text(now - timedelta(days=parts.settings.delivery.engagement_days))
    after = to_text(now - timedelta(days=WATCHED_DAYS))
    return _SILENT.all(c, before=before, after=after)


def _still_matters(c: Connection, parts: Parts, row: Row[tuple[str, str]]) -> bool:
    """Neither corrected nor handed over anew, and nowhere in custody again."""
    if is_overtaken(c, row.id):
        return False
    return facts.in_custody(read_file(c, parts, row.person_id).resources, parts.now()) is None


def _tell(c: Connection, parts: Parts, delivery_id: str) -> None:
    hold_delivery(c, delivery_id)
    add_tasks(c, parts, (task_of(NOT_ENGAGED),), delivery_id=delivery_id)
