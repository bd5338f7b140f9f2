"""Correction: the release or the transfer that an earlier letter reported did not happen. Which letter, what to do, and nothing clinical.

It must never repeat, add or change anything clinical: who acted on the earlier letter has it, and nobody else learns it here. Nor does it
say why there was none: a death or an escape is told by people.
"""

from typing import Final

from fhir_profiles.letters.parts.identity import CONTACT, WHO, who
from fhir_profiles.letters.parts.labels_of_ours import CONFIDENTIAL
from fhir_profiles.letters.parts.notice import establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import correction as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Correction: the reported release did not happen"
_TITLE_OF_A_MOVE: Final = "Correction: the reported transfer did not happen"


def _sentences(picture: Picture) -> tuple[str, ...]:
    context = picture.context
    place = context.establishment_name or context.establishment
    letter = f"letter {context.corrects}" if context.corrects else "an earlier letter"
    when = f" for {context.occurred}" if context.occurred else ""
    what, again = ("transfer", "moved") if context.moved else ("release", "released")
    where = (
        f"The person is in custody. When the person is {again}, a new handover follows."
        if context.in_custody
        else "Where the person is now is not said here: ask the establishment before anything else is done."
    )
    return (
        f"The {what} from {place or 'prison'}{when} that {letter} reported is withdrawn: it did not happen, or was reversed.",
        where,
        f"Do not act further on {letter}. Mark it as withdrawn in your record, and do not delete it.",
        "If you have booked, prescribed or supplied anything because of it, stop that and tell the establishment at once.",
    )


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    sentences = (*_sentences(picture), *(f"Not in this letter: {fact.text}" for fact in missing))
    note = notice(
        picture,
        letter=letter_concept(profile.LETTER, _TITLE_OF_A_MOVE if picture.context.moved else TITLE),
        priority="urgent",
        sentences=sentences,
        labels=CONFIDENTIAL,
    )
    return (profile.build(note, picture.context.corrects), who(picture.patient), establishment(picture))


LETTER: Final = LetterKind(
    name="correction",
    title=TITLE,
    events=(Event.RELEASE_CANCELLED,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        CONTACT,
        RequiredFact(
            name="corrected-letter",
            heading="Corrected letter",
            text="The letter that is corrected is not named.",
            present=lambda p: bool(p.context.corrects),
        ),
    ),
    write=write,
)
