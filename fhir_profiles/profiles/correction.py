"""Profile correction: the notice that takes an earlier letter back (derived from UK Core Communication)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.profiles.notice import of_letter
from fhir_profiles.shapes import Json

LETTER: Final = "correction"
_DELIVERY_ID: Final = systems.LOCAL_ID + "delivery"


def build(note: Json, corrects: str | None) -> Json:
    """Copy a notice with the letter that it takes back, as its recipient knows it: by the id of the delivery."""
    return {**note, "about": [{"identifier": {"system": _DELIVERY_ID, "value": corrects}}]} if corrects else note


def _rules(communication: Json) -> Iterator[Fault]:
    yield from of_letter(communication, LETTER)
    for each in as_objects(communication.get("about")):
        if as_object(each.get("identifier")).get("system") != _DELIVERY_ID or "reference" in each:
            yield "Communication.about", "it is about something else than an earlier letter"


PROFILE: Final = Profile(name=LETTER, resource_type="Communication", rules=_rules)
