"""A concept as what is read of it, so that the same words and codes are looked up once. It must never add to what a concept says.

A concept is a CodeableConcept, a Coding or a text. Only codes, systems, texts and displays are kept: nothing else of one is ever read.
"""

from typing import Any, Final

from fhir_profiles.shapes import Json

_READ: Final = ("system", "code", "text", "display")
Coded = tuple[str, str, str, str]
Frozen = str | tuple[Coded, ...]
"""A text, or (system, code, text, display) of the concept itself and of each of its codings."""


def frozen(concept: Any) -> Frozen:
    """Give the concept as a value that can be looked up by."""
    if isinstance(concept, str):
        return concept
    codings = concept.get("coding")
    inner = [_coded(item) for item in codings if type(item) is dict] if type(codings) is list else []
    return (_coded(concept), *inner)


def _coded(each: Json) -> Coded:
    get = each.get
    system, code, text, display = get("system"), get("code"), get("text"), get("display")
    return (
        system if type(system) is str else "",
        code if type(code) is str else "",
        text if type(text) is str else "",
        display if type(display) is str else "",
    )


def thawed(concept: Frozen) -> Any:
    """Give back a concept that says the same."""
    if isinstance(concept, str):
        return concept
    first, *codings = [{key: value for key, value in zip(_READ, each, strict=True) if value} for each in concept]
    return {**first, "coding": codings} if codings else first
