"""Add the current dm+d code to a medicine that a FHIR message names by an earlier or brand code. It must never change what was sent."""

from fhir_profiles import systems, terminology
from fhir_profiles.fhir_message import object_of, objects_of
from fhir_profiles.shapes import Json

_HOLDERS = {
    "MedicationRequest": "medicationCodeableConcept",
    "MedicationAdministration": "medicationCodeableConcept",
    "MedicationDispense": "medicationCodeableConcept",
    "MedicationStatement": "medicationCodeableConcept",
    "Medication": "code",
}


def normalise_medicines(resources: list[Json]) -> list[Json]:
    """Give the resources with the current code as one more coding where the formulary knows an older one; others are the same objects."""
    return [_normalised(resource) for resource in resources]


def _normalised(resource: Json) -> Json:
    name = _HOLDERS.get(resource["resourceType"], "")
    concept = object_of(resource.get(name))
    codings = objects_of(concept.get("coding") or [])
    coded = [
        coding for coding in codings if coding.get("code") and coding.get("system") in (systems.SNOMED, systems.DMD)
    ]
    # Only the codes are asked: a display that names another product than its code would be believed otherwise.
    product = (
        terminology.product({"coding": [{"system": c["system"], "code": c["code"]} for c in coded]}) if coded else None
    )
    if product is None or any(coding.get("code") == product.code for coding in coded):
        return resource
    added = {"system": systems.SNOMED, "code": product.code, "display": product.name}
    return {**resource, name: {**concept, "coding": [*codings, added]}}
