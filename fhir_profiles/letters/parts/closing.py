"""Closing a letter: what its resources refer to comes along or the reference goes. It must never leave a reference to what is not in the letter."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fhir_profiles.elements import find, name_of, referenced
from fhir_profiles.shapes import Json

FOLLOWED: Final = frozenset({"Medication", "Practitioner", "PractitionerRole", "Organization"})
"""Who and what a resource cannot be understood without. Nothing clinical is drawn in by a reference: a letter names what it holds."""


@dataclass(slots=True)
class _Read:
    """A resource read once: `references` are the `Type/id` of its literal references in their order, local ones left off."""

    resource: Json
    references: list[str] = field(default_factory=list)
    has_empty: bool = False


def _read(resource: Json) -> _Read:
    read = _Read(resource)
    _walk(resource, read)
    return read


def _walk(value: Any, read: _Read) -> None:
    held = value
    if isinstance(value, dict):
        if "reference" in value and _is_literal(value["reference"]):
            read.references.append(referenced(value))
        held = value.values()
    for item in held:
        if type(item) is not str and isinstance(item, (dict, list)):
            if item:
                _walk(item, read)
            else:
                read.has_empty = True


def _is_literal(reference: Any) -> bool:
    return isinstance(reference, str) and not reference.startswith("#")


def closed(chosen: Sequence[Json], file: Sequence[Json]) -> tuple[Json, ...]:
    """Give the chosen resources, then the people, organisations and products that they name, each once, and no reference that leads out.

    A Reference keeps its identifier and display. A resource from which nothing has to go is not copied.
    """
    waiting = [_read(resource) for resource in chosen]
    held = {name_of(one.resource): one for one in waiting}
    for one in waiting:  # grows while it is read
        for reference in one.references:
            if reference.split("/")[0] in FOLLOWED and reference not in held:
                resource = find(file, {"reference": reference})
                if resource is not None:
                    held[reference] = _read(resource)
                    waiting.append(held[reference])
    return tuple(
        _pruned(one.resource, held) if one.has_empty or not held.keys() >= set(one.references) else one.resource
        for one in held.values()
    )


def _pruned(value: Any, held: Container[str]) -> Any:
    """Copy an object or a list without the literal references that lead out of the letter, and without what is empty thereby."""
    if isinstance(value, list):
        items = [_pruned(item, held) if isinstance(item, (dict, list)) else item for item in value]
        return [item for item in items if item or not isinstance(item, (dict, list))]
    kept: Json = {}
    for key, item in value.items():
        if isinstance(item, (dict, list)):
            inner = _pruned(item, held)
            if inner:
                kept[key] = inner
        elif key != "reference" or not _is_literal(item) or referenced(value) in held:
            kept[key] = item
    return kept
