"""Whom a message names that is nobody's: its numbers, hidden as those of people are.

Kept for what waits because nobody could say whose it is, so that a whole picture of a person can say how many earlier messages about them it does not
contain; and from acceptance on for what brings a word about sharing, so that no letter about them leaves before the word was heard. This module
MUST NOT say whose a message is: that is what it waits for.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, literal, select, union

from fhir_profiles.shapes import PersonIdentifier
from gateway.among import Several, among
from gateway.keys import Keys
from gateway.people.find import NAMING_SYSTEMS, identifier_index
from gateway.states import MessageState
from gateway.store.schema import message, named_number, person_identifier
from gateway.store.statement import Statement, one_of

WAITING: Final = (MessageState.HELD.value, MessageState.PARKED.value)
_WAITS: Final = one_of(message.c.state, WAITING)

_OWN: Final = select(message.c.person_id.label("who"), message.c.sequence).where(among(message.c.person_id), _WAITS)
_SAME_NUMBER: Final = (person_identifier.c.system == named_number.c.system) & (
    person_identifier.c.value_index == named_number.c.value_index
)
_NAMING: Final = (
    select(person_identifier.c.person_id.label("who"), message.c.sequence)
    .join_from(message, named_number, named_number.c.message_id == message.c.id)
    .join(person_identifier, _SAME_NUMBER)
    .where(among(person_identifier.c.person_id), message.c.person_id.is_(None), _WAITS)
)
_FORGET: Final = Statement(delete(named_number).where(named_number.c.message_id == bindparam("message_id")))
_INSERT: Final = Statement.insert(named_number)
_WAITING: Final = Several(union(_OWN, _NAMING), message.c.person_id)


def is_unheard(person_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Is there a word about sharing that names the person, taken and not yet worked on? Of what is received, only such messages are named here."""
    return exists(
        select(message.c.id)
        .join(named_number, named_number.c.message_id == message.c.id)
        .join(person_identifier, _SAME_NUMBER)
        .where(
            person_identifier.c.person_id == person_id,
            message.c.state == literal(MessageState.RECEIVED.value),
        )
    )


def note_named(c: Connection, keys: Keys, message_id: str, persons: Iterable[PersonIdentifier]) -> None:
    """Keep the numbers that a message names. A number that is not valid names nobody; nothing is kept twice."""
    numbers = {
        (one.system, identifier_index(keys, one.system, one.value))
        for one in persons
        if one.valid and one.system in NAMING_SYSTEMS
    }
    _FORGET.run(c, message_id=message_id)
    _INSERT.many(
        c, [{"message_id": message_id, "system": system, "value_index": index} for system, index in sorted(numbers)]
    )


def waiting_of(c: Connection, person_ids: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The numbers of the messages that wait for a person, by whose they are: a person's own, and those of nobody that name them."""
    found: dict[str, tuple[int, ...]] = {}
    for row in _WAITING.of(c, person_ids):
        found[row.who] = (*found.get(row.who, ()), row.sequence)
    return found
