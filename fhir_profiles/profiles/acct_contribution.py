"""Profile acct-contribution: the notice around a clinician's words for those who keep somebody safe (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "acct-contribution"
SILENCE: Final = (
    "What is not in it says nothing: medicines, diagnosis and test results are never in such a contribution."
)
build = about_records

PROFILE: Final = around_records(LETTER, says=(SILENCE,))
