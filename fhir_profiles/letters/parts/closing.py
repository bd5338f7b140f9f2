"""Closing a letter: what its resources refer to comes along or the reference goes. It must never leave a reference to what is not in the letter."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fhir_profiles.elements import find, name_of, referenced
from fhir_profiles.shapes import Json

FOLLOWED: Final = frozenset({"Medication", "Practitioner", "PractitionerRole", "Organization"})
"""Who and what a resource cannot be understood without. Nothing clinical is drawn in by a reference: a letter names what it holds."""


def references_in(value: Any) -> Iterator[str]:
    """Give every `Type/id` that stands in a Reference below `value`."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield referenced(value)
        for item in value.values():
            yield from references_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from references_in(item)


def with_followed(chosen: Sequence[Json], file: Sequence[Json]) -> tuple[Json, ...]:
    """Give the chosen resources, then the people, organisations and products that they name, each once."""
    held = {name_of(resource): resource for resource in chosen}
    waiting = list(chosen)
    while waiting:
        for reference in references_in(waiting.pop(0)):
            if reference.split("/")[0] in FOLLOWED and reference not in held:
                resource = find(file, {"reference": reference})
                if resource is not None:
                    held[reference] = resource
                    waiting.append(resource)
    return tuple(held.values())


def _pruned(value: Any, held: frozenset[str]) -> Any:
    """Copy a value without the literal references that lead out of the letter, and without what is empty thereby."""
    if isinstance(value, list):
        items = [_pruned(item, held) for item in value]
        return [item for item in items if item not in ({}, [])]
    if not isinstance(value, dict):
        return value
    leads_out = (
        isinstance(value.get("reference"), str)
        and not value["reference"].startswith("#")
        and referenced(value) not in held
    )
    kept = {key: _pruned(item, held) for key, item in value.items() if not (leads_out and key == "reference")}
    return {key: item for key, item in kept.items() if item not in ({}, [])}


def closed(resources: Sequence[Json]) -> tuple[Json, ...]:
    """Copy the resources of a letter with every reference inside the letter; a Reference keeps its identifier and display."""
    held = frozenset(name_of(resource) for resource in resources)
    return tuple(_pruned(resource, held) for resource in resources)
