"""Acute hazards in test results: a substance that kills in amounts nobody sees (`terminology/acute_hazards.csv`), found and not prescribed.

One such result is reason to warn people today, whoever it is about and for whatever purpose the test was done. This module MUST NOT say who
is told: that is the gateway's, and it is never security by this way.
"""

from collections.abc import Collection, Sequence
from typing import Final

from fhir_profiles.days import Days, days_of
from fhir_profiles.drug_tests import NOT_DONE, reports_by_observation, result_of, taken
from fhir_profiles.elements import as_objects, as_text, in_error, name_of, of_type, well_formed
from fhir_profiles.in_force import span_of
from fhir_profiles.medicines import medication_concepts
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import is_acute_hazard

_MEDICATIONS: Final = ("MedicationRequest", "MedicationStatement", "MedicationAdministration")


def acute_hazards(resources: Sequence[Json], observations: Collection[str]) -> frozenset[str]:
    """Give those of `observations` (`Observation/<id>`) in a person's file that found an acute hazard which no medicine in force explains.

    Whatever the purpose and however sure the method: a screen that errs costs a warning, silence costs lives. What is not clearly positive
    is none, and so is a prescribed fentanyl on the day of the test.
    """
    file = well_formed(resources)
    reports = reports_by_observation(file)
    found = set()
    for observation in of_type(file, "Observation"):
        name = name_of(observation)
        if name not in observations or in_error(observation) or as_text(observation.get("status")) in NOT_DONE:
            continue
        day = days_of(taken(observation, reports.get(name, ())))
        if any(map(_is_found, _holders(observation))) and not _is_prescribed(file, day):
            found.add(name)
    return frozenset(found)


def _holders(observation: Json) -> tuple[Json, ...]:
    return (observation, *as_objects(observation.get("component")))


def _is_found(holder: Json) -> bool:
    return is_acute_hazard(holder.get("code") or {}) and result_of(holder) == "positive"


def _is_prescribed(file: Sequence[Json], day: Days | None) -> bool:
    """Say whether a medicine that is itself one of these substances was in force on that day, for certain."""
    return day is not None and any(
        span_of(medicine).covers(day) is True
        and any(is_acute_hazard(concept) for concept in medication_concepts(medicine, file))
        for medicine in of_type(file, *_MEDICATIONS)
    )
