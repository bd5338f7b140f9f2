"""Who had letters about a person that still said where they are: told once, when the person's record is flagged sensitive.

Their letters of before cannot be called back; that nobody passes an address on is for people to see to. This module MUST NOT send anything, and
decides nothing: every letter that has not left is decided again elsewhere (gateway/steps/reconsider.py).
"""

from functools import partial
from typing import Final

from sqlalchemy import Connection, bindparam

from gateway.journeys.cancelled import MAY_HAVE_LEFT, may_have_arrived
from gateway.journeys.tasks import TOLD_OPENLY, add_tasks, task_of
from gateway.keys import SealedGone
from gateway.parts import Parts
from gateway.steps.kept import KeptUnread, open_kept
from gateway.steps.standing import DELIVERIES, DeliveryRow
from gateway.store.schema import decision, delivery
from gateway.store.statement import Statement, one_of

_LEFT: Final = Statement(
    DELIVERIES.add_columns(decision.c.sealed_id.label("kept_id"))
    .where(delivery.c.person_id == bindparam("person_id"), one_of(delivery.c.state, MAY_HAVE_LEFT))
    .order_by(delivery.c.sequence)
)


def tell_openly(c: Connection, parts: Parts, person_id: str) -> tuple[str, ...]:
    """A task for the IG officer about each recipient, under the newest letter that told it openly: those letters.

    INVARIANT: what nobody can read any more, or retention has taken, may have said anything: its recipient is told of too.
    """
    newest: dict[str | None, str] = {}
    for row in filter(partial(may_have_arrived, c), _LEFT.all(c, person_id=person_id)):
        if _was_open(c, parts, row):
            newest[row.recipient] = row.id
    for delivery_id in newest.values():
        add_tasks(c, parts, (task_of(TOLD_OPENLY),), delivery_id=delivery_id)
    return tuple(newest.values())


def _was_open(c: Connection, parts: Parts, row: DeliveryRow) -> bool:
    """Was it decided while nobody knew that the record is flagged? Then at least its heading names the prison that sent it."""
    try:
        return open_kept(c, parts.keys, row.kept_id, of=row.decision_id).decision.unplaced is None
    except (SealedGone, KeptUnread):
        return True
