"""Obey a StructureDefinition: cardinality, fixed and pattern values of elements that are no slices. It must never quote content in an issue."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_profiles.elements import as_object, as_objects, as_text
from fhir_profiles.shapes import Issue, Json, Severity


def members(parent: Json, name: str) -> Sequence[Any]:
    """Give the values of one element: a list has many, `value[x]` has whatever type it was given."""
    value = parent.get(name)
    if value is not None:
        return value if isinstance(value, list) else (value,)
    if name[-1] != "]":
        return ()
    stem = name[:-3]
    return [parent[key] for key in parent if key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper()]


@dataclass(frozen=True, kw_only=True)
class Element:
    """One element of a differential or snapshot, read once: where it stands (`parents` above it, its own name) and what it asks."""

    parents: tuple[str, ...]
    name: str
    least: int
    most: int
    fixed: tuple[Any, ...]
    patterns: tuple[Any, ...]


_Place = tuple[str, Json]
"""An object with where it stands (`Composition.section[2]`)."""


def _at(resource: Json, path: tuple[str, ...], known: dict[tuple[str, ...], list[_Place]]) -> list[_Place]:
    """Give every object that stands at a path; `known` remembers those of one resource."""
    if len(path) == 1:
        return [(path[0], resource)]
    found = known.get(path)
    if found is None:
        found = known[path] = [
            (f"{place}.{path[-1]}[{number}]", item)
            for place, parent in _at(resource, path[:-1], known)
            for number, item in enumerate(members(parent, path[-1]))
            if isinstance(item, dict)
        ]
    return found


def holds_pattern(value: Any, pattern: Any) -> bool:
    """Say whether a value has everything that a pattern has (ElementDefinition.pattern[x])."""
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return False
        for key, item in pattern.items():  # noqa: SIM110  a generator costs more than what it asks: every letter's profiles are asked
            if not holds_pattern(value.get(key), item):
                return False
        return True
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(holds_pattern(v, item) for v in value) for item in pattern)
    return bool(value == pattern)


def elements_in(stated: Any) -> tuple[Element, ...]:
    """Read the elements of a differential or snapshot; slices are passed over."""
    found = []
    for element in as_objects(stated):
        *parents, name = as_text(element.get("path")).split(".")
        if not parents or ":" in as_text(element.get("id")) or "sliceName" in element:
            continue
        most = as_text(element.get("max"))
        found.append(
            Element(
                parents=tuple(parents),
                name=name,
                least=int(element.get("min", 0)),
                most=int(most) if most.isdigit() else sys.maxsize,
                fixed=tuple(wanted for key, wanted in element.items() if key.startswith("fixed")),
                patterns=tuple(wanted for key, wanted in element.items() if key.startswith("pattern")),
            )
        )
    return tuple(found)


def _wrong(element: Element, values: Sequence[Any]) -> Iterator[str]:
    for wanted in element.fixed:
        if any(value != wanted for value in values):
            yield "not the value that the profile fixes"
    for wanted in element.patterns:
        if not all(holds_pattern(value, wanted) for value in values):
            yield "without what the profile asks of it"
    if len(values) < element.least:
        yield "missing: the profile requires it"
    if len(values) > element.most:
        yield "the profile allows fewer"


def faults(resource: Json, elements: tuple[Element, ...]) -> Iterator[tuple[str, str]]:
    """Give what in a resource breaks the elements of a differential or snapshot, in their order: (place, sentence)."""
    known: dict[tuple[str, ...], list[_Place]] = {}
    for element in elements:
        asks = element.fixed or element.patterns
        for place, parent in _at(resource, element.parents, known):
            values = members(parent, element.name)
            if not asks and element.least <= len(values) <= element.most:
                continue  # the usual case
            for sentence in _wrong(element, values):
                yield f"{place}.{element.name}", sentence


def breaches(resource: Json, elements: tuple[Element, ...]) -> Iterator[Issue]:
    """Give the same as issues."""
    for place, sentence in faults(resource, elements):
        yield issue_of(place, sentence)


def issue_of(place: str, sentence: str) -> Issue:
    return Issue(severity=Severity.ERROR, code="invariant", path=place, text=sentence)


def elements_of(definition: Json) -> tuple[Element, ...]:
    """Read the elements of the differential."""
    return elements_in(as_object(definition.get("differential")).get("element"))
