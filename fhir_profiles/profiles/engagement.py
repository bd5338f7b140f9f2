"""Profile engagement: the notice that somebody came to a provider, or did not (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "engagement"
CARE_ONLY: Final = "For the person's care only: that somebody came or did not come is not for the prison, for probation or for the police."
build = about_records

PROFILE: Final = around_records(LETTER, says=(CARE_ONLY,))
