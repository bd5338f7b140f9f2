"""Profile harm-disclosure: the notice of a disclosure that two people decided, and what must stand in it (derived from UK Core Communication)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles.elements import as_objects, as_text, codings
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.profiles.notice import LETTER_CODES
from fhir_profiles.shapes import Json

LETTER: Final = "harm-disclosure"
DANGER_ONLY: Final = (
    "For this one danger only: not for adjudication, discipline or prosecution, and not to be passed on. These are clinical tests, and none is a "
    "mandatory test."
)
TOLD: Final = "The person is told of this disclosure by the healthcare."
UNSAFE: Final = "Do not let the person know of this disclosure: telling was judged unsafe. Ask the healthcare first."


def build(note: Json, tests: tuple[str, ...]) -> Json:
    """Copy a notice with the results that it is about, as `Type/id`."""
    return {**note, "about": [{"reference": each} for each in tests]}


def _rules(communication: Json) -> Iterator[Fault]:
    kinds = [each.get("code") for each in codings(communication.get("category")) if each.get("system") == LETTER_CODES]
    if kinds != [LETTER]:
        yield "Communication.category", "it is another kind of letter"
    said = {as_text(each.get("contentString")) for each in as_objects(communication.get("payload"))}
    if DANGER_ONLY not in said:
        yield "Communication.payload", "it does not say what it may be used for"
    if len({TOLD, UNSAFE} & said) != 1:
        yield "Communication.payload", "it does not say whether the person may know of it"


PROFILE: Final = Profile(name="harm-disclosure", resource_type="Communication", rules=_rules)
