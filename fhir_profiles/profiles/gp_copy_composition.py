"""Profile gp-copy-composition: what the general practice's copy of a handover holds, and under which headings (from UK Core Composition)."""

from collections.abc import Iterator
from typing import Any, Final

from fhir_profiles.profiles import handover_composition
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json

ALWAYS: Final = (
    "risk-information",
    "active-medications",
    "treatments-and-interventions",
    "allergies-and-adverse-reaction",
)
"""Headings that no copy is without, whatever stands under them: risk, medicines, the last dose, allergies."""
NEVER: Final = frozenset({"test-result", "assessment-scales"})


def build(**parts: Any) -> Json:
    """Write the Composition from the same parts as a handover's."""
    return {**handover_composition.build(**parts), "id": "gp-copy"}


def _rules(composition: Json) -> Iterator[Fault]:
    yield from handover_composition.section_faults(composition, ALWAYS)
    for heading in sorted(NEVER & handover_composition.headings_of(composition)):
        yield "Composition.section", f"section {heading} is the treatment provider's"


PROFILE: Final = Profile(name="gp-copy-composition", resource_type="Composition", rules=_rules)
