"""Who a letter is about, and whom to ask: the facts that every letter about a person needs, and the Patient as letters hold it."""

from typing import Final

from fhir_profiles import facts
from fhir_profiles.elements import as_objects, as_text, identifier_value
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import Missing, RequiredFact
from fhir_profiles.shapes import Json
from fhir_profiles.systems import NHS_NUMBER

TURNS: Final = ("active", "deceasedBoolean", "deceasedDateTime", "link")
"""What would make the rest say something else (R4 modifiers). INVARIANT: no letter loses them before its agreement is asked, which lets them leave or
keeps the letter back (docs/decisions/0059).
"""
_WHO: Final = ("resourceType", "id", "meta", "identifier", "name", "gender", "birthDate", *TURNS)
"""Enough to find the right person, and no more: no address, no telephone, no practitioner."""


def who(patient: Json) -> Json:
    """Copy of the Patient that only says who it is."""
    return {key: patient[key] for key in _WHO if key in patient}


def spoken_with(patient: Json) -> Json:
    """Copy of the Patient that says who it is and in which language to speak."""
    return {key: patient[key] for key in (*_WHO, "communication") if key in patient}


def reachable(patient: Json) -> Json:
    """Copy of the Patient with no other address than where the person goes.

    INVARIANT: no letter of care says where somebody can be found but at the release address; a refuge or a former home stays in the file.
    """
    told = {**patient, "address": list(facts.addresses_to_tell(patient))}
    return {key: told[key] for key in patient if key != "address" or told[key]}


def _named(picture: Picture) -> bool:
    return any(
        as_text(name.get("family")) or as_text(name.get("text")) for name in as_objects(picture.patient.get("name"))
    )


def _numbered(picture: Picture) -> bool:
    return bool(identifier_value(picture.patient.get("identifier"), NHS_NUMBER))


WHO: Final[Missing] = (
    RequiredFact(name="name", heading="Name", text="The name is not in the file.", present=_named),
    RequiredFact(name="nhs-number", heading="NHS number", text="The NHS number is not in the file.", present=_numbered),
    RequiredFact(
        name="date-of-birth",
        heading="Date of birth",
        text="The date of birth is not in the file.",
        present=lambda picture: bool(as_text(picture.patient.get("birthDate"))),
    ),
)
CONTACT: Final = RequiredFact(
    name="contact",
    heading="Contact telephone",
    text="No telephone number of the establishment is set.",
    present=lambda picture: (
        bool(picture.context.establishment_telephone) or picture.is_sensitive
    ),  # the notice says whom to ask
)
