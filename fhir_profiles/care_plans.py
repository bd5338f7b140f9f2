"""Which CarePlan is the substance misuse care plan (DESIGN section 6): its category, what it addresses, or its title says so."""

from collections.abc import Sequence

from fhir_profiles.elements import as_objects, as_text, find
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import is_substance_misuse_care_plan


def is_substance_misuse_plan(plan: Json, resources: Sequence[Json]) -> bool:
    """Say whether terminology knows the plan's category, a problem that it addresses (in `resources` or by display), or its title."""
    concepts = list(as_objects(plan.get("category")))
    for reference in as_objects(plan.get("addresses")):
        concepts += as_objects((find(resources, reference) or {}).get("code"))
        concepts.append({"text": as_text(reference.get("display"))})
    return is_substance_misuse_care_plan(concepts, as_text(plan.get("title")))
