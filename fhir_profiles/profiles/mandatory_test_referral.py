"""Profile mandatory-test-referral: the notice around a referral that is made of security's own result (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "mandatory-test-referral"
NOT_CLINICAL: Final = "The result is the prison's own. It is no clinical result: do not enter it as one, and prescribe or change nothing on it alone."
NOTHING_BACK: Final = "Nothing goes back to security because of this: not whether the person came, nor what came of it."
build = about_records

PROFILE: Final = around_records(LETTER, says=(NOT_CLINICAL, NOTHING_BACK))
