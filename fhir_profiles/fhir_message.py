"""A FHIR message Bundle as the bytes have it: its header, its entries, whom and where it names. It must never change or judge the content.

Tolerant: nothing here is validated yet, so every element may be missing or of the wrong type. Source: http://hl7.org/fhir/R4/messaging.html.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.identifiers import (
    nhs_number_is_valid,
    normal_nhs_number,
    normal_prison_number,
    prison_number_is_valid,
)
from fhir_profiles.shapes import Json, PersonIdentifier

KIND: Final = "fhir-message"
_AGENCY: Final = re.compile(r"[A-Z]{3}")
PERSON_SYSTEMS: Final = frozenset({systems.NHS_NUMBER, systems.PRISON_NUMBER})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the Bundle: its place (`Bundle.entry[2].resource`), its fullUrl or an empty text, its resource."""

    path: str
    url: str
    resource: Json

    @property
    def kind(self) -> str:
        return text_of(self.resource.get("resourceType"))


def text_of(value: Any) -> str:
    """Give a string without surrounding blanks; anything else is empty."""
    return value.strip() if isinstance(value, str) else ""


def object_of(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[Json]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def entries_of(bundle: Json) -> tuple[Entry, ...]:
    """Give the entries that have a resource, in order, with their places in the Bundle."""
    entries = bundle.get("entry")
    found = []
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        resource = object_of(entry).get("resource")
        if isinstance(resource, dict):
            url = text_of(entry.get("fullUrl"))
            found.append(Entry(path=f"Bundle.entry[{position}].resource", url=url, resource=resource))
    return tuple(found)


def header_of(entries: tuple[Entry, ...]) -> Entry | None:
    """Give the MessageHeader when the message begins with it."""
    first = entries[0] if entries and entries[0].path == "Bundle.entry[0].resource" else None
    return first if first is not None and first.kind == "MessageHeader" else None


def header_id(header: Entry) -> str:
    """Give MessageHeader.id, else the last part of its fullUrl."""
    return text_of(header.resource.get("id")) or re.split(r"[:/]", header.url)[-1]


def bundle_id(bundle: Json, header: Entry) -> str:
    """Give Bundle.id, else Bundle.identifier.value, else the id of the header."""
    return text_of(bundle.get("id")) or text_of(object_of(bundle.get("identifier")).get("value")) or header_id(header)


def sender_of(header: Entry) -> str:
    """Give MessageHeader.source.endpoint: who sends, as the standard names it."""
    return text_of(object_of(header.resource.get("source")).get("endpoint"))


def event_of(header: Entry) -> str:
    """Give eventCoding as `system|code`, else eventUri, as it was sent."""
    coding = object_of(header.resource.get("eventCoding"))
    if text_of(coding.get("code")):
        return f"{text_of(coding.get('system'))}|{text_of(coding.get('code'))}"
    return text_of(header.resource.get("eventUri"))


def person_identifiers(patient: Json, path: str) -> tuple[PersonIdentifier, ...]:
    """Give the NHS numbers and prison numbers of a Patient, normalised; one that was marked old does not count."""
    found: dict[tuple[str, str], PersonIdentifier] = {}
    items = patient.get("identifier")
    for position, identifier in enumerate(items if isinstance(items, list) else ()):
        item = object_of(identifier)
        system, written = text_of(item.get("system")), text_of(item.get("value"))
        if system not in PERSON_SYSTEMS or not written or item.get("use") == "old":
            continue
        nhs = system == systems.NHS_NUMBER
        value = normal_nhs_number(written) if nhs else normal_prison_number(written)
        valid = nhs_number_is_valid(value) if nhs else prison_number_is_valid(value)
        place = f"{path}.identifier[{position}]"
        found.setdefault((system, value), PersonIdentifier(system=system, value=value, path=place, valid=valid))
    return tuple(found.values())


def agency_in(identifiers: Any) -> str:
    """Give the establishment (three capital letters) among identifiers, or an empty text."""
    for item in objects_of(identifiers):
        value = text_of(item.get("value"))
        if item.get("system") == systems.AGENCY and _AGENCY.fullmatch(value):
            return value
    return ""


def establishment_of(entries: tuple[Entry, ...]) -> str | None:
    """Give the establishment that a message names: its sender, else an Encounter, else our extension, else the one organisation that is one."""
    header = header_of(entries)
    places = [object_of(header.resource.get(name)) for name in ("sender", "responsible")] if header is not None else []
    encounters = [entry.resource for entry in entries if entry.kind == "Encounter"]
    places += [object_of(encounter.get("serviceProvider")) for encounter in encounters]
    places += [
        object_of(stay.get("location")) for encounter in encounters for stay in objects_of(encounter.get("location"))
    ]
    for place in places:
        found = establishment_named(place, entries)
        if found:
            return found
    marked = {
        agency_in(extension.get("valueIdentifier"))
        for entry in entries
        for extension in objects_of(entry.resource.get("extension"))
        if extension.get("url") == systems.ESTABLISHMENT_EXTENSION
    } - {""}
    named = {
        agency_in(entry.resource.get("identifier")) for entry in entries if entry.kind in ("Organization", "Location")
    } - {""}
    return next((next(iter(found)) for found in (marked, named) if len(found) == 1), None)


def establishment_named(place: Json, entries: tuple[Entry, ...]) -> str:
    """Give the establishment that a reference is to, by its identifier or that of the entry that it leads to; empty where it is none."""
    return agency_in(place.get("identifier")) or agency_in(_referred(place, entries).get("identifier"))


def _referred(reference: Json, entries: tuple[Entry, ...]) -> Json:
    wanted = text_of(reference.get("reference"))
    return next((resource for url, resource in _names(entries) if url and url == wanted), {})


def _names(entries: tuple[Entry, ...]) -> Iterator[tuple[str, Json]]:
    for entry in entries:
        yield entry.url, entry.resource
        yield f"{entry.kind}/{text_of(entry.resource.get('id'))}", entry.resource
