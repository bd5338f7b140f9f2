"""Reads FHIR JSON without trusting its shape. Nothing here raises on bad data and nothing here decides; what cannot be read is said to be unreadable."""

from typing import Any

from consent.shapes import Coding, Json


def objects(parent: Json, key: str) -> tuple[list[Json], bool]:
    """The objects under `key`, and whether all that stands there could be read as such. A lone object counts as a list of one.

    A key that is present but empty, null or of another shape is unreadable: it said something that we did not understand.
    """
    value = parent.get(key)
    if isinstance(value, dict):
        return [value], True
    if not isinstance(value, list):
        return [], key not in parent
    found = [item for item in value if isinstance(item, dict)]
    return found, bool(found) and len(found) == len(value)


def text(parent: Json, key: str) -> str:
    value = parent.get(key)
    return value if isinstance(value, str) else ""


def obj(parent: Json, key: str) -> Json:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def coding(item: Json) -> Coding:
    """An empty system or code stays empty: such a coding relates to nothing that is known."""
    return Coding(system=text(item, "system"), code=text(item, "code"))


def concept_codings(concept: Any) -> list[Coding]:
    """The codings of a CodeableConcept. One that has none is one coding that nobody can relate (`text` alone is no code)."""
    if not isinstance(concept, dict):
        return [Coding(system="", code="")]
    found, readable = objects(concept, "coding")
    codings = [coding(item) for item in found]
    if not codings or not readable:
        codings.append(Coding(system="", code=""))
    return codings


def identifiers(parent: Json, key: str = "identifier") -> list[tuple[str, str]]:
    """`(system, value)` of every whole identifier. Half an identifier identifies nobody."""
    found, _ = objects(parent, key)
    pairs = [(text(item, "system"), text(item, "value")) for item in found]
    return [pair for pair in pairs if pair[0] and pair[1]]


def label_of(resource: Json) -> str:
    """`Type/id`, or an empty string where a resource cannot be named."""
    kind, own = text(resource, "resourceType"), text(resource, "id")
    return f"{kind}/{own}" if kind and own else ""


def holds_key(resource: Json, name: str) -> bool:
    """Does this key stand anywhere inside?"""
    waiting: list[Any] = [resource]
    for item in waiting:  # grows while it is read
        held = item
        if isinstance(item, dict):
            if name in item:
                return True
            held = item.values()
        for inner in held:
            # Most of what there is is text: asked first, because it is the cheaper question.
            if type(inner) is not str and isinstance(inner, (dict, list)):
                waiting.append(inner)  # noqa: PERF401  a comprehension for each object costs more
    return False
