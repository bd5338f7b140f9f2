"""Who and where, as HL7 v2 writes it: person identifiers in PID-3, the establishment, the sender. It must never resolve a person.

Conventions of DESIGN section 6: prison number with assigning authority `NOMIS`; NHS number with authority `NHS` or `NHSNBR`, or type `NH`.
"""

import re
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7v2 import NULL, Message, Segment, path_of
from fhir_profiles.identifiers import (
    nhs_number_is_valid,
    normal_nhs_number,
    normal_prison_number,
    prison_number_is_valid,
)
from fhir_profiles.shapes import PersonIdentifier

_NHS_AUTHORITIES: Final = frozenset(
    {"NHS", "NHSNBR", "NHSNMBR", "2.16.840.1.113883.2.1.4.1", systems.NHS_NUMBER.upper()}
)
_NHS_TYPES: Final = frozenset({"NH", "NHS", "NHSNBR", "NHSNMBR"})
_PRISON_AUTHORITIES: Final = frozenset({"NOMIS", systems.PRISON_NUMBER.upper()})
_AGENCY: Final = re.compile(r"[A-Z]{3}")


def identifier_system(segment: Segment, number: int, repetition: int) -> str | None:
    """Say which national system an identifier (CX) belongs to: NHS number, prison number, or None for any other."""
    authorities = {segment.raw_value(number, repetition, 4, part).strip().upper() for part in (1, 2)} - {""}
    kind = segment.raw_value(number, repetition, 5).strip().upper()
    if authorities & _PRISON_AUTHORITIES:
        return systems.PRISON_NUMBER
    if authorities & _NHS_AUTHORITIES or kind in _NHS_TYPES:
        return systems.NHS_NUMBER
    return None


def identifiers_in(message: Message, segment: Segment, number: int) -> tuple[PersonIdentifier, ...]:
    """Give the NHS numbers and prison numbers of one field, normalised (no blanks or hyphens), in order, with their places."""
    found = []
    for repetition in range(1, len(segment.repetitions(number)) + 1):
        raw = segment.raw_value(number, repetition)
        system = identifier_system(segment, number, repetition)
        if system is None or not raw.strip() or raw == NULL:
            continue
        value = message.text(raw)
        nhs = system == systems.NHS_NUMBER
        value = normal_nhs_number(value) if nhs else normal_prison_number(value)
        path = path_of(segment.name, segment.occurrence, number, repetition, 1, 0)
        valid = nhs_number_is_valid(value) if nhs else prison_number_is_valid(value)
        found.append(PersonIdentifier(system=system, value=value, path=path, valid=valid))
    return tuple(found)


def persons_of(message: Message) -> tuple[PersonIdentifier, ...]:
    """Give the person identifiers of every PID of the message, each once."""
    found: dict[tuple[str, str], PersonIdentifier] = {}
    for segment in message.all("PID"):
        for identifier in identifiers_in(message, segment, 3):
            found.setdefault((identifier.system, identifier.value), identifier)
    return tuple(found.values())


def agency(text: str) -> str | None:
    """Give a NOMIS agency id: exactly three capital letters."""
    return text if _AGENCY.fullmatch(text) else None


def establishment_of(message: Message) -> str | None:
    """Give the establishment: PV1-3.4 when it is an agency id, else EVN-7, else MSH-4, else None."""
    for name, number, component in (("PV1", 3, 4), ("EVN", 7, 1), ("MSH", 4, 1)):
        segment = message.first(name)
        found = agency(segment.raw_value(number, 1, component).strip()) if segment is not None else None
        if found is not None:
            return found
    return None


def sender_of(message: Message) -> str:
    """Give `MSH-3|MSH-4`: the names (or else the universal ids) of the sending application and facility."""
    header = message.segments[0]
    parts = (header.raw_value(number) or header.raw_value(number, 1, 2) for number in (3, 4))
    return "|".join(message.text(part).strip() for part in parts)
