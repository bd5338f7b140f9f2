"""Profile transfer-composition: what a handover to another prison holds, and under which headings (from UK Core Composition)."""

from collections.abc import Iterator
from typing import Any, Final

from fhir_profiles.profiles import handover_composition
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json

ALWAYS: Final = (*handover_composition.ALWAYS, "allergies-and-adverse-reaction", "plan-and-requested-actions")
"""Headings that none is without: the prison that receives a person prescribes on the day, and goes on with the plan."""


def build(**parts: Any) -> Json:
    """Write the Composition from the same parts as a handover's."""
    return {**handover_composition.build(**parts), "id": "transfer"}


def _rules(composition: Json) -> Iterator[Fault]:
    yield from handover_composition.section_faults(composition, ALWAYS)


PROFILE: Final = Profile(name="transfer-composition", resource_type="Composition", rules=_rules)
