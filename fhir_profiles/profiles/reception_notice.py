"""Profile reception-notice: the notice that a person came into custody (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "reception-notice"
build = about_records

PROFILE: Final = around_records(LETTER)
