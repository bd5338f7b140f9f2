"""Erasure: a person's key is destroyed, and with it everything that was sealed for them; nothing in the tables leads to them any more, and
nothing in the files once the tables are written anew, which a small store does at once (gateway/store/compaction.py).

The ledger stays as it is: its entries hold commitments under the key that is gone, so every earlier proof and head still holds and nothing
in it can be linked. Care that is under way MUST NOT be cut off: a person with an open message or letter is not erased.
"""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Column, Connection, delete, func, or_, select, update

from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.ledger.entry import decode
from gateway.parts import Parts
from gateway.states import DELIVERY_OPEN, MESSAGE_MOVES
from gateway.steps.compact import compact_at_once
from gateway.steps.contributions import recount
from gateway.steps.reasons import seal_reason
from gateway.store import compaction
from gateway.store.locks import hold, hold_person
from gateway.store.schema import (
    OF_A_PERSON,
    checked_number,
    consent,
    decision,
    delivery,
    ledger_entry,
    lookup,
    merge_journal,
    message,
    named_number,
    opening,
    person,
    person_apart,
    person_identifier,
    person_merge,
    report_key,
    resource,
    sealed,
)
from gateway.subject.acts import ActError, What, approved, enter

_OPEN_MESSAGES: Final = [state.value for state, moves in MESSAGE_MOVES.items() if moves]
_OPEN_DELIVERIES: Final = [state.value for state in DELIVERY_OPEN]
_CONTENT: Final[tuple[Column[str], ...]] = (decision.c.sealed_id, delivery.c.sealed_id)


@dataclass(frozen=True, kw_only=True)
class Erased:
    """How much there was: records that had been joined into one, messages, letters, sealed things."""

    people: int
    messages: int
    deliveries: int
    sealed: int
    compacted: bool = False
    """Has it left the files too? Else that is still to be done: `throughgate erase compact`."""


def erase(parts: Parts, act_id: str, *, reason: str, by: str) -> Erased:
    """Do what two people decided. ActError unless a second person approved, and while anything about the person is open."""

    def work(c: Connection) -> Erased:
        act = approved(c, parts, act_id, What.ERASURE)
        hold(c, "people")
        hold_person(c, act.person_id)
        _require_nothing_open(c, act.person_id)
        people = [
            act.person_id,
            *c.execute(select(person_merge.c.absorbed).where(person_merge.c.survivor == act.person_id)).scalars(),
        ]
        # the words of the act go with the person's key: who decided stays, under the installation's
        who = f"{act.by}; {act.approved_by}; {by}"
        note = seal_reason(c, parts, None, reason=reason, by=who)
        found = _forget(c, parts, people)
        facts: dict[str, str | int | bool] = {"messages": found.messages, "deliveries": found.deliveries, "note": note}
        # INVARIANT: an erasure leaves an entry in the same transaction, which leads to nobody
        enter(c, parts, act_id, "erased", facts)
        compaction.ask(c, at=parts.now(), act_id=act_id)
        return found

    with around("erase"):
        found = parts.store.write(work)
    return replace(found, compacted=_left_the_files(parts))


def _left_the_files(parts: Parts) -> bool:
    """INVARIANT: the erasure is committed: whatever keeps the files from being written anew now, the sweep tries again."""
    try:
        return compact_at_once(parts)
    except ThroughgateError:
        return False


def _require_nothing_open(c: Connection, person_id: str) -> None:
    messages = c.execute(
        select(func.count()).where(message.c.person_id == person_id, message.c.state.in_(_OPEN_MESSAGES))
    ).scalar_one()
    letters = c.execute(
        select(func.count()).where(delivery.c.person_id == person_id, delivery.c.state.in_(_OPEN_DELIVERIES))
    ).scalar_one()
    messages += sum(state in _OPEN_MESSAGES for state in _naming(c, [person_id]).values())
    if messages or letters:
        raise ActError(
            f"{messages} messages and {letters} letters about this person are not finished: finish or end them first"
        )


def _naming(c: Connection, people: list[str]) -> dict[str, str]:
    """Messages that were set aside before anybody could say whose they are, and that name one of these people: id -> state."""
    number = (person_identifier.c.system == named_number.c.system) & (
        person_identifier.c.value_index == named_number.c.value_index
    )
    rows = c.execute(
        select(message.c.id, message.c.state)
        .join(named_number, named_number.c.message_id == message.c.id)
        .join(person_identifier, number)
        .where(person_identifier.c.person_id.in_(people), message.c.person_id.is_(None))
    )
    return {str(row.id): str(row.state) for row in rows}


def _forget(c: Connection, parts: Parts, people: list[str]) -> Erased:
    own = c.execute(select(message.c.id).where(message.c.person_id.in_(people))).scalars()
    messages = [*own, *_naming(c, people)]
    content = _content(c, people, messages) | _notes(c, messages, people)
    _forget_counts(c, parts, people)
    c.execute(delete(named_number).where(named_number.c.message_id.in_(messages)))
    for table in (resource, consent, lookup):
        c.execute(delete(table).where(table.c.person_id.in_(people)))
    c.execute(
        update(message)
        .where(message.c.id.in_(messages))
        .values(person_id=None, body_id=None, answer_id=None, key_index=None, bundle_index=None, body_index=b"")
    )
    c.execute(update(decision).where(decision.c.person_id.in_(people)).values(person_id=None, sealed_id=None))
    # a digest would let who has the letter, or the message, find it here
    letters = c.execute(
        update(delivery)
        .where(delivery.c.person_id.in_(people))
        .values(person_id=None, sealed_id=None, digest=None, mac=None)
    ).rowcount
    numbers = select(person_identifier.c.value_index).where(person_identifier.c.person_id.in_(people))
    c.execute(delete(checked_number).where(checked_number.c.value_index.in_(numbers)))
    c.execute(delete(merge_journal).where(merge_journal.c.absorbed.in_(people)))
    c.execute(delete(person_identifier).where(person_identifier.c.person_id.in_(people)))
    c.execute(delete(person_apart).where(or_(person_apart.c.first.in_(people), person_apart.c.second.in_(people))))
    c.execute(delete(person_merge).where(person_merge.c.survivor.in_(people)))
    for sealed_id in content:
        c.execute(delete(sealed).where(sealed.c.id == sealed_id))
    # INVARIANT: the key goes last and for ever: nothing that was copied out of the tables before opens with what is here
    c.execute(update(person).where(person.c.id.in_(people)).values(wrapped_key=b""))
    c.execute(delete(person).where(person.c.id.in_(people)))
    return Erased(people=len(people), messages=len(messages), deliveries=letters, sealed=len(content))


def _content(c: Connection, people: list[str], messages: list[str]) -> set[str]:
    """Everything sealed for these people, and what was sealed about them under the installation's key (a message about two people)."""
    found = set(c.execute(select(sealed.c.id).where(OF_A_PERSON, sealed.c.wrapped_by.in_(people))).scalars())
    for column in _CONTENT:
        owner = column.table.c.person_id
        found |= set(c.execute(select(column).where(owner.in_(people), column.is_not(None))).scalars())
    for column in (message.c.body_id, message.c.answer_id):
        found |= set(c.execute(select(column).where(message.c.id.in_(messages), column.is_not(None))).scalars())
    found |= set(c.execute(select(merge_journal.c.sealed_id).where(merge_journal.c.absorbed.in_(people))).scalars())
    return found


def _notes(c: Connection, messages: list[str], people: list[str]) -> set[str]:
    """What people said of these messages and letters, also before anybody knew whose they are: then it is under the installation's key."""
    letters = c.execute(select(delivery.c.id).where(delivery.c.person_id.in_(people))).scalars().all()
    found = set()
    for chain in (*messages, *letters):
        for body in c.execute(select(ledger_entry.c.body).where(ledger_entry.c.chain == chain)).scalars():
            found.add(str(decode(body)["facts"].get("note", "")))
    found |= set(c.execute(select(opening.c.note_id).where(opening.c.about.in_([*messages, *letters]))).scalars())
    return found - {""}


def _forget_counts(c: Connection, parts: Parts, people: list[str]) -> None:
    """What a report that is not printed yet counted of them. A printed one has no way back to anybody."""
    reports = list(c.execute(select(report_key.c.report).distinct()).scalars())
    places = list(c.execute(select(report_key.c.establishment).distinct()).scalars())
    for report in reports:
        for person_id in people:
            recount(c, parts, report, person_id, (), places)
