"""Whom FHIR content is about that brings no Patient: the one person whom its resources name by NHS number or prison number.

It must never choose between two people: what names more than one number of a kind names nobody here, and the message is held.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fhir_profiles.fhir_message import PERSON_SYSTEMS, object_of, person_identifiers, text_of
from fhir_profiles.file_types import MAY_SAY, SUBJECTS
from fhir_profiles.mappings.fhir_naming import Part
from fhir_profiles.shapes import Json, PersonIdentifier

PLACE: Final = "(person)"
"""The path of the Part that stands for a person who is only named: no place in the message."""
_OWN_ID: Final = re.compile(r"(?:^|/)Patient/([A-Za-z0-9.\-]{1,64})$")


@dataclass(frozen=True, kw_only=True)
class NamedPerson:
    """The person as a Part (none when nobody is named), and the identifiers with the places where they stand."""

    parts: tuple[Part, ...] = ()
    persons: tuple[PersonIdentifier, ...] = ()


def named_person(parts: Sequence[Part]) -> NamedPerson:
    """Find the person whom the resources name. Two numbers of one kind are both given: the caller holds the message for them."""
    found: dict[tuple[str, str], PersonIdentifier] = {}
    literal: set[str] = set()
    for place, subject in _subjects(parts):
        literal.add(text_of(subject.get("reference")))
        identifier = object_of(subject.get("identifier"))
        if text_of(identifier.get("system")) in PERSON_SYSTEMS:
            for one in person_identifiers({"identifier": [identifier]}, place):
                found.setdefault((one.system, one.value), replace(one, path=f"{place}.identifier"))
    if not found:
        return NamedPerson()
    persons = tuple(found.values())
    resource: Json = {
        "resourceType": "Patient",
        "identifier": [{"system": one.system, "value": one.value} for one in persons],
    }
    names = literal - {""}
    name = next(iter(names)) if len(names) == 1 else ""  # several: they may be several people, and lead to nobody here
    own = _OWN_ID.search(name)
    if own is not None:
        resource["id"] = own[1]
    return NamedPerson(parts=(Part(path=PLACE, url=name, holder="", resource=resource),), persons=persons)


def _subjects(parts: Sequence[Part]) -> Iterator[tuple[str, Json]]:
    for part in parts:
        name = SUBJECTS.get(part.kind) or MAY_SAY.get(part.kind)
        if name is not None and name in part.resource:
            yield f"{part.path}.{name}", object_of(part.resource[name])
