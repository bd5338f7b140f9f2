"""Tolerant reading of FHIR JSON for facts and letters. It must never raise on a malformed element, and never change what it reads."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from fhir_profiles.shapes import Json

ENTERED_IN_ERROR: Final = "entered-in-error"


def as_object(value: Any) -> Json:
    """Give the value when it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> tuple[Json, ...]:
    """Give the JSON objects of a list, or the object itself as a list of one."""
    if isinstance(value, dict):
        return (value,)
    return tuple([item for item in value if isinstance(item, dict)]) if isinstance(value, (list, tuple)) else ()


def as_text(value: Any) -> str:
    """Give the string without surrounding blanks; anything else is empty."""
    return value.strip() if isinstance(value, str) else ""


def kind(resource: Json) -> str:
    value = resource.get("resourceType")
    return value.strip() if isinstance(value, str) else ""


def name_of(resource: Json) -> str:
    """Give `Type/id`."""
    return f"{kind(resource)}/{as_text(resource.get('id'))}"


class File(tuple[Json, ...]):  # noqa: SLOT001  its indexes are made when they are first asked for
    """Well-formed resources, each name once: types and names are read once, however many facts are asked of them."""

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        return tuple(map(kind, self))

    @cached_property
    def by_type(self) -> dict[str, tuple[Json, ...]]:
        found: dict[str, list[Json]] = {}
        for resource, type_name in zip(self, self.kinds, strict=True):
            found.setdefault(type_name, []).append(resource)
        return {type_name: tuple(held) for type_name, held in found.items()}

    @cached_property
    def by_name(self) -> dict[str, Json]:
        return {name_of(resource): resource for resource in self}


def well_formed(resources: Iterable[Any]) -> File:
    """Give the resources that have a type and an id, the last version of each where one appears twice, in order of first appearance."""
    if isinstance(resources, File):
        return resources
    found: dict[str, Json] = {}
    for resource in resources:
        if isinstance(resource, dict) and (type_name := kind(resource)) and (own := as_text(resource.get("id"))):
            found[f"{type_name}/{own}"] = resource
    return File(found.values())


def of_type(resources: Iterable[Json], *types: str) -> tuple[Json, ...]:
    if isinstance(resources, File):
        if len(types) == 1:
            return resources.by_type.get(types[0], ())
        return tuple([resource for resource, held in zip(resources, resources.kinds, strict=True) if held in types])
    return tuple(resource for resource in resources if kind(resource) in types)


def codings(concepts: Any) -> Iterator[Json]:
    """Give every Coding of a CodeableConcept or of a list of them."""
    for concept in as_objects(concepts):
        yield from as_objects(concept.get("coding"))


def codes(concepts: Any, system: str) -> tuple[str, ...]:
    """Give the codes of one system in a CodeableConcept or a list of them."""
    return tuple(
        as_text(c.get("code")) for c in codings(concepts) if c.get("system") == system and as_text(c.get("code"))
    )


def words_of(concept: Any) -> str:
    """Give what a person reads: the text of a CodeableConcept, else its first display, else its first code."""
    for item in as_objects(concept):
        text = as_text(item.get("text"))
        if text:
            return text
    for member in ("display", "code"):
        for coding in codings(concept):
            if as_text(coding.get(member)):
                return as_text(coding.get(member))
    return ""


def every_coding(value: Any) -> Iterator[Json]:
    """Give every object below `value` that has a system and a code, wherever it stands."""
    if isinstance(value, dict):
        if isinstance(value.get("system"), str) and isinstance(value.get("code"), str):
            yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        if isinstance(item, (dict, list)):
            yield from every_coding(item)


def referenced(reference: Any) -> str:
    """Give `Type/id` of a Reference (versions left off), or an empty string."""
    text = as_text(as_object(reference).get("reference"))
    return text.split("/_history/")[0]


def literal_references(value: Any) -> list[str]:
    """Give the `reference` of every Reference below `value`, as it is written."""
    found: list[str] = []
    waiting: list[Any] = [[value]]
    for item in waiting:  # grows while it is read
        held = item
        if isinstance(item, dict):
            literal = item.get("reference")
            if isinstance(literal, str):
                found.append(literal)
            held = item.values()
        for inner in held:
            if type(inner) is not str and isinstance(inner, (dict, list)):
                waiting.append(inner)  # noqa: PERF401  a comprehension for each object costs more
    return found


def find(resources: Sequence[Json], reference: Any) -> Json | None:
    """Give the resource that a Reference names among `resources`, or None."""
    wanted = referenced(reference)
    if isinstance(resources, File):
        return resources.by_name.get(wanted)
    return next((resource for resource in resources if wanted and name_of(resource) == wanted), None)


def identifier_value(identifiers: Any, system: str) -> str:
    """Give the value of the first Identifier of a system that has not ended, or an empty string."""
    for identifier in as_objects(identifiers):
        ended = as_text(as_object(identifier.get("period")).get("end"))
        if identifier.get("system") == system and as_text(identifier.get("value")) and not ended:
            return as_text(identifier.get("value"))
    return ""


def in_error(resource: Json) -> bool:
    """Say whether a resource was entered in error: such a one is no fact and goes into no letter."""
    if as_text(resource.get("status")) == ENTERED_IN_ERROR:
        return True
    return any(as_text(c.get("code")) == ENTERED_IN_ERROR for c in codings(resource.get("verificationStatus")))
