"""Elements that can turn round what a resource says: what FHIR R4 marks as modifiers (`isModifier` in the StructureDefinitions of 4.0.1).

An agreement leaves out what it does not list. INVARIANT: of these none is left out alone while the rest goes, unless it says what also holds without it.
Modifier extensions and implicit rules are not here: no agreement can let them leave (consent/paths.py). Structure alone: it knows no clinical code.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from consent.paths import Node
from consent.reading import text
from consent.shapes import Json

_NOTHING: Final[frozenset[object]] = frozenset()
"""No value of it says what also holds without it: it leaves with the rest, or the rest stays."""
_NO: Final[frozenset[object]] = frozenset({False})
_YES: Final[frozenset[object]] = frozenset({True})

MODIFIERS: Final[Mapping[str, Mapping[str, frozenset[object]]]] = {
    "AllergyIntolerance": {"clinicalStatus": _NOTHING, "verificationStatus": _NOTHING},
    "Appointment": {"status": _NOTHING},
    "BodyStructure": {"active": _YES},
    "CarePlan": {"status": _NOTHING, "intent": _NOTHING},
    "CareTeam": {"status": _NOTHING},
    "Communication": {"status": _NOTHING},
    "Composition": {"status": _NOTHING},
    "Condition": {"clinicalStatus": _NOTHING, "verificationStatus": _NOTHING},
    "Consent": {"status": _NOTHING, "scope": _NOTHING},
    "Device": {"status": _NOTHING},
    "DiagnosticReport": {"status": _NOTHING},
    "DocumentReference": {"status": _NOTHING},
    "Encounter": {"status": _NOTHING},
    "Endpoint": {"status": _NOTHING},
    "EpisodeOfCare": {"status": _NOTHING},
    "FamilyMemberHistory": {"status": _NOTHING},
    "Flag": {"status": _NOTHING},
    "Goal": {"lifecycleStatus": _NOTHING},
    "HealthcareService": {"active": _YES},
    "ImagingStudy": {"status": _NOTHING},
    "Immunization": {"status": _NOTHING, "isSubpotent": _NO},
    "List": {"status": _NOTHING, "mode": _NOTHING},
    "Location": {"status": frozenset({"active"})},
    "MeasureReport": {"status": _NOTHING},
    "Medication": {"status": frozenset({"active"})},
    "MedicationAdministration": {"status": _NOTHING},
    "MedicationDispense": {"status": _NOTHING},
    "MedicationRequest": {"status": _NOTHING, "intent": _NOTHING, "doNotPerform": _NO},
    "MedicationStatement": {"status": _NOTHING},
    "Observation": {"status": _NOTHING},
    "Organization": {"active": _YES},
    "Patient": {"active": _YES, "deceasedBoolean": _NO, "deceasedDateTime": _NOTHING, "link": _NOTHING},
    "Procedure": {"status": _NOTHING},
    "QuestionnaireResponse": {"status": _NOTHING},
    "RelatedPerson": {"active": _YES},
    "RequestGroup": {"status": _NOTHING, "intent": _NOTHING},
    "Schedule": {"active": _YES},
    "ServiceRequest": {"status": _NOTHING, "intent": _NOTHING, "doNotPerform": _NO},
    "Specimen": {"status": frozenset({"available"})},
    "Subscription": {"status": _NOTHING},
    "Task": {"status": _NOTHING},
}
"""Type -> its modifiers as they stand in JSON -> the values that say what also holds without the element."""
INSIDE: Final[Mapping[str, Mapping[str, frozenset[object]]]] = {
    "CarePlan.activity.detail": {"status": _NOTHING, "doNotPerform": _NO},
    "Group.characteristic": {"exclude": _NO},
    "List.entry": {"deleted": _NO},
}
"""The same of elements of a resource."""
_USE: Final[frozenset[object]] = frozenset(
    ["usual", "official", "secondary", "nickname", "home", "work", "billing", "mobile"]
)
_ANYWHERE: Final[Mapping[str, frozenset[object]]] = {"use": _USE, "comparator": _NOTHING}
"""The same of data types: Identifier, HumanName, Address and ContactPoint (an old or temporary one is none that holds), Quantity (`<` of a value)."""
_NAMES: Final = frozenset(_ANYWHERE).union(*INSIDE.values())
_OF_THE_SAME: Final = frozenset({"seealso", "replaces"})
"""Kinds of Patient.link that do not send the reader to another record."""


def left_out(resource: Json, tree: Node) -> str:
    """A modifier of the resource itself that turns it and that an agreement (its paths as a tree) does not let leave with the rest of it; empty
    where there is none. A type of which it lets nothing leave has no rest.
    """
    kind = text(resource, "resourceType")
    node = tree.child(kind)
    if node is None:
        return ""
    for name, harmless in MODIFIERS.get(kind, {}).items():
        if name in resource and node.child(name) is None and not _says_nothing(name, resource[name], harmless):
            return f"{kind}.{name}"
    return ""


def left_out_of(path: str, before: Json, made: Json) -> str:
    """The same of an element at a path: what stood in it, and what is left of it."""
    if _NAMES.isdisjoint(before):
        return ""
    own = INSIDE.get(path, {})
    for name in before.keys() - made.keys():
        harmless = own.get(name, _ANYWHERE.get(name))
        if harmless is not None and not _says_nothing(name, before[name], harmless):
            return name
    return ""


def unlisted(tree: Node) -> tuple[str, ...]:
    """The modifiers without which nothing of their type could ever leave, and that an agreement does not let leave; sorted."""
    return tuple(sorted(_unlisted(tree)))


def _unlisted(root: Node) -> Iterator[str]:
    for kind, node in root.children.items():
        for name, harmless in MODIFIERS.get(kind, {}).items():
            if not harmless and kind != "Patient" and node.child(name) is None:
                yield f"{kind}.{name}"
    for path, held in INSIDE.items():
        within: Node | None = root
        whole = False
        for step in path.split("."):
            within = within.child(step) if within is not None else None
            whole = whole or (within is not None and within.whole)
        if within is not None and not whole:
            yield from (f"{path}.{name}" for name, none in held.items() if not none and within.child(name) is None)


def _says_nothing(name: str, value: Any, harmless: frozenset[object]) -> bool:
    if name == "link":
        return isinstance(value, list) and all(
            isinstance(one, dict) and one.get("type") in _OF_THE_SAME for one in value
        )
    return isinstance(value, (bool, str)) and value in harmless
