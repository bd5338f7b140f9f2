"""What the references of a FHIR message lead to, and which ids its resources have with us. It must never merge two things of a message.

Inside a translated bundle the person is `Patient/patient` and everything else `Type/<stable id>` (fhir_profiles/ids.py). A stable id is made
from the sender and the resource's own id; where the fullUrl is a urn (so that the id is new with every message), from its business
identifier when it has one that no other resource of its type in the message has. A prescription of the Electronic Prescription Service has a
number that is the same whoever speaks of it: it alone names it, so that a cancellation by somebody else, or a dispense, means that one.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fhir_profiles.fhir_message import Entry, object_of, objects_of, text_of
from fhir_profiles.ids import PATIENT_ID, PATIENT_REFERENCE, reference, stable_id
from fhir_profiles.shapes import Json

_TYPE_AND_ID: Final = re.compile(
    r"(?:^|/)([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?$"
)
_EVERYBODYS: Final = frozenset({"https://fhir.nhs.uk/Id/prescription-order-item-number"})
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""An item number is a UUID; anything else under that system is the sender's own, and names nothing of another's."""
_NOT_LASTING: Final = frozenset({"old", "temp", "secondary"})


class Lead(StrEnum):
    """Where a reference leads: the person, a resource of ours, another person, or nowhere."""

    PERSON = "person"
    RESOURCE = "resource"
    ANOTHER_PERSON = "another-person"
    NOWHERE = "nowhere"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The end of a reference: `text` is our own reference, empty where there is none; `carried` says that this message brings the resource,
    `lasting` that everybody names it by the same number, whoever brings it.
    """

    lead: Lead
    text: str = ""
    carried: bool = False
    lasting: bool = False


_NOWHERE: Final = Target(lead=Lead.NOWHERE)
_PERSON: Final = Target(lead=Lead.PERSON, text=PATIENT_REFERENCE, carried=True)
_ANOTHER: Final = Target(lead=Lead.ANOTHER_PERSON)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One resource that a message brings: an entry, or a resource contained in one (`holder` is then the entry's place)."""

    path: str
    url: str
    holder: str
    resource: Json

    @property
    def kind(self) -> str:
        return text_of(self.resource.get("resourceType"))

    @property
    def own_id(self) -> str:
        return text_of(self.resource.get("id"))


def parts_of(entries: Sequence[Entry]) -> tuple[Part, ...]:
    """Give every entry, and after it what it contains."""
    parts = []
    for entry in entries:
        parts.append(Part(path=entry.path, url=entry.url, holder="", resource=entry.resource))
        for position, inner in enumerate(objects_of(entry.resource.get("contained") or [])):
            parts.append(Part(path=f"{entry.path}.contained[{position}]", url="", holder=entry.path, resource=inner))
    return tuple(parts)


class Naming:
    """The names of one message's parts. `person` is the message's Patient; contained Patients are named only when `same_person` says so."""

    def __init__(
        self, sender: str, parts: Sequence[Part], person: Part, aliases: frozenset[str], carried: frozenset[str]
    ) -> None:
        self._sender = sender
        self._person = person
        self._aliases = aliases | {person.path}
        self._carried = carried
        self._by_path = {part.path: part for part in parts}
        self.ids = self._make_ids(parts)
        self._by_url = {part.url: part for part in parts if part.url}
        self._by_name = {f"{part.kind}/{part.own_id}": part for part in parts if part.own_id and not part.holder}
        self._local = {(part.holder, part.own_id): part for part in parts if part.holder and part.own_id}

    def _make_ids(self, parts: Sequence[Part]) -> dict[str, str]:
        names = {part.path: self._name(part) for part in parts}
        seen = Counter((part.kind, names[part.path]) for part in parts)
        spoken_of = Counter(everybodys_number(part.resource) for part in parts if not part.holder)
        ids = {}
        for part in parts:
            number = everybodys_number(part.resource)
            if number and (part.holder or spoken_of[number] == 1):
                ids[part.path] = stable_id(part.kind, "everybody", number)
                continue
            name = names[part.path]
            if seen[part.kind, name] > 1:
                # INVARIANT: two resources of one message never get the same id: the later would silently replace the earlier.
                name = ("own", part.holder and self._by_path[part.holder].own_id, part.url, part.own_id or part.path)
            ids[part.path] = PATIENT_ID if part.path in self._aliases else stable_id(part.kind, self._sender, *name)
        return ids

    def _name(self, part: Part) -> tuple[str, ...]:
        if part.holder:
            holder = self._by_path[part.holder]
            return ("contained", holder.kind, *self._name(holder), part.own_id or part.path)
        lasting = part.own_id and not part.url.startswith("urn:")
        identifier = None if lasting else _business_identifier(part.resource)
        if identifier is not None:
            return ("identifier", *identifier)
        return (part.own_id,) if part.own_id else ("url", part.url or part.path)

    def name_of(self, part: Part) -> str:
        """Give `Type/id` of a part."""
        return reference(part.kind, self.ids[part.path])

    def target(self, text: str, holder: str) -> Target:
        """Say where a reference leads that stands in a resource of the entry `holder`."""
        if text.startswith("#"):
            part = self._by_path.get(holder) if text == "#" else self._local.get((holder, text[1:]))
            return self._to(part) if part is not None else _NOWHERE
        found = self._by_url.get(text)
        if found is not None:
            return self._to(found)
        named = _TYPE_AND_ID.search(text)
        if named is None or text.startswith("urn:"):
            return _NOWHERE
        kind, own_id = named[1], named[2]
        part = self._by_name.get(f"{kind}/{own_id}")
        if part is not None:
            return self._to(part)
        if kind == "Patient":
            return _ANOTHER
        return Target(lead=Lead.RESOURCE, text=reference(kind, stable_id(kind, self._sender, own_id)))

    def _to(self, part: Part) -> Target:
        if part.path in self._aliases:
            return _PERSON
        if part.kind == "Patient":
            return _ANOTHER
        return Target(
            lead=Lead.RESOURCE,
            text=self.name_of(part),
            carried=part.path in self._carried,
            lasting=bool(everybodys_number(part.resource)),
        )


def everybodys_number(resource: Json) -> str:
    """Give the number of a prescription line that names it for everybody, or an empty text."""
    if text_of(resource.get("resourceType")) != "MedicationRequest":
        return ""
    for item in objects_of(resource.get("identifier")):
        value = text_of(item.get("value"))
        if item.get("system") in _EVERYBODYS and _UUID.fullmatch(value):
            return value.lower()
    return ""


def _business_identifier(resource: Json) -> tuple[str, str] | None:
    """Give (system, value) of the first identifier that lasts."""
    for item in objects_of(resource.get("identifier")):
        system, value = text_of(item.get("system")), text_of(object_of(item).get("value"))
        if system and value and item.get("use") not in _NOT_LASTING:
            return system, value
    return None
