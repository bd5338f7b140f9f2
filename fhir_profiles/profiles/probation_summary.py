"""Profile probation-summary: the notice around a plan's state and the appointments with its provider (derived from UK Core Communication)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles.elements import as_objects, as_text
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.profiles.notice import about_records, of_letter, records_alone
from fhir_profiles.shapes import Json

LETTER: Final = "probation-summary"
USE: Final = (
    "For the sentence and release plan only: not for enforcement beyond what an order says, and not to be passed on."
)
SILENCE: Final = "Nothing clinical is ever in such a summary, nor whether somebody came: that it is not here says nothing against the person."
build = about_records


def _rules(communication: Json) -> Iterator[Fault]:
    yield from of_letter(communication, LETTER)
    yield from records_alone(communication)
    said = {as_text(each.get("contentString")) for each in as_objects(communication.get("payload"))}
    if not {USE, SILENCE} <= said:
        yield "Communication.payload", "it does not say what it may be used for, and what its silence means"


PROFILE: Final = Profile(name=LETTER, resource_type="Communication", rules=_rules)
