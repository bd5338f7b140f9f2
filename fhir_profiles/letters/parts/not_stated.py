"""What R4 and UK Core ask of a resource and its source did not say: said to be unknown. It must never say anything else in the source's place."""

from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, codings, kind
from fhir_profiles.shapes import Json

_UNKNOWN: Final = {"coding": [{"system": systems.DATA_ABSENT, "code": "unknown"}]}
_UNDETERMINED: Final = {"system": systems.BCP_47, "code": "und"}


def _language(concept: Any) -> Json:
    """Copy a language that has words only with the code for one that is not determined; the words stay (R4 binds it to BCP 47)."""
    language = as_object(concept)
    if any(coding.get("system") == systems.BCP_47 for coding in codings(language)):
        return language
    return {"coding": [*codings(language), _UNDETERMINED], **{k: v for k, v in language.items() if k != "coding"}}


def with_what_is_not_stated(resource: Json) -> Json:
    """Copy a prescription whose source is silent about substitution (UK Core MedicationRequest: 1..1), or a Patient with a language in words."""
    if kind(resource) == "MedicationRequest" and "substitution" not in resource:
        return {**resource, "substitution": {"allowedCodeableConcept": _UNKNOWN}}
    if kind(resource) == "Patient" and "communication" in resource:
        spoken = as_objects(resource["communication"])
        return {**resource, "communication": [{**one, "language": _language(one.get("language"))} for one in spoken]}
    return resource
