"""A person's word about who is who: two records are one person, or they are two; and held messages looked at again after that.

Ids of people or of messages only: no number of anybody is ever an argument. What is said is sealed with its reason, and entered in the
ledger. This module MUST NOT guess: it does what a person says, and what a message alone may do stays in `people/find.py`.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select

from fhir_profiles.shapes import Event, HoldCode, PersonIdentifier, Translation
from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.journeys.tasks import add_tasks, end_tasks
from gateway.ledger import record
from gateway.log import Code, log
from gateway.moves import move_message
from gateway.parts import Parts
from gateway.people.find import NotFound, give, look, look_join, owners_of
from gateway.states import MessageState
from gateway.steps.identify import translation_of
from gateway.steps.letters import release_message
from gateway.steps.merge import merge_people, survivor_of
from gateway.steps.reasons import seal_reason
from gateway.steps.reconsider import reconsider
from gateway.steps.take_apart import Apart, merge_of, take_apart
from gateway.store.away import is_away
from gateway.store.locks import hold
from gateway.store.schema import message, person_apart, person_merge
from gateway.store.statement import Statement

SETTLED_BY_A_LINK = (HoldCode.IDENTITY_CONFLICT.value, HoldCode.MERGE_WAITS.value)


class LinkError(ThroughgateError):
    """Cannot be linked or separated: the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class _Whose:
    """What an id stands for: a person, or a message that is held for want of one, with the numbers that it names."""

    person_id: str | None
    held: str | None
    numbers: tuple[PersonIdentifier, ...]


def link(parts: Parts, survivor: str, other: str, *, reason: str, by: str) -> str:
    """Say that two are one person; who they are then. `survivor` and `other` are ids of people or of messages.

    Raises LinkError for an id that nobody has and for a reason that says nothing.
    """
    _need(reason)
    seen = _read(parts, survivor, other)

    def work(c: Connection) -> str:
        hold(c, "people")
        known = [_today(c, each) for each in seen]
        numbers = [number for each in seen for number in each.numbers]
        owners = [owner for owner in (*known, *owners_of(c, parts.keys, numbers)) if owner is not None]
        stays = owners[0] if owners else parts.keys.create_person(c, parts.now())
        give(c, parts.keys, stays, numbers)
        absorbed = [owner for owner in dict.fromkeys(owners) if owner != stays]
        act = parts.ids.entry()
        note = seal_reason(c, parts, stays, reason=reason, by=by)
        record(
            c,
            entry_id=parts.ids.entry(),
            chain=act,
            step=1,
            event="linked",
            at=parts.now(),
            facts={"person": stays, "note": note},
        )
        for step, each in enumerate(absorbed, start=2):
            first, second = sorted((stays, each))
            c.execute(delete(person_apart).where(person_apart.c.first == first, person_apart.c.second == second))
            add_tasks(c, parts, merge_people(c, parts, stays, each), message_id=act)
            facts = {"person": stays, "absorbed": each}
            record(c, entry_id=parts.ids.entry(), chain=act, step=step, event="linked", at=parts.now(), facts=facts)
        return stays

    with around("link"):
        person_id = parts.store.write(work)
    reconsider(parts, person_id)
    run_held_again(parts)
    return person_id


def separate(parts: Parts, one: str, other: str, *, reason: str, by: str) -> Apart | None:
    """Say that two are two people: a later merge of them is held, and a held message that mixes them is rejected.

    Two ids of people that a merge made one are taken apart; what came of that. Raises LinkError when the ids do not stand for two
    people, CannotTakeApart when what was moved cannot be told any more.
    """
    _need(reason)
    apart = _taken_apart(parts, one, other, reason=reason, by=by)
    if apart is not None:
        for person_id in (apart.survivor, apart.absorbed):
            reconsider(parts, person_id)
        run_held_again(parts)
        return apart
    seen = _read(parts, one, other)

    def work(c: Connection) -> None:
        hold(c, "people")
        owners = [each for each in (_today(c, whose) for whose in seen) if each is not None]
        owners += owners_of(c, parts.keys, [number for each in seen for number in each.numbers])
        people = sorted(set(owners))
        if len(people) != 2:
            raise LinkError(
                "these ids do not stand for two people: to take a merge apart, give the two ids of people in it"
            )
        first, second = people
        c.execute(delete(person_apart).where(person_apart.c.first == first, person_apart.c.second == second))
        c.execute(insert(person_apart).values(first=first, second=second, said_at=parts.now()))
        note = seal_reason(c, parts, None, reason=reason, by=by)
        facts = {"person": first, "other": second, "note": note}
        record(
            c,
            entry_id=parts.ids.entry(),
            chain=parts.ids.entry(),
            step=1,
            event="separated",
            at=parts.now(),
            facts=facts,
        )
        for held in {each.held for each in seen if each.held is not None}:
            move_message(c, parts, held, MessageState.REJECTED, reason="rejected-by-person")
            end_tasks(c, parts, message_id=held)

    with around("separate"):
        parts.store.write(work)
    return None


def _taken_apart(parts: Parts, one: str, other: str, *, reason: str, by: str) -> Apart | None:
    """Undo the merge by which these two ids became one person; None when there was none."""

    def work(c: Connection) -> Apart | None:
        hold(c, "people")
        merge = merge_of(c, one, other)
        if merge is None:
            return None
        apart = take_apart(c, parts, merge)
        note = seal_reason(c, parts, None, reason=reason, by=by)
        facts = {"person": apart.survivor, "other": apart.absorbed, "note": note}
        act = parts.ids.entry()
        record(c, entry_id=parts.ids.entry(), chain=act, step=1, event="separated", at=parts.now(), facts=facts)
        return apart

    with around("take-apart"):
        return parts.store.write(work)


_NEWEST_MERGE: Final = Statement(select(func.max(person_merge.c.merged_at).label("newest")))


def newest_merge(parts: Parts) -> str | None:
    """When two records became one last; None when none ever did."""
    with parts.store.read() as c:
        found: str | None = _NEWEST_MERGE.value(c)
        return found


def run_held_again(parts: Parts) -> tuple[str, ...]:
    """Let go every message that was held for an identity that is settled now, oldest first; which they were."""
    with parts.store.read() as c:
        rows = c.execute(
            select(message)
            .where(
                message.c.state == MessageState.HELD.value,
                message.c.reason.in_(SETTLED_BY_A_LINK),
            )
            .order_by(message.c.sequence)
        ).all()
    done = []
    for row in rows:
        try:
            if _goes_on(parts, row):
                done.append(row.id)
        except Exception as error:
            if is_away(error):
                raise
            # INVARIANT: one that cannot go on stays held for a person, and keeps no other back.
            log(Code.RELEASE_FAILED, message=row.id, error=type(error).__name__)
    return tuple(done)


def _goes_on(parts: Parts, row: Any) -> bool:
    """Is its identity settled? Then it goes on."""
    with parts.store.read() as c:
        settled = _is_settled(c, parts, translation_of(c, parts, row))
    if settled:
        released = release_message(parts, row.id, by_person=True)
        if released.stale and released.person_id is not None:
            reconsider(parts, released.person_id)
    return settled


def _is_settled(c: Connection, parts: Parts, translation: Translation) -> bool:
    if translation.hold is not None:
        return False
    if Event.MERGE in translation.events and translation.absorbed:
        return not isinstance(look_join(c, parts.keys, translation.persons, translation.absorbed), NotFound)
    return not isinstance(look(c, parts.keys, translation.persons), NotFound)


def _read(parts: Parts, *ids: str) -> tuple[_Whose, ...]:
    with parts.store.read() as c:
        return tuple(_whose(c, parts, each) for each in ids)


def _whose(c: Connection, parts: Parts, some_id: str) -> _Whose:
    person_id = survivor_of(c, some_id)
    if person_id is not None:
        return _Whose(person_id=person_id, held=None, numbers=())
    row = c.execute(select(message).where(message.c.id == some_id)).one_or_none()
    if row is None or (row.person_id is None and row.state != MessageState.HELD):
        raise LinkError(
            "no person and no message that has or awaits one has this id: `throughgate held` lists what waits"
        )
    if row.person_id is not None:
        return _Whose(person_id=row.person_id, held=None, numbers=())
    translation = translation_of(c, parts, row)
    return _Whose(person_id=None, held=row.id, numbers=(*translation.persons, *translation.absorbed))


def _today(c: Connection, whose: _Whose) -> str | None:
    return survivor_of(c, whose.person_id) if whose.person_id is not None else None


def _need(reason: str) -> None:
    if not reason.strip():
        raise LinkError("a reason is needed")
