"""Profile notice-of-withdrawal: the notice that nothing further will come, and what must stand in it whoever writes it (derived from UK Core Communication)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codings
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.profiles.notice import LETTER_CODES
from fhir_profiles.shapes import Json

LETTER: Final = "notice-of-withdrawal"
KEEP: Final = "Keep the record that you have: nothing is to be deleted because of this notice."
CHANGE_NOTHING: Final = (
    "Do not start, stop or change any treatment, prescription, supply or appointment because of this notice. It says nothing about the "
    "person's health, and gives no reason."
)
_DELIVERY_ID: Final = systems.LOCAL_ID + "delivery"


def build(note: Json, letters: tuple[str, ...]) -> Json:
    """Copy a notice with the earlier letters that it is about, as their recipient knows them: by the id of each delivery."""
    about = [{"identifier": {"system": _DELIVERY_ID, "value": each}} for each in letters]
    return {**note, "about": about} if about else note


def _rules(communication: Json) -> Iterator[Fault]:
    kinds = [each.get("code") for each in codings(communication.get("category")) if each.get("system") == LETTER_CODES]
    if kinds != [LETTER]:
        yield "Communication.category", "it is another kind of letter"
    said = {as_text(each.get("contentString")) for each in as_objects(communication.get("payload"))}
    if KEEP not in said or CHANGE_NOTHING not in said:
        yield (
            "Communication.payload",
            "it does not say that the record is kept and that no treatment changes because of it",
        )
    for each in as_objects(communication.get("about")):
        if as_text(as_object(each.get("identifier")).get("system")) != _DELIVERY_ID or "reference" in each:
            yield "Communication.about", "it is about something else than earlier letters"


PROFILE: Final = Profile(name="notice-of-withdrawal", resource_type="Communication", rules=_rules)
