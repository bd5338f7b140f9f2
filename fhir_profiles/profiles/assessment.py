"""Profile assessment: the notice around forms, scores and clinical results that were recorded in prison (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "assessment"
CARE_ONLY: Final = (
    "For care only: a clinical result is never used as a mandatory test, for adjudication or for discipline."
)
build = about_records

PROFILE: Final = around_records(LETTER, says=(CARE_ONLY,))
