"""Two records that were merged wrongly are two again: what each was goes back to each, and what came since is read again for whom it names.

A merge keeps a sealed journal of what moved (gateway/steps/merge.py); it lasts as long as the bodies of messages, because what came since can
only be told apart by its words. This module MUST NOT guess: a message since then that names both, or neither, joins no file and is told.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from fhir_profiles import facts, fhir_json
from fhir_profiles.fhir_kinds import RESPONSE
from fhir_profiles.shapes import Event, HoldCode
from gateway.errors import ThroughgateError
from gateway.journeys.cancelled import may_have_arrived
from gateway.journeys.file import flag_by_hand, is_flagged_by_hand, join_file, read_file, write_filing
from gateway.journeys.tasks import add_tasks, task_of
from gateway.keys import SealedGone
from gateway.parts import Parts
from gateway.people.find import owners_of
from gateway.states import MessageState
from gateway.steps.contributions import counting, recount
from gateway.steps.identify import hold_message, translation_of
from gateway.steps.merge import hold_both, move_versions
from gateway.store.schema import (
    consent,
    decision,
    delivery,
    merge_journal,
    message,
    person_apart,
    person_identifier,
    person_merge,
    resource,
    sealed,
)

AT_ONCE: Final = 500
"""So many ids stand in one statement."""


class CannotTakeApart(ThroughgateError):
    """The journal of the merge, or a message since then, is gone: the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Apart:
    """Two people again. `sent` are letters that may have arrived while they were one; `unclear` are messages that are in neither file."""

    survivor: str
    absorbed: str
    sent: tuple[str, ...]
    unclear: tuple[str, ...]


def merge_of(c: Connection, one: str, other: str) -> Any | None:
    """The merge by which these two ids came to stand for one person, whichever was absorbed; None when they did not."""
    for absorbed, survivor in ((one, other), (other, one)):
        row = c.execute(
            select(person_merge).where(person_merge.c.absorbed == absorbed, person_merge.c.survivor == survivor)
        ).one_or_none()
        if row is not None:
            return row
    return None


def take_apart(c: Connection, parts: Parts, merge: Any) -> Apart:
    """Undo one merge, under the locks of both people. Raises CannotTakeApart, and then nothing has changed.

    INVARIANT: afterwards no file, consent, letter or key of the one holds anything of the other that came by a message about one of them alone.
    """
    survivor, absorbed = merge.survivor, merge.absorbed
    hold_both(c, parts, survivor, absorbed)
    journal = _journal(c, parts, merge)
    _give_numbers_back(c, journal["numbers"], survivor, absorbed)
    later = _read_later(c, parts, survivor, absorbed, frozenset((*journal["messages"], *journal["own"])))
    _forget_files_since(c, survivor, merge.merged_at)
    theirs = [*journal["messages"], *(each.message_id for each in later if each.owner == absorbed)]
    _give_rows_back(c, survivor, absorbed, theirs)
    _name_consents_again(c, parts, absorbed, journal["consents"])
    for person_id in (survivor, absorbed):
        _settle_versions(c, person_id)
    for each in later:
        if each.owner is not None:
            filing = join_file(read_file(c, parts, each.owner).resources, each.resources)
            write_filing(c, parts, each.owner, each.message_id, filing)
    _wrap_back(c, parts, absorbed)
    for person_id in (survivor, absorbed):
        _count_again(c, parts, person_id)
    move_versions(c, survivor, absorbed)
    # a mark by hand was of both while they were one, and two people take it back from either
    flag_by_hand(c, absorbed, to=is_flagged_by_hand(c, survivor))
    c.execute(delete(person_merge).where(person_merge.c.absorbed == absorbed))
    for earlier in journal["people"]:
        c.execute(update(person_merge).where(person_merge.c.absorbed == earlier).values(survivor=absorbed))
    _keep_apart(c, parts, survivor, absorbed)
    unclear = tuple(each.message_id for each in later if each.owner is None)
    for message_id in unclear:
        add_tasks(c, parts, (task_of("unclear-while-merged"),), message_id=message_id)
    sent = tuple(_sent_since(c, (survivor, absorbed), merge.merged_at))
    for delivery_id in sent:
        add_tasks(c, parts, (task_of("sent-while-merged"),), delivery_id=delivery_id)
    return Apart(survivor=survivor, absorbed=absorbed, sent=sent, unclear=unclear)


def _journal(c: Connection, parts: Parts, merge: Any) -> Mapping[str, Any]:
    mine = merge_journal.c.absorbed == merge.absorbed
    sealed_id = c.execute(select(merge_journal.c.sealed_id).where(mine)).scalar_one_or_none()
    try:
        journal: Mapping[str, Any] | None = json.loads(parts.keys.unseal(c, sealed_id)) if sealed_id else None
    except SealedGone:
        journal = None
    if journal is None:
        raise CannotTakeApart("what this merge moved is not on record any more: enter the two people's records anew")
    c.execute(delete(merge_journal).where(mine))
    c.execute(delete(sealed).where(sealed.c.id == sealed_id))
    return journal


@dataclass(frozen=True, kw_only=True)
class _Later:
    """One message that came while the two were one, and whom it names: one of them, or nobody who is sure (None)."""

    message_id: str
    owner: str | None
    resources: tuple[Any, ...]


def _read_later(
    c: Connection, parts: Parts, survivor: str, absorbed: str, before: frozenset[str]
) -> tuple[_Later, ...]:
    rows = c.execute(select(message).where(message.c.person_id == survivor).order_by(message.c.sequence)).all()
    return tuple(
        _later(c, parts, row, survivor, absorbed) for row in rows if row.id not in before and row.kind != RESPONSE
    )


def _later(c: Connection, parts: Parts, row: Any, survivor: str, absorbed: str) -> _Later:
    try:
        said = translation_of(c, parts, row)
    except SealedGone:
        raise CannotTakeApart(
            "a message that came since the merge has ended its retention: enter the two people's records anew"
        ) from None
    if Event.MERGE in said.events and said.absorbed:  # the merge itself names both, and brings nothing for either
        return _Later(message_id=row.id, owner=survivor, resources=())
    owners = set(owners_of(c, parts.keys, said.persons))
    owner = owners.pop() if len(owners) == 1 and owners <= {survivor, absorbed} else None
    waits = row.state == MessageState.RECEIVED
    if waits and owner is None:
        hold_message(c, parts, row.id, HoldCode.IDENTITY_CONFLICT)  # as it would have been, had the two never been one
    brought = () if waits else tuple(each["resource"] for each in said.bundle.get("entry", []))  # its release files it
    return _Later(message_id=row.id, owner=owner, resources=brought)


def _give_numbers_back(c: Connection, numbers: Iterable[Sequence[str]], survivor: str, absorbed: str) -> None:
    for system, index in numbers:
        c.execute(
            update(person_identifier)
            .where(
                person_identifier.c.system == system,
                person_identifier.c.value_index == bytes.fromhex(index),
                person_identifier.c.person_id == survivor,
            )
            .values(person_id=absorbed)
        )


def _forget_files_since(c: Connection, survivor: str, merged_at: str) -> None:
    """Every version that was joined while the two were one may mix them: it goes, with its content."""
    since = (resource.c.person_id == survivor, resource.c.created_at >= merged_at)
    gone = c.execute(select(resource.c.sealed_id).where(*since)).scalars().all()
    c.execute(delete(resource).where(*since))
    for some in _some(gone):
        c.execute(delete(sealed).where(sealed.c.id.in_(some)))


def _give_rows_back(c: Connection, survivor: str, absorbed: str, message_ids: Sequence[str]) -> None:
    for some in _some(message_ids):
        c.execute(
            update(message).where(message.c.person_id == survivor, message.c.id.in_(some)).values(person_id=absorbed)
        )
        for table in (consent, decision, delivery, resource):
            mine = (table.c.person_id == survivor, table.c.message_id.in_(some))
            c.execute(update(table).where(*mine).values(person_id=absorbed))


def _some(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _name_consents_again(c: Connection, parts: Parts, absorbed: str, names: Mapping[str, str]) -> None:
    """INVARIANT: what a system calls one consent is one lineage again, so that a later word of it ends what it said before."""
    for consent_id, name in names.items():
        sealed_id = c.execute(select(consent.c.sealed_id).where(consent.c.id == consent_id)).scalar_one_or_none()
        if sealed_id is None:
            continue  # retention was faster
        said = {**fhir_json.decode(parts.keys.unseal(c, sealed_id)), "id": name}
        again = parts.keys.seal(
            c, category="consent", plaintext=fhir_json.encode(said), person_id=absorbed, now=parts.now()
        )
        c.execute(update(consent).where(consent.c.id == consent_id).values(sealed_id=again))
        c.execute(delete(sealed).where(sealed.c.id == sealed_id))


def _settle_versions(c: Connection, person_id: str) -> None:
    """The highest version of each resource is the current one."""
    rows = c.execute(
        select(resource.c.type, resource.c.fhir_id, resource.c.version)
        .where(resource.c.person_id == person_id)
        .order_by(resource.c.version)
    ).all()
    highest = {(row.type, row.fhir_id): row.version for row in rows}
    c.execute(update(resource).where(resource.c.person_id == person_id).values(current=False))
    for (kind, fhir_id), version in highest.items():
        c.execute(
            update(resource)
            .where(
                resource.c.person_id == person_id,
                resource.c.type == kind,
                resource.c.fhir_id == fhir_id,
                resource.c.version == version,
            )
            .values(current=True)
        )


def _wrap_back(c: Connection, parts: Parts, absorbed: str) -> None:
    """INVARIANT: whatever is a person's again opens with that person's key alone."""
    owned = (message.c.body_id, message.c.answer_id, consent.c.sealed_id, decision.c.sealed_id)
    for column in (*owned, delivery.c.sealed_id, resource.c.sealed_id):
        found = select(column).where(column.table.c.person_id == absorbed, column.is_not(None))
        for sealed_id in c.execute(found).scalars().all():
            try:
                parts.keys.wrap_for_person(c, sealed_id, absorbed)
            except SealedGone:
                continue  # retention was faster


def _count_again(c: Connection, parts: Parts, person_id: str) -> None:
    """Both are counted by their own tests in every month that is open; what a closed month carries on stays as it is."""
    resources = read_file(c, parts, person_id).resources
    tests, places = facts.tests(resources), facts.establishments(resources)
    for agreement in counting(parts):
        recount(c, parts, agreement.name, person_id, tests, {*places, *parts.establishments})


def _keep_apart(c: Connection, parts: Parts, one: str, other: str) -> None:
    first, second = sorted((one, other))
    c.execute(delete(person_apart).where(person_apart.c.first == first, person_apart.c.second == second))
    c.execute(insert(person_apart).values(first=first, second=second, said_at=parts.now()))


def _sent_since(c: Connection, people: Sequence[str], merged_at: str) -> Iterator[str]:
    """Letters of either that were decided while they were one and may have arrived."""
    rows = c.execute(
        select(delivery)
        .join(decision, decision.c.id == delivery.c.decision_id)
        .where(delivery.c.person_id.in_(people), decision.c.decided_at >= merged_at)
        .order_by(delivery.c.sequence)
    ).all()
    return (row.id for row in rows if may_have_arrived(c, row))
