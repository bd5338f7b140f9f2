"""Engagement: what a community provider says of a person who was released: seen, or not seen (specification A 4.7, 5.2).

For the prison's service, which leads until the provider has the person. It says that somebody came and when; what was said there MUST NOT be
in it, nor anything of the file but who the person is.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from fhir_profiles.elements import as_text, in_error, kind, of_type, well_formed
from fhir_profiles.letters.parts.carried import carried, write_carried
from fhir_profiles.letters.parts.identity import WHO
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import engagement as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Engagement in the community after release"
CONTACTS: Final = ("Appointment", "Encounter")
_SEEN: Final = {
    ("Appointment", "fulfilled"): "kept",
    ("Appointment", "arrived"): "kept",
    ("Appointment", "checked-in"): "kept",
    ("Appointment", "noshow"): "not kept",
    ("Appointment", "cancelled"): "cancelled",
    ("Encounter", "finished"): "seen",
    ("Encounter", "in-progress"): "seen",
    ("Encounter", "cancelled"): "cancelled",
}
"""R4 Appointment.status and Encounter.status -> what it says of the person; every other one is ahead or not known."""
_WORDS: Final = {
    "kept": "appointments that were kept",
    "seen": "contacts in which the person was seen",
    "not kept": "appointments to which the person did not come",
    "cancelled": "appointments or contacts that were cancelled",
    "ahead": "appointments or contacts that are ahead, or of which nobody says more",
}


def what_came_of_it(contact: Json) -> str:
    """Say in a word of ours what a contact says: `kept`, `seen`, `not kept`, `cancelled` or `ahead`."""
    return _SEEN.get((kind(contact), as_text(contact.get("status"))), "ahead")


def contacts(picture: Picture) -> tuple[Json, ...]:
    return carried(picture, *CONTACTS)


def causes(brought: Sequence[Json], _before: Sequence[Json]) -> tuple[Json, ...]:
    return tuple(each for each in of_type(well_formed(brought), *CONTACTS) if not in_error(each))


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    found = contacts(picture)
    counted = Counter(map(what_came_of_it, found))
    by = picture.context.recorded_by or "an organisation that is not named"
    listed = "; ".join(f"{words}: {counted[word]}" for word, words in _WORDS.items() if counted[word])
    absent = counted["not kept"] and not (counted["kept"] or counted["seen"])
    return write_carried(
        picture,
        missing,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="urgent" if absent else "routine",
        said=(
            f"Told by {by} of a person who was released. {listed[:1].upper()}{listed[1:]}{'.' if listed else ''}".rstrip(),
        ),
        always=(profile.CARE_ONLY,),
        about=found,
    )


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.ENGAGEMENT,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        RequiredFact(
            name="contact",
            heading="Contact or appointment",
            text="What was told is not in the file.",
            present=lambda p: bool(contacts(p)),
        ),
        RequiredFact(
            name="told-by",
            heading="Who tells it",
            text="The organisation that tells it is not named.",
            present=lambda p: bool(p.context.recorded_by),
        ),
    ),
    carries=causes,
    write=write,
)
