"""Profile notice: the Communication in which a letter says what it is and what to do (derived from UK Core Communication)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_objects, as_text, codings
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json

LETTER_CODES: Final = systems.LOCAL_CODE + "letter"
PRIORITIES: Final = frozenset({"routine", "urgent", "asap", "stat"})


def letter_concept(letter: str, title: str) -> Json:
    """Name the kind of letter; the wire reads it for its event code."""
    return {"coding": [{"system": LETTER_CODES, "code": letter}], "text": title}


def build(
    *, letter: Json, priority: str, sentences: tuple[str, ...], subject: str, sender: str, sent: str | None
) -> Json:
    """Write a notice. `letter` is its kind (`letter_concept`), `subject` and `sender` are `Type/id`, `sent` a FHIR dateTime with a time."""
    assert priority in PRIORITIES
    written: Json = {
        "resourceType": "Communication",
        "id": "notice",
        "status": "completed",
        "category": [letter],
        "priority": priority,
        "subject": {"reference": subject},
        "sender": {"reference": sender},
        "payload": [{"contentString": sentence} for sentence in sentences],
    }
    return {**written, "sent": sent} if sent else written


def of_letter(communication: Json, letter: str) -> Iterator[Fault]:
    """Give what is wrong where a notice has to be of this one kind of letter."""
    kinds = [each.get("code") for each in codings(communication.get("category")) if each.get("system") == LETTER_CODES]
    if kinds != [letter]:
        yield "Communication.category", "it is another kind of letter"


def about_records(note: Json, names: tuple[str, ...]) -> Json:
    """Copy a notice with the records that it is about, `Type/id` each."""
    return {**note, "about": [{"reference": each} for each in names]} if names else note


def records_alone(communication: Json) -> Iterator[Fault]:
    """Give what is wrong where a notice is about anything but records of the same Bundle."""
    if any(not as_text(each.get("reference")) for each in as_objects(communication.get("about"))):
        yield "Communication.about", "it is about something that is not in the letter"


def around_records(letter: str, says: tuple[str, ...] = ()) -> Profile:
    """Give the profile of the notice of one kind of letter around records of the same Bundle; `says` are the sentences that it never lacks."""

    def rules(communication: Json) -> Iterator[Fault]:
        yield from of_letter(communication, letter)
        yield from records_alone(communication)
        said = {as_text(each.get("contentString")) for each in as_objects(communication.get("payload"))}
        if not said.issuperset(says):
            yield "Communication.payload", "it lacks a sentence that every letter of this kind says"

    return Profile(name=letter, resource_type="Communication", rules=rules)


def _rules(communication: Json) -> Iterator[Fault]:
    kinds = [coding for coding in codings(communication.get("category")) if coding.get("system") == LETTER_CODES]
    if len(kinds) != 1 or not as_text(kinds[0].get("code")):
        yield "Communication.category", "it does not say of which one kind of letter it is"


PROFILE: Final = Profile(name="notice", resource_type="Communication", rules=_rules)
