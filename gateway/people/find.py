"""Whose message is this? Exactly one person, a new one, or nobody: a conflict is held, never resolved by a guess.

Only the NHS number and the prison number name a person. They are looked up by HMAC under the index key, one domain a system; an
identifier in clear MUST NOT be written to a column, a log or a text of this module.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from fhir_profiles.shapes import HoldCode, PersonIdentifier
from fhir_profiles.systems import NHS_NUMBER, PRISON_NUMBER
from gateway.among import Several, among
from gateway.keys import Keys, NewPerson
from gateway.store.locks import hold
from gateway.store.schema import person, person_apart, person_identifier
from gateway.store.statement import Statement

NAMING_SYSTEMS: Final = (NHS_NUMBER, PRISON_NUMBER)

_WHICH: Final = (person_identifier.c.system, person_identifier.c.value_index)
_OWNERS: Final = Several(select(*_WHICH, person_identifier.c.person_id).where(among(*_WHICH)), *_WHICH)
_NUMBER: Final = Statement(
    select(person_identifier.c.system).where(
        person_identifier.c.person_id == bindparam("person_id"), person_identifier.c.system == bindparam("system")
    )
)
_INSERT: Final = Statement.insert(person_identifier)
_MOVE_LINK: Final = Statement(
    update(person).where(person.c.id == bindparam("who")).values(link_version=person.c.link_version + 1)
)

Number = tuple[str, bytes]
"""A system, and what its number is found by."""


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
    (found,) = resolve_all(c, keys, (persons,), now)
    return found


def resolve_all(
    c: Connection, keys: Keys, asked: Sequence[Sequence[PersonIdentifier]], now: str
) -> list[Found | NotFound]:
    """The same for several messages, in the order of their acceptance: whom the one makes, the next one finds."""
    if not asked:
        return []
    hold(c, "people")  # two workers never make one person twice
    owners = _owners(c, [number for persons in asked for number in _numbers(keys, persons)])
    made: list[NewPerson] = []
    given: list[tuple[Number, str]] = []
    moved: list[str] = []
    found: list[Found | NotFound] = []
    for persons in asked:
        looked = _look(c, keys, persons, owners)
        if isinstance(looked, NotFound):
            found.append(looked)
            continue
        person_id = looked.person_id
        if person_id is None:
            made.append(keys.new_person(now))
            person_id = made[-1].id
        elif looked.fresh:
            moved.append(person_id)
        given += [(number, person_id) for number in looked.fresh]
        owners |= dict.fromkeys(looked.fresh, person_id)
        found.append(Found(person_id=person_id, new=looked.person_id is None))
    keys.insert_people(c, made)
    _add(c, given)
    _MOVE_LINK.many(c, [{"who": each} for each in moved])
    return found


@dataclass(frozen=True, kw_only=True)
class Looked:
    """Whom identifiers name, before anything is written: nobody yet (None), and which of them are new."""

    person_id: str | None
    fresh: tuple[tuple[str, bytes], ...]


def look(c: Connection, keys: Keys, persons: Sequence[PersonIdentifier]) -> Looked | NotFound:
    """Say whom these identifiers name. Reads only."""
    return _look(c, keys, persons, _owners(c, _numbers(keys, persons)))


def _look(
    c: Connection, keys: Keys, persons: Sequence[PersonIdentifier], owners: Mapping[Number, str]
) -> Looked | NotFound:
    """`owners`: whose the numbers are that have been looked up, or given since."""
    named = _named(persons)
    if isinstance(named, NotFound):
        return named
    numbers = [(system, identifier_index(keys, system, one.value)) for system, one in named.items()]
    known = {owners[number] for number in numbers if number in owners}
    if len(known) > 1:
        return _conflict(
            named, "the identifiers belong to two people on record: find which is right, then correct or merge"
        )
    if not known:
        return Looked(person_id=None, fresh=tuple(numbers))
    person_id = known.pop()
    fresh = tuple(number for number in numbers if number not in owners)
    # INVARIANT: a person never gets a second number of one system by a message alone, unless it is a merge.
    if clash := [
        system for system, _ in fresh if _is_given(owners, person_id, system) or _has_another(c, person_id, system)
    ]:
        return _conflict(
            {clash[0]: named[clash[0]]}, "the person on record has another number of this kind: check which is right"
        )
    return Looked(person_id=person_id, fresh=fresh)


def _numbers(keys: Keys, persons: Iterable[PersonIdentifier]) -> list[Number]:
    """What the valid identifiers that name a person are found by, each once."""
    valid = [one for one in persons if one.valid and one.system in NAMING_SYSTEMS]
    return list(dict.fromkeys((one.system, identifier_index(keys, one.system, one.value)) for one in valid))


def _is_given(owners: Mapping[Number, str], person_id: str, system: str) -> bool:
    """Does one of the numbers that are known of here give this person one of this system?"""
    return any(owner == person_id and of == system for (of, _), owner in owners.items())


def join(
    c: Connection, keys: Keys, staying: Sequence[PersonIdentifier], absorbed: Sequence[PersonIdentifier], now: str
) -> Joined | NotFound:
    """Find or make the one person of a merge, and give them every number that is nobody's. Who is absorbed keeps theirs: the caller moves them."""
    hold(c, "people")
    looked = look_join(c, keys, staying, absorbed)
    if isinstance(looked, NotFound):
        return looked
    person_id = looked.person_id or keys.create_person(c, now)
    _add(c, [(number, person_id) for number in looked.fresh])
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
    owners = _owners(c, numbers)
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
    numbers = _numbers(keys, persons)
    owners = _owners(c, numbers)
    return tuple(dict.fromkeys(owners[each] for each in numbers if each in owners))


def give(c: Connection, keys: Keys, person_id: str, persons: Iterable[PersonIdentifier]) -> None:
    """Give a person every valid identifier that is nobody's: a person's act, never a message's."""
    numbers = _numbers(keys, persons)
    owners = _owners(c, numbers)
    _add(c, [(number, person_id) for number in numbers if number not in owners])
    _move_link(c, person_id)


def move_identifiers(c: Connection, absorbed: str, survivor: str) -> None:
    """Whatever named the one names the other from now on."""
    c.execute(update(person_identifier).where(person_identifier.c.person_id == absorbed).values(person_id=survivor))


def _move_link(c: Connection, person_id: str) -> None:
    _MOVE_LINK.run(c, who=person_id)


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


def _owners(c: Connection, numbers: Iterable[Number]) -> dict[Number, str]:
    """Whose each of these numbers is; of one that is nobody's nothing."""
    return {(row.system, bytes(row.value_index)): row.person_id for row in _OWNERS.of(c, numbers)}


def _has_another(c: Connection, person_id: str | None, system: str) -> bool:
    """Has this person a number of this system? (The one in hand is unknown, so any is another.)"""
    return _NUMBER.first(c, person_id=person_id, system=system) is not None


def _add(c: Connection, numbers: Iterable[tuple[Number, str]]) -> None:
    """Numbers, each with whose it is from now on."""
    _INSERT.many(c, [{"system": system, "value_index": index, "person_id": who} for (system, index), who in numbers])


def _plain(value: str) -> str:
    return value.replace(" ", "").replace("-", "").upper()
