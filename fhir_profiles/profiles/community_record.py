"""Profile community-record: the notice around what somebody outside has of a person in custody (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "community-record"
NO_PRESCRIPTION: Final = (
    "Words are as they were written. This is a record for whoever prescribes in the prison: it is no prescription and no "
    "authority to supply."
)
build = about_records

PROFILE: Final = around_records(LETTER, says=(NO_PRESCRIPTION,))
