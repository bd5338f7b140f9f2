"""Notice of withdrawal: nothing further will come of what earlier letters were. Keep the record, change no treatment, whom to ask.

INVARIANT: it tells its recipient nothing that its letters have not told: whom it is about as they said it (`LetterContext.known_as`), never
as the file says it now. It must never hold anything clinical, nor say why, nor ask anybody to delete or to end something.
"""

from typing import Final

from fhir_profiles.elements import as_text
from fhir_profiles.fhir_json import FhirJsonError, decode
from fhir_profiles.letters.parts.identity import CONTACT, TURNS, who
from fhir_profiles.letters.parts.labels_of_ours import CONFIDENTIAL
from fhir_profiles.letters.parts.notice import establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import notice_of_withdrawal as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Notice of withdrawal: nothing further of this kind will come"
CONFIRM: Final = "Confirm with a reply that this notice was read: without one somebody will telephone."


def as_told(picture: Picture) -> Json:
    """The Patient as the earlier letters told it; how sensitive the person's record is, is read from the file of now."""
    try:
        told = decode(picture.context.known_as.encode()) if picture.context.known_as else {}
    except FhirJsonError:
        told = {}
    frame: Json = {
        key: picture.patient[key] for key in ("resourceType", "id", "meta", *TURNS) if key in picture.patient
    }
    return {**(who(told) if told.get("resourceType") == "Patient" else {}), **frame}


def _sentences(picture: Picture, missing: Missing) -> tuple[str, ...]:
    context = picture.context
    letters = context.withdrawn
    under = (
        f"agreement that letter {letters[0]} came under"
        if len(letters) == 1
        else f"agreements that these letters came under: {', '.join(letters) or 'earlier ones'}"
    )
    place = context.establishment_name or context.establishment or "the sending establishment"
    ask = f", {context.establishment_telephone}" if context.establishment_telephone else ""
    return (
        f"Nothing further about this person will come to you under the sharing {under}.",
        profile.KEEP,
        profile.CHANGE_NOTHING,
        f"Whom to ask: healthcare of {place}{ask}.",
        CONFIRM,
        *(f"Not in this notice: {fact.text}" for fact in missing),
    )


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    note = notice(
        picture,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="routine",
        sentences=_sentences(picture, missing),
        labels=CONFIDENTIAL,
    )
    return (profile.build(note, picture.context.withdrawn), picture.once(as_told), establishment(picture))


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.WITHDRAWAL,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=True,
    required=(
        RequiredFact(
            name="whom",
            heading="Whom it is about",
            text="Whom the earlier letters were about cannot be read any more: their ids say it.",
            present=lambda p: bool(p.once(as_told).get("name") or p.once(as_told).get("identifier")),
        ),
        CONTACT,
        RequiredFact(
            name="letters",
            heading="Earlier letters",
            text="The earlier letters are not named.",
            present=lambda p: all(map(as_text, p.context.withdrawn)) and bool(p.context.withdrawn),
        ),
    ),
    write=write,
)
