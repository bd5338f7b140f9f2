"""Profile notice: the Communication in which a letter says what it is and what to do (derived from UK Core Communication)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_text, codings
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


def _rules(communication: Json) -> Iterator[Fault]:
    kinds = [coding for coding in codings(communication.get("category")) if coding.get("system") == LETTER_CODES]
    if len(kinds) != 1 or not as_text(kinds[0].get("code")):
        yield "Communication.category", "it does not say of which one kind of letter it is"


PROFILE: Final = Profile(name="notice", resource_type="Communication", rules=_rules)
