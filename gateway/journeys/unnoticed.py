"""That no privacy notice is on record for a person: told once while it is so, however many letters it keeps back.

The work is written under the letter that it kept back; it is done when an authority says that the person was given one. This module MUST NOT
decide what leaves: `consent/privacy_notice.py` does.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from fhir_profiles.shapes import Task
from gateway.journeys.tasks import PRIVACY_NOTICE
from gateway.parts import Parts
from gateway.store.schema import delivery, task
from gateway.store.statement import Statement

_OF_PERSON: Final = task.c.delivery_id.in_(select(delivery.c.id).where(delivery.c.person_id == bindparam("person_id")))
_OPEN: Final = (task.c.code == PRIVACY_NOTICE, task.c.ended_at.is_(None), _OF_PERSON)
_IS_TOLD: Final = Statement(select(task.c.id).where(*_OPEN).limit(1))
_END: Final = Statement(update(task).where(*_OPEN).values(ended_at=bindparam("at")))


def not_told_yet(c: Connection, letters: Iterable[tuple[str | None, Sequence[Task]]]) -> list[tuple[Task, ...]]:
    """The tasks of each letter, given with whom it is about, without what somebody does for that person already."""
    told: dict[str, bool] = {}
    found = []
    for person_id, tasks in letters:
        if person_id is None or all(each.code != PRIVACY_NOTICE for each in tasks):
            found.append(tuple(tasks))
            continue
        if person_id not in told:
            told[person_id] = _IS_TOLD.first(c, person_id=person_id) is not None
        found.append(tuple(each for each in tasks if not told[person_id] or each.code != PRIVACY_NOTICE))
        told[person_id] = True
    return found


def notice_given(c: Connection, parts: Parts, person_id: str) -> None:
    """It is on record now: nobody has to see to it any more."""
    _END.run(c, person_id=person_id, at=parts.now())
