"""A message that is set aside before anybody could say whose it is: whom it names is kept, so that a handover can say what waits outside it.

This module MUST NOT hold or park anything: it only notes, in the transaction that does.
"""

from sqlalchemy import Connection, select

from fhir_profiles.peek import peek
from fhir_profiles.shapes import Envelope, PersonIdentifier, Translation
from gateway.keys import SealedError
from gateway.parts import Parts
from gateway.people.named import note_named
from gateway.store.schema import message


def note_whom(c: Connection, parts: Parts, message_id: str, translation: Translation | None) -> None:
    """Note whom the message names: by its meaning, else by its bytes alone where it could not be read."""
    meant = (*translation.persons, *translation.absorbed) if translation is not None else ()
    note_named(c, parts.keys, message_id, meant or _by_the_bytes(c, parts, message_id))


def _by_the_bytes(c: Connection, parts: Parts, message_id: str) -> tuple[PersonIdentifier, ...]:
    row = c.execute(select(message).where(message.c.id == message_id)).one()
    try:
        channel = parts.settings.channel(row.channel).shape(row.client, row.establishment)
        seen = peek(channel, parts.keys.unseal(c, row.body_id))
    except (KeyError, SealedError):  # the channel is out of the settings, retention was faster, or nobody can open it
        return ()
    return seen.persons if isinstance(seen, Envelope) else ()
