"""What a message means for the line by what it brings, beside its own event: an assessment, a referral, a positive mandatory test, words for an ACCT.

Pure. It must never read who sent the message, nor say who may know. INVARIANT: what was entered in error starts nothing but a referral's end.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles import systems
from fhir_profiles.drug_tests import assays_of, is_drug_test, is_mandatory, reports_by_observation
from fhir_profiles.elements import codes, in_error, kind, name_of, of_type, well_formed
from fhir_profiles.referrals import is_referral
from fhir_profiles.shapes import Event, Json

_SCORES: Final = frozenset({"survey", "social-history"})


def assessments(resources: Sequence[Json]) -> tuple[Json, ...]:
    """The forms that were filled in, and the scores: no drug test."""
    return tuple(each for each in well_formed(resources) if _is_assessment(each) and not in_error(each))


def _is_assessment(resource: Json) -> bool:
    if kind(resource) == "QuestionnaireResponse":
        return True
    scored = kind(resource) == "Observation" and not is_drug_test(resource)
    return scored and bool(_SCORES & set(codes(resource.get("category"), systems.OBSERVATION_CATEGORY)))


def clinical_results(resources: Sequence[Json]) -> tuple[Json, ...]:
    """The drug tests that are no mandatory ones, and the reports on them."""
    file = well_formed(resources)
    reports = reports_by_observation(file)
    tests = tuple(
        each
        for each in of_type(file, "Observation")
        if is_drug_test(each, reports.get(name_of(each), ()))
        and not is_mandatory(each, reports.get(name_of(each), ()))
        and not in_error(each)
    )
    listed = {name_of(report) for test in tests for report in reports.get(name_of(test), ())}
    return (*tests, *(each for each in of_type(file, "DiagnosticReport") if name_of(each) in listed))


def mandatory_positives(resources: Sequence[Json]) -> tuple[Json, ...]:
    """The mandatory drug tests that found something."""
    file = well_formed(resources)
    reports = reports_by_observation(file)
    return tuple(
        each
        for each in of_type(file, "Observation")
        if is_mandatory(each, reports.get(name_of(each), ()))
        and not in_error(each)
        and any(assay.result == "positive" for assay in assays_of(each, reports.get(name_of(each), ())))
    )


def referrals(resources: Sequence[Json]) -> tuple[Json, ...]:
    return tuple(each for each in well_formed(resources) if is_referral(each))


def acct_words(resources: Sequence[Json]) -> tuple[Json, ...]:
    """What a clinician wrote for an ACCT review, and meant for it."""
    return tuple(
        each
        for each in of_type(well_formed(resources), "Communication")
        if "acct-contribution" in codes(each.get("category"), systems.COMMUNICATION_KIND) and not in_error(each)
    )


_BY_CONTENT: Final = {
    Event.ASSESSMENT: assessments,
    Event.REFERRAL: referrals,
    Event.MANDATORY_POSITIVE: mandatory_positives,
    Event.ACCT_REVIEW: acct_words,
}


def events_of(brought: Sequence[Json]) -> frozenset[Event]:
    """Give the events that what a message brought means."""
    return frozenset(event for event, found in _BY_CONTENT.items() if found(brought))
