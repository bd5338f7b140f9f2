"""Write-back: what a community provider recorded about a person in custody, for the prison's own health record (specification A 5.3, R051).

It holds the contacts and appointments of the one message that brought them, as they were recorded, and who recorded them. It must never hold
anything that the prison's own system said, nor anything of the file but who the person is. Not a whole picture: the order of entries holds.
"""

from collections import Counter
from typing import Final

from fhir_profiles.elements import as_object, as_text, name_of, of_type
from fhir_profiles.letters.parts.identity import WHO, who
from fhir_profiles.letters.parts.labels_of_ours import RESTRICTED
from fhir_profiles.letters.parts.notice import establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import write_back as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Contact with the person, recorded by a community provider"
CONTACTS: Final = ("Appointment", "Encounter", "Communication")
"""What a contact with somebody outside is recorded as."""
_WORDS: Final = {"Appointment": "appointments", "Encounter": "contacts", "Communication": "messages or calls"}


def contacts(picture: Picture) -> tuple[Json, ...]:
    """What caused this letter, in the order of the file."""
    focus = frozenset(picture.context.focus)
    return picture.of(*CONTACTS, keep=lambda resource: name_of(resource) in focus)


def gone(picture: Picture) -> int:
    """How many of what caused this letter are said to have been entered in error: an earlier entry of the record does not stand."""
    focus = frozenset(picture.context.focus)
    return sum(name_of(each) in focus for each in of_type(picture.sent_in_error, *CONTACTS))


def _sentences(picture: Picture, missing: Missing) -> tuple[str, ...]:
    counted = Counter(as_text(each.get("resourceType")) for each in contacts(picture))
    recorded = ", ".join(f"{_WORDS[kind]}: {counted[kind]}" for kind in CONTACTS if counted[kind])
    by = picture.context.recorded_by or "an organisation that is not named"
    said = [f"Recorded by {by}. {recorded[:1].upper()}{recorded[1:]}." if recorded else f"Recorded by {by}."]
    said.append("For the person's health record, as an external contact. It changes nothing that is prescribed.")
    if gone(picture):
        said.append(
            f"Entered in error, as who recorded it says: {gone(picture)}. It does not stand, also where an earlier entry told of it. Ask them which it was."
        )
    said += [f"Not in this entry: {fact.heading.lower()}. {fact.text}" for fact in missing]
    return tuple(said)


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    found = contacts(picture)
    note = notice(
        picture,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="routine",
        sentences=_sentences(picture, missing),
        labels=RESTRICTED,
    )
    note = profile.build(note, tuple(name_of(each) for each in found))
    return (note, who(picture.patient), *found, establishment(picture))


def _is_timed(contact: Json) -> bool:
    period = as_object(contact.get("period"))
    return any(as_text(value) for value in (contact.get("start"), contact.get("sent"), period.get("start")))


LETTER: Final = LetterKind(
    name="write-back",
    title=TITLE,
    events=(Event.CONTACT,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        RequiredFact(
            name="contact",
            heading="Contact or appointment",
            text="What was recorded is not in the file.",
            present=lambda p: bool(contacts(p)) or gone(p) > 0,
        ),
        RequiredFact(
            name="time",
            heading="Time",
            text="When it is or was, is not recorded.",
            present=lambda p: all(_is_timed(each) for each in contacts(p)),
        ),
        RequiredFact(
            name="recorded-by",
            heading="Who recorded it",
            text="The organisation that recorded it is not named.",
            present=lambda p: bool(p.context.recorded_by),
        ),
    ),
    write=write,
)
