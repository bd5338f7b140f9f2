"""Profile prescription-copy: a MedicationRequest that is a copy for information, and says so in itself (derived from UK Core MedicationRequest)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles.elements import as_object, as_objects, as_text
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json

MARK: Final = "Information only: not a prescription, not authority to supply."
_LEFT_OUT: Final = frozenset(
    {"reasonCode", "reasonReference", "supportingInformation", "encounter", "basedOn", "detectedIssue", "eventHistory"}
)
"""Elements that say why or whereto: the pharmacy does not need them."""
_ORDER_SYSTEMS: Final = frozenset(
    {"https://fhir.nhs.uk/Id/prescription-order-item-number", "https://fhir.nhs.uk/Id/prescription-order-number"}
)
"""Numbers by which the Electronic Prescription Service knows an order: a copy never carries one as its own."""


def build(request: Json) -> Json:
    """Copy a prescription with the mark as its first note. What it authorises stays as it was: nothing.

    UK Core asks every MedicationRequest whether a substitution is allowed; where the source is silent a copy says no, since it allows nothing.
    """
    copy = {key: value for key, value in request.items() if key not in _LEFT_OUT}
    copy["note"] = [{"text": MARK}, *as_objects(request.get("note"))]
    copy.setdefault("substitution", {"allowedBoolean": False})
    return copy


def _rules(request: Json) -> Iterator[Fault]:
    notes = as_objects(request.get("note"))
    if not notes or as_text(notes[0].get("text")) != MARK:
        yield "MedicationRequest.note[0]", "the first note is not the mark that this is no prescription"
    numbers = [*as_objects(request.get("identifier")), as_object(request.get("groupIdentifier"))]
    if any(as_text(number.get("system")) in _ORDER_SYSTEMS for number in numbers):
        yield "MedicationRequest.identifier", "a copy carries the number of an electronic order"


PROFILE: Final = Profile(name="prescription-copy", resource_type="MedicationRequest", rules=_rules)
