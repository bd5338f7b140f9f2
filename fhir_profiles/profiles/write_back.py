"""Profile write-back: the notice around what a provider outside recorded (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "write-back"
build = about_records

PROFILE: Final = around_records(LETTER)
