"""Obey a StructureDefinition: cardinality, fixed and pattern values of elements that are no slices. It must never quote content in an issue."""

from collections.abc import Iterator
from typing import Any

from fhir_profiles.elements import as_object, as_objects, as_text
from fhir_profiles.shapes import Issue, Json, Severity


def members(parent: Json, name: str) -> tuple[Any, ...]:
    """Give the values of one element: a list has many, `value[x]` has whatever type it was given."""
    if name.endswith("[x]"):
        stem = name[:-3]
        keys = [key for key in parent if key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper()]
        return tuple(parent[key] for key in keys)
    value = parent.get(name)
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def _parents(resource: Json, path: list[str]) -> Iterator[tuple[str, Json]]:
    """Give every object that stands at a path, with its place (`Composition.section[2]`)."""
    level = [(path[0], resource)]
    for name in path[1:]:
        level = [
            (f"{place}.{name}[{number}]", item)
            for place, parent in level
            for number, item in enumerate(members(parent, name))
            if isinstance(item, dict)
        ]
    yield from level


def holds_pattern(value: Any, pattern: Any) -> bool:
    """Say whether a value has everything that a pattern has (ElementDefinition.pattern[x])."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(holds_pattern(value.get(key), item) for key, item in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(holds_pattern(v, item) for v in value) for item in pattern)
    return bool(value == pattern)


def _value_faults(element: Json, values: tuple[Any, ...]) -> Iterator[str]:
    for key, wanted in element.items():
        if key.startswith("fixed") and any(value != wanted for value in values):
            yield "not the value that the profile fixes"
        if key.startswith("pattern") and not all(holds_pattern(value, wanted) for value in values):
            yield "without what the profile asks of it"


def breaches(resource: Json, elements: Any) -> Iterator[Issue]:
    """Give what in a resource breaks the elements of a differential or snapshot; slices are passed over."""
    for element in as_objects(elements):
        path = as_text(element.get("path")).split(".")
        if len(path) < 2 or ":" in as_text(element.get("id")) or "sliceName" in element:
            continue
        for place, parent in _parents(resource, path[:-1]):
            values = members(parent, path[-1])
            faults = list(_value_faults(element, values))
            if len(values) < int(element.get("min", 0)):
                faults.append("missing: the profile requires it")
            if as_text(element.get("max")).isdigit() and len(values) > int(element["max"]):
                faults.append("the profile allows fewer")
            for fault in faults:
                yield Issue(severity=Severity.ERROR, code="invariant", path=f"{place}.{path[-1]}", text=fault)


def elements_of(definition: Json) -> tuple[Json, ...]:
    """Give the elements of the differential."""
    return as_objects(as_object(definition.get("differential")).get("element"))
