"""Profile care-plan-update: the notice around the newest version of the one care plan (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "care-plan-update"
build = about_records

PROFILE: Final = around_records(LETTER)
