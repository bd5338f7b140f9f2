"""Whose message is this? Exactly one person, a new one, or nobody: a conflict is held, never resolved by a guess.

Only the NHS number and the prison number name a person. They are looked up by HMAC under the index key, one domain a system; an
identifier in clear MUST NOT be written to a column, a log or a text of this module.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from fhir_profiles.shapes import HoldCode, PersonIdentifier
from fhir_profiles.systems import NHS_NUMBER, PRISON_NUMBER
from gateway.keys import Keys
from gateway.store.locks import hold
from gateway.store.schema import person, person_apart, person_identifier
from gateway.store.statement import Statement

NAMING_SYSTEMS: Final = (NHS_NUMBER, PRISON_NUMBER)

_OWNER: Final = Statement(
    select(person_identifier.c.person_id).where(
        person_identifier.c.system == bindparam("system"), person_identifier.c.value_index == bindparam("index")
    )
)
_NUMBER: Final = Statement(
    select(person_identifier.c.system).where(
        person_identifier.c.person_id == bindparam("person_id"), person_identifier.c.system == bindparam("system")
    )
)
_INSERT: Final = Statement.insert(person_identifier)


@dataclass(frozen=True, kw_only=True)
class Found:
    """One person. `new` says that this message is the first that names them."""

    person_id: str
    new: bool = False


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Two records that are one person: who stays, and who is absorbed where both were known."""

    person_id: str
    absorbed: str | None


@dataclass(frozen=True, kw_only=True)
class NotFound:
    """Why the message is held: closed code, the place in the message, what a person has to do. No identifier."""

    code: HoldCode
    path: str
    text: str


def identifier_index(keys: Keys, system: str, value: str) -> bytes:
    """What `person_identifier.value_index` holds: HMAC-SHA-256 in the system's own domain, over the value without spaces or hyphens."""
    return keys.index(f"person-identifier|{system}", _plain(value))


def resolve(c: Connection, keys: Keys, persons: Sequence[PersonIdentifier], now: str) -> Found | NotFound:
    """Find or make the person that these identifiers name, in the caller's transaction. New identifiers join a known person."""
    hold(c, "people")  # two workers never make one person twice
    looked = look(c, keys, persons)
    if isinstance(looked, NotFound):
        return looked
    if looked.person_id is None:
        person_id = keys.create_person(c, now)
        _add(c, person_id, looked.fresh)
        return Found(person_id=person_id, new=True)
    if looked.fresh:
        _add(c, looked.person_id, looked.fresh)
        _move_link(c, looked.person_id)
    return Found(person_id=looked.person_id)


@dataclass(frozen=True, kw_only=True)
class Looked:
    """Whom identifiers name, before anything is written: nobody yet (None), and which of them are new."""

    person_id: str | None
    fresh: tuple[tuple[str, bytes], ...]


def look(c: Connection, keys: Keys, persons: Sequence[PersonIdentifier]) -> Looked | NotFound:
    """Say whom these identifiers name. Reads only."""
    named = _named(persons)
    if isinstance(named, NotFound):
        return named
    indexes = {system: identifier_index(keys, system, one.value) for system, one in named.items()}
    known = {system: owner for system, index in indexes.items() if (owner := _owner(c, system, index)) is not None}
    owners = set(known.values())
    if len(owners) > 1:
        return _conflict(
            named, "the identifiers belong to two people on record: find which is right, then correct or merge"
        )
    if not owners:
        return Looked(person_id=None, fresh=tuple(indexes.items()))
    person_id = owners.pop()
    fresh = tuple((system, index) for system, index in indexes.items() if system not in known)
    # INVARIANT: a person never gets a second number of one system by a message alone, unless it is a merge.
    if clash := [system for system, _ in fresh if _has_another(c, person_id, system)]:
        return _conflict(
            {clash[0]: named[clash[0]]}, "the person on record has another number of this kind: check which is right"
        )
    return Looked(person_id=person_id, fresh=fresh)


def join(
    c: Connection, keys: Keys, staying: Sequence[PersonIdentifier], absorbed: Sequence[PersonIdentifier], now: str
) -> Joined | NotFound:
    """Find or make the one person of a merge, and give them every number that is nobody's. Who is absorbed keeps theirs: the caller moves them."""
    hold(c, "people")
    looked = look_join(c, keys, staying, absorbed)
    if isinstance(looked, NotFound):
        return looked
    person_id = looked.person_id or keys.create_person(c, now)
    _add(c, person_id, looked.fresh)
    _move_link(c, person_id)
    return Joined(person_id=person_id, absorbed=looked.absorbed)


@dataclass(frozen=True, kw_only=True)
class LookedJoin(Looked):
    """Whom a merge is about, before anything is written."""

    absorbed: str | None


def look_join(
    c: Connection, keys: Keys, staying: Sequence[PersonIdentifier], absorbed: Sequence[PersonIdentifier]
) -> LookedJoin | NotFound:
    """Say who stays and who is absorbed. Reads only.

    Who stays is who has the prison number of PID-3, else its NHS number, else whoever is known at all. The NHS number of PID-3 may be on
    record for the one who is absorbed; two NHS numbers, a third person, or two whom a person keeps apart are a conflict.
    """
    named, given_up = _named(staying), _named(absorbed)
    if isinstance(named, NotFound):
        return named
    if isinstance(given_up, NotFound):
        return given_up
    numbers = dict.fromkeys(
        (system, identifier_index(keys, system, one.value))
        for each in (named, given_up)
        for system, one in each.items()
    )
    owners = {number: owner for number in numbers if (owner := _owner(c, *number)) is not None}
    here = {system: owners.get((system, identifier_index(keys, system, one.value))) for system, one in named.items()}
    there = {owners.get((system, identifier_index(keys, system, one.value))) for system, one in given_up.items()}
    survivor = next((each for system in reversed(NAMING_SYSTEMS) if (each := here.get(system)) is not None), None)
    survivor = survivor or next((each for each in there if each is not None), None)
    others = set(owners.values()) - {survivor}
    if len(others) > 1 or (others and not others <= there):
        return _conflict(
            named, "the identifiers of the merge belong to more than two people on record: find which are right"
        )
    other = next(iter(others), None)
    fresh = tuple(number for number in numbers if number not in owners)
    if _has_two_nhs_numbers(c, fresh, survivor, other):
        return _conflict(given_up, "the two records have different NHS numbers: say whether they are one person")
    if survivor is not None and other is not None and are_apart(c, survivor, other):
        return _conflict(given_up, "a person said that these are two people: nothing was moved")
    return LookedJoin(person_id=survivor, fresh=fresh, absorbed=other)


def _has_two_nhs_numbers(
    c: Connection, fresh: Iterable[tuple[str, bytes]], survivor: str | None, other: str | None
) -> bool:
    """Would the merge give a person a second NHS number? Two that a person's word has joined before are no new conflict."""
    here, there = _has_another(c, survivor, NHS_NUMBER), _has_another(c, other, NHS_NUMBER)
    new = any(system == NHS_NUMBER for system, _ in fresh)
    return (here and there) or (new and (here or there))


def are_apart(c: Connection, one: str, other: str) -> bool:
    """Did a person say that these are two people?"""
    first, second = sorted((one, other))
    found = c.execute(
        select(person_apart.c.said_at).where(person_apart.c.first == first, person_apart.c.second == second)
    )
    return found.first() is not None


def owners_of(c: Connection, keys: Keys, persons: Iterable[PersonIdentifier]) -> tuple[str, ...]:
    """Who has any of these valid identifiers, each once."""
    valid = [one for one in persons if one.valid and one.system in NAMING_SYSTEMS]
    owners = (_owner(c, one.system, identifier_index(keys, one.system, one.value)) for one in valid)
    return tuple(dict.fromkeys(owner for owner in owners if owner is not None))


def give(c: Connection, keys: Keys, person_id: str, persons: Iterable[PersonIdentifier]) -> None:
    """Give a person every valid identifier that is nobody's: a person's act, never a message's."""
    valid = [one for one in persons if one.valid and one.system in NAMING_SYSTEMS]
    numbers = dict.fromkeys((one.system, identifier_index(keys, one.system, one.value)) for one in valid)
    _add(c, person_id, [number for number in numbers if _owner(c, *number) is None])
    _move_link(c, person_id)


def move_identifiers(c: Connection, absorbed: str, survivor: str) -> None:
    """Whatever named the one names the other from now on."""
    c.execute(update(person_identifier).where(person_identifier.c.person_id == absorbed).values(person_id=survivor))


def _move_link(c: Connection, person_id: str) -> None:
    c.execute(update(person).where(person.c.id == person_id).values(link_version=person.c.link_version + 1))


def _named(persons: Sequence[PersonIdentifier]) -> dict[str, PersonIdentifier] | NotFound:
    """The valid identifiers that name a person, one a system; or why there are none or too many."""
    naming = [one for one in persons if one.system in NAMING_SYSTEMS]
    named: dict[str, PersonIdentifier] = {}
    for one in naming:
        if not one.valid:
            continue
        first = named.setdefault(one.system, one)
        if _plain(first.value) != _plain(one.value):
            return NotFound(
                code=HoldCode.TWO_PEOPLE,
                path=one.path,
                text="the message has two different numbers of one kind: it may be about two people; send one message a person",
            )
    if not named:
        return NotFound(
            code=HoldCode.NO_PERSON,
            path=naming[0].path if naming else "",
            text="no valid NHS number or prison number: correct the number, or link the message to a person by hand",
        )
    return named


def _conflict(named: dict[str, PersonIdentifier], text: str) -> NotFound:
    first = next(iter(named.values()))
    return NotFound(code=HoldCode.IDENTITY_CONFLICT, path=first.path, text=text)


def _owner(c: Connection, system: str, index: bytes) -> str | None:
    found: str | None = _OWNER.value(c, system=system, index=index)
    return found


def _has_another(c: Connection, person_id: str | None, system: str) -> bool:
    """Has this person a number of this system? (The one in hand is unknown, so any is another.)"""
    return _NUMBER.first(c, person_id=person_id, system=system) is not None


def _add(c: Connection, person_id: str, numbers: Iterable[tuple[str, bytes]]) -> None:
    for system, index in numbers:
        _INSERT.run(c, system=system, value_index=index, person_id=person_id)


def _plain(value: str) -> str:
    return value.replace(" ", "").replace("-", "").upper()
