"""Whose message is this? Exactly one person, a new one, or nobody: a conflict is held, never resolved by a guess.

Only the NHS number and the prison number name a person. They are looked up by HMAC under the index key, one domain a system; an
identifier in clear MUST NOT be written to a column, a log or a text of this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from fhir_profiles.shapes import HoldCode, PersonIdentifier
from fhir_profiles.systems import NHS_NUMBER, PRISON_NUMBER
from gateway.keys import Keys
from gateway.store.locks import hold
from gateway.store.schema import person, person_identifier

NAMING_SYSTEMS: Final = (NHS_NUMBER, PRISON_NUMBER)

# Statements are built once: building one costs more than running it.
_OWNER: Final = select(person_identifier.c.person_id).where(
    person_identifier.c.system == bindparam("system"), person_identifier.c.value_index == bindparam("index")
)
_NUMBER: Final = select(person_identifier.c.system).where(
    person_identifier.c.person_id == bindparam("person_id"), person_identifier.c.system == bindparam("system")
)
_INSERT: Final = insert(person_identifier)


@dataclass(frozen=True, kw_only=True)
class Found:
    """One person. `new` says that this message is the first that names them."""

    person_id: str
    new: bool = False


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
    named = _named(persons)
    if isinstance(named, NotFound):
        return named
    hold(c, "people")  # two workers never make one person twice
    indexes = {system: identifier_index(keys, system, one.value) for system, one in named.items()}
    known = {system: owner for system, index in indexes.items() if (owner := _owner(c, system, index)) is not None}
    owners = set(known.values())
    if len(owners) > 1:
        return _conflict(
            named, "the identifiers belong to two people on record: find which is right, then correct or merge"
        )
    if not owners:
        person_id = keys.create_person(c, now)
        _add(c, person_id, indexes)
        return Found(person_id=person_id, new=True)
    person_id = owners.pop()
    fresh = {system: index for system, index in indexes.items() if system not in known}
    # INVARIANT: a person never gets a second number of one system by a message alone.
    if clash := [system for system in fresh if _has_another(c, person_id, system)]:
        return _conflict(
            {clash[0]: named[clash[0]]}, "the person on record has another number of this kind: check which is right"
        )
    if fresh:
        _add(c, person_id, fresh)
        c.execute(update(person).where(person.c.id == person_id).values(link_version=person.c.link_version + 1))
    return Found(person_id=person_id)


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
    found: str | None = c.execute(_OWNER, {"system": system, "index": index}).scalar_one_or_none()
    return found


def _has_another(c: Connection, person_id: str, system: str) -> bool:
    """Has this person a number of this system? (The one in hand is unknown, so any is another.)"""
    return c.execute(_NUMBER, {"person_id": person_id, "system": system}).first() is not None


def _add(c: Connection, person_id: str, indexes: dict[str, bytes]) -> None:
    for system, index in indexes.items():
        c.execute(_INSERT, {"system": system, "value_index": index, "person_id": person_id})


def _plain(value: str) -> str:
    return value.replace(" ", "").replace("-", "").upper()
