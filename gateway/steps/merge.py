"""Two records are one person: everything of the one becomes the other's, in one transaction.

Identifiers, messages, file, consents, decisions, letters and counted cells move; keys are wrapped again; every version moves, so that no
letter that was decided before leaves without being decided again. This module MUST NOT say that two records are one person: a merge
message (ADT^A40) or a person does.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from fhir_profiles import facts, fhir_json, systems
from fhir_profiles.ids import stable_id
from fhir_profiles.label import is_sensitive
from fhir_profiles.shapes import Json, Task
from gateway.journeys.file import (
    Filing,
    flag_by_hand,
    is_flagged_by_hand,
    join_file,
    read_file,
    read_versions,
    write_filing,
)
from gateway.keys import SealedGone
from gateway.parts import Parts
from gateway.people.find import move_identifiers
from gateway.steps.alerts import mostly_positive, mostly_positive_tasks
from gateway.steps.contributions import counting, read_closed, recount
from gateway.steps.openly import tell_openly
from gateway.store.locks import hold, hold_person
from gateway.store.schema import (
    OF_A_PERSON,
    consent,
    contribution,
    decision,
    delivery,
    merge_journal,
    message,
    person,
    person_identifier,
    person_merge,
    report_key,
    resource,
    sealed,
)

_Named = tuple[str, str]
"""(type, hidden id) of a resource in a file."""


def merge_people(c: Connection, parts: Parts, survivor: str, absorbed: str) -> tuple[Task, ...]:
    """Move everything that the absorbed person has to the survivor; what people have to hear at once of it.

    INVARIANT: a merge is a barrier across both people (DESIGN section 2, Keys; rules 4 and 10): one transaction, under both people's locks,
    moves both people's versions. A release that began before it starts over; what waits at the door is decided again; messages of both
    numbers are one person's from here on, in the order of acceptance.
    """
    if survivor == absorbed:
        return ()
    hold_both(c, parts, survivor, absorbed)
    begun = parts.now()
    flagged = {_is_flagged(c, parts, each): each for each in (survivor, absorbed)}
    if len(flagged) > 1:
        # the letters of one left while nobody knew that they are the other, who is flagged
        tell_openly(c, parts, flagged[False])
    moved = _what_moves(c, survivor, absorbed)
    renamed = _tell_consents_apart(c, parts, survivor, absorbed)
    _keep_journal(c, parts, absorbed, {**moved, "consents": renamed})
    _wrap_again(c, parts, survivor, absorbed)
    _move_file(c, parts, survivor, absorbed)
    for table in (message, consent, decision, delivery):
        c.execute(update(table).where(table.c.person_id == absorbed).values(person_id=survivor))
    move_identifiers(c, absorbed, survivor)
    told = _move_counts(c, parts, survivor, absorbed)
    if is_flagged_by_hand(c, absorbed):
        flag_by_hand(c, survivor, to=True)
    move_versions(c, survivor, absorbed)
    c.execute(update(person_merge).where(person_merge.c.survivor == absorbed).values(survivor=survivor))
    c.execute(insert(person_merge).values(absorbed=absorbed, survivor=survivor, merged_at=begun))
    return told


def _is_flagged(c: Connection, parts: Parts, person_id: str) -> bool:
    file = read_file(c, parts, person_id)
    return any(each["resourceType"] == "Patient" and is_sensitive(each) for each in file.in_letters(file.resources))


def _what_moves(c: Connection, survivor: str, absorbed: str) -> dict[str, Any]:
    """What is whose before the merge: enough to give it back, and nothing that anybody could read without the installation's key."""
    numbers = c.execute(select(person_identifier).where(person_identifier.c.person_id == absorbed)).all()
    own = select(message.c.id).where(message.c.person_id == survivor)
    theirs = select(message.c.id).where(message.c.person_id == absorbed)
    earlier = select(person_merge.c.absorbed).where(person_merge.c.survivor == absorbed)
    return {
        "messages": list(c.execute(theirs).scalars()),
        "own": list(c.execute(own).scalars()),
        "numbers": [[row.system, row.value_index.hex()] for row in numbers],
        "people": list(c.execute(earlier).scalars()),
    }


def _keep_journal(c: Connection, parts: Parts, absorbed: str, journal: Mapping[str, Any]) -> None:
    """Kept as long as the bodies of messages, under the installation's key: it is about two people (gateway/steps/take_apart.py)."""
    ends_at = parts.after(days=parts.settings.retention.days("body"))
    sealed_id = parts.keys.seal(
        c,
        category="body",
        plaintext=json.dumps(journal).encode(),
        person_id=None,
        now=parts.now(),
        ends_at=ends_at,
    )
    c.execute(insert(merge_journal).values(absorbed=absorbed, sealed_id=sealed_id))


def hold_both(c: Connection, parts: Parts, *people: str) -> None:
    """Nobody else counts, files, decides or sends for either until this is committed. The order of locks: gateway/store/locks.py."""
    counted = c.execute(select(report_key.c.report, report_key.c.establishment).distinct()).all()
    reports = [each.name for each in counting(parts)]
    places = {(row.report, row.establishment) for row in counted} | set(product(reports, parts.establishments))
    for report, establishment in sorted(places):
        hold(c, "report", report, establishment)
    for each in sorted(people):
        hold_person(c, each)


def survivor_of(c: Connection, person_id: str) -> str | None:
    """Who a person is today; None when nobody has this id."""
    merged: str | None = c.execute(
        select(person_merge.c.survivor).where(person_merge.c.absorbed == person_id)
    ).scalar_one_or_none()
    if merged is not None:
        return merged
    found: str | None = c.execute(select(person.c.id).where(person.c.id == person_id)).scalar_one_or_none()
    return found


def _wrap_again(c: Connection, parts: Parts, survivor: str, absorbed: str) -> None:
    of_the_absorbed = select(sealed.c.id).where(OF_A_PERSON, sealed.c.wrapped_by == absorbed)
    for sealed_id in c.execute(of_the_absorbed).scalars().all():
        try:
            parts.keys.wrap_for_person(c, sealed_id, survivor)
        except SealedGone:
            continue  # retention was faster


def move_versions(c: Connection, survivor: str, absorbed: str) -> None:
    """Above whatever either had: no letter of the two was decided under these. Consents have moved too: who had letters is thought of."""
    one, other = read_versions(c, survivor), read_versions(c, absorbed)
    values = {
        "consent_version": max(one.consent, other.consent) + 1,
        "file_version": max(one.file, other.file) + 1,
        "link_version": max(one.link, other.link) + 1,
        "to_notice": True,
    }
    c.execute(update(person).where(person.c.id.in_((survivor, absorbed))).values(**values))


def _tell_consents_apart(c: Connection, parts: Parts, survivor: str, absorbed: str) -> dict[str, str]:
    """INVARIANT: a dissent of either person counts. Two consents that one system calls by one id must not supersede each other.

    Row of each consent that has another name from here on -> the name that it had.
    """

    def of(person_id: str) -> list[tuple[Any, Json]]:
        rows = c.execute(select(consent.c.id, consent.c.sealed_id).where(consent.c.person_id == person_id)).all()
        return [(row, fhir_json.decode(parts.keys.unseal(c, row.sealed_id))) for row in rows]

    taken = {said.get("id") for _, said in of(survivor)}
    renamed: dict[str, str] = {}
    for row, said in of(absorbed):
        if said.get("id") not in taken:
            continue
        renamed[row.id] = str(said.get("id"))
        own = {**said, "id": stable_id("Consent", absorbed, str(said.get("id")))}
        sealed_id = parts.keys.seal(
            c, category="consent", plaintext=fhir_json.encode(own), person_id=survivor, now=parts.now()
        )
        c.execute(update(consent).where(consent.c.id == row.id).values(sealed_id=sealed_id))
        c.execute(delete(sealed).where(sealed.c.id == row.sealed_id))
    return renamed


def _move_file(c: Connection, parts: Parts, survivor: str, absorbed: str) -> None:
    """Unite two files. What both have is joined as if the older had come first; of the Patient the survivor's word counts."""
    ours, theirs = _current(c, parts, survivor), _current(c, parts, absorbed)
    theirs_highest = _highest(c, absorbed)
    for name, highest in _highest(c, survivor).items():
        mine = (resource.c.person_id == absorbed, resource.c.type == name[0], resource.c.fhir_id == name[1])
        # behind all of both: an engine that changes one row after the other never meets a number that is still taken
        behind = max(highest, theirs_highest.get(name, 0))
        c.execute(update(resource).where(*mine).values(version=resource.c.version + behind, current=False))
    c.execute(update(resource).where(resource.c.person_id == absorbed).values(person_id=survivor))
    for name, (row, given_up) in theirs.items():
        if name not in ours:
            continue
        kept_row, kept = ours[name]
        newer, older = (kept, given_up), (given_up, kept)
        if name[0] == "Patient":
            before, after = _as_old(given_up, kept), kept
        else:
            before, after = older if kept_row.created_at >= row.created_at else newer
        joined = join_file((before,), (after,)).resources[0]
        if fhir_json.canonical(joined) != fhir_json.canonical(kept):
            write_filing(c, parts, survivor, row.message_id, Filing(added=(joined,), resources=()))


def _current(c: Connection, parts: Parts, person_id: str) -> Mapping[_Named, tuple[Any, Json]]:
    rows = c.execute(select(resource).where(resource.c.person_id == person_id, resource.c.current)).all()
    return {(row.type, row.fhir_id): (row, fhir_json.decode(parts.keys.unseal(c, row.sealed_id))) for row in rows}


def _highest(c: Connection, person_id: str) -> Mapping[_Named, int]:
    rows = c.execute(
        select(resource.c.type, resource.c.fhir_id, func.max(resource.c.version).label("version"))
        .where(resource.c.person_id == person_id)
        .group_by(resource.c.type, resource.c.fhir_id)
    )
    return {(row.type, row.fhir_id): row.version for row in rows}


def _as_old(given_up: Json, kept: Json) -> Json:
    """The Patient that is given up, its prison number marked as what it is now: an old one."""
    named = {(each.get("system"), each.get("value")) for each in kept.get("identifier", ())}

    def old(each: Json) -> Json:
        is_old = each.get("system") == systems.PRISON_NUMBER and (each.get("system"), each.get("value")) not in named
        return {"use": "old", **each} if is_old else each

    identifiers = [old(each) for each in given_up.get("identifier", ())]
    return {**given_up, "identifier": identifiers} if identifiers else given_up


def _move_counts(c: Connection, parts: Parts, survivor: str, absorbed: str) -> tuple[Task, ...]:
    """INVARIANT: a report counts people. Where both were counted in one cell there is one from here on; positive if either was.

    One person fewer can make a cell mostly positive: then that has to be told.
    """
    resources = read_file(c, parts, survivor).resources
    tests, places = facts.tests(resources), facts.establishments(resources)
    reports = [each.name for each in counting(parts)]
    closed = {report: read_closed(c, report, parts.establishments) for report in reports}
    before = {report: mostly_positive(c, report, tests, closed[report]) for report in reports}
    for row in c.execute(select(report_key)).all():
        key = parts.keys.report_key_unwrap(row.wrapped_key)
        old, new = (hmac.digest(key, each.encode(), "sha256") for each in (absorbed, survivor))
        cell = (
            contribution.c.report == row.report,
            contribution.c.establishment == row.establishment,
            contribution.c.substance_group == row.substance_group,
            contribution.c.key_period == row.period,
        )
        _rename_token(c, cell, old, new)
    found: list[Task] = []
    for report in reports:
        recount(c, parts, report, survivor, tests, places)
        found += mostly_positive_tasks(before[report], mostly_positive(c, report, tests, closed[report]))
    return tuple(found)


def _rename_token(c: Connection, cell: Sequence[Any], old: bytes, new: bytes) -> None:
    for counted in c.execute(select(contribution).where(*cell, contribution.c.token == old)).all():
        there = (*cell, contribution.c.period == counted.period)
        both = c.execute(select(contribution).where(*there, contribution.c.token == new)).one_or_none()
        if both is None:
            c.execute(update(contribution).where(*there, contribution.c.token == old).values(token=new))
            continue
        positive = bool(both.positive or counted.positive)
        c.execute(update(contribution).where(*there, contribution.c.token == new).values(positive=positive))
        c.execute(delete(contribution).where(*there, contribution.c.token == old))
