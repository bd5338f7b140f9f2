"""FHIR data types as HL7 v2 data types: the other way round of `mappings/datatypes.py`, and read back by it. It must never round or invent."""

from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codings, words_of
from fhir_profiles.shapes import Json
from fhir_profiles.wires.er7 import components, leaf

_SYSTEMS: Final = {
    systems.LOINC: "LN",
    systems.SNOMED: "SCT",
    systems.DMD: "DMD",
    systems.UCUM: "UCUM",
    systems.ODS: "ODS",
}


def code_system(uri: str) -> str:
    """Name a coding system as HL7 table 0396 does; one that is not in it keeps its URI."""
    if uri.startswith(systems.V2_TABLE):
        return "HL7" + uri.removeprefix(systems.V2_TABLE)
    return _SYSTEMS.get(uri, uri)


def concept(value: Any) -> str:
    """Write a CodeableConcept as a CWE: its first two codings, their versions, and the words that a person reads."""
    given = [each for each in codings(value) if as_text(each.get("code")) or as_text(each.get("display"))]
    if not given:
        return components("", words_of(value))
    first, second = (*given, {})[:2]
    parts = [part for each in (first, second) for part in _coding(each)]
    versions = [as_text(each.get("version")) for each in (first, second)]
    return components(*parts, *versions, words_of(value))


def _coding(value: Json) -> tuple[str, str, str]:
    return (
        as_text(value.get("code")),
        as_text(value.get("display")),
        code_system(as_text(value.get("system"))) if as_text(value.get("code")) else "",
    )


def unit(quantity: Any) -> str:
    """Write the unit of a Quantity as a CWE."""
    held = as_object(quantity)
    shown, code = as_text(held.get("unit")), as_text(held.get("code"))
    system = code_system(as_text(held.get("system")))
    if code and system == "UCUM":
        return components(code, shown if shown != code else "", system)
    return components(shown or code)


def order_number(identifiers: Any, kind: str) -> str:
    """Write the Identifier of type PLAC or FILL as an EI: its value, and the last part of its system."""
    for identifier in as_objects(identifiers):
        types = [as_text(each.get("code")) for each in codings(identifier.get("type"))]
        if kind in types and as_text(identifier.get("value")):
            _, _, namespace = as_text(identifier.get("system")).removeprefix(systems.LOCAL_ID).partition("/")
            return components(as_text(identifier.get("value")), namespace)
    return ""


def staff(reference: Any) -> str:
    """Write who a Reference names as an XCN: their number, and their name whole as the family name."""
    held = as_object(reference)
    value = as_text(as_object(held.get("identifier")).get("value"))
    display = as_text(held.get("display"))
    return components(value, display) if value or display else ""


def subcomponents(*values: str) -> str:
    """Write a component of subcomponents."""
    return "&".join(map(leaf, values)).rstrip("&")
