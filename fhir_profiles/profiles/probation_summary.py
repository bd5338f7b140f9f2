"""Profile probation-summary: the notice around a plan's state and the appointments with its provider (derived from UK Core Communication)."""

from typing import Final

from fhir_profiles.profiles.notice import about_records, around_records

LETTER: Final = "probation-summary"
USE: Final = (
    "For the sentence and release plan only: not for enforcement beyond what an order says, and not to be passed on."
)
SILENCE: Final = "Nothing clinical is ever in such a summary, nor whether somebody came: that it is not here says nothing against the person."
build = about_records

PROFILE: Final = around_records(LETTER, says=(USE, SILENCE))
