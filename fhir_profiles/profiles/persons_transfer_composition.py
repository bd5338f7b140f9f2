"""Profile persons-transfer-composition: what the person's own copy of a handover on transfer holds, and what it never does (from UK Core Composition)."""

from collections.abc import Iterator
from typing import Any, Final

from fhir_profiles.profiles import handover_composition, persons_handover_composition
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json

ALWAYS: Final = ("active-medications", "treatments-and-interventions")
"""Headings that no copy is without, whatever stands under them: the medicine, the last dose."""
NEVER: Final = persons_handover_composition.NEVER | {"appointment", "plan-and-requested-actions"}


def build(*, title: str, **parts: Any) -> Json:
    """Write the Composition from the same parts as a handover's, under a title that is the person's in any case."""
    return {**handover_composition.build(title=title, **parts), "id": "persons-transfer", "title": title}


def _rules(composition: Json) -> Iterator[Fault]:
    yield from handover_composition.section_faults(composition, ALWAYS)
    for heading in sorted(NEVER & handover_composition.headings_of(composition)):
        yield "Composition.section", f"section {heading} is not for the person's hands"


PROFILE: Final = Profile(name="persons-transfer-composition", resource_type="Composition", rules=_rules)
