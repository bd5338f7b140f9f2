"""A letter that carries what one message brought to those whom it concerns: a notice, who it is about, what was brought, who sends.

It must never hold anything of the file that the letter's own module does not name, nor change what was brought.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.elements import name_of
from fhir_profiles.letters.parts.identity import who
from fhir_profiles.letters.parts.labels_of_ours import RESTRICTED
from fhir_profiles.letters.parts.notice import establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import Missing
from fhir_profiles.profiles.notice import about_records
from fhir_profiles.shapes import Json

TAKEN_BACK: Final = (
    "Of what the earlier letter told, {} does not stand any more: it was entered in error, or corrected into something that would not have "
    "been sent. Mark it in your record as withdrawn, do not delete it, and ask before you end or change anything that was begun on it."
)
SOME_STANDS: Final = "What still stands of it is in this letter."
NOTHING_STANDS: Final = "Nothing else was in it."


def carried(picture: Picture, *types: str) -> tuple[Json, ...]:
    """What caused this letter, of these types, in the order of the file."""
    focus = frozenset(picture.context.focus)
    return picture.of(*types, keep=lambda resource: name_of(resource) in focus)


def write_carried(  # noqa: PLR0913  whoever writes a letter names each part of it
    picture: Picture,
    missing: Missing,
    *,
    letter: Json,
    priority: str,
    said: Sequence[str],
    always: Sequence[str] = (),
    about: Sequence[Json],
    beside: Sequence[Json] = (),
    patient: Json | None = None,
) -> tuple[Json, ...]:
    """Write the letter, whose kind is `letter` (`letter_concept`). `said` tells of what is in it, `always` what holds of every letter of this kind.
    `about` is what it is about, `beside` what its reader needs with that, `patient` the Patient where more leaves than who it is.
    """
    corrects = picture.context.replaces is not None and picture.context.taken_back > 0
    if corrects and not about:
        # INVARIANT: where nothing of it stands, what is taken back is never told as if it did, and nothing clinical goes with it.
        said, missing, beside, patient = (f"A correction from {at_place(picture)}.",), (), (), None
    said = (*said, *always)
    if corrects:
        said = (*said, TAKEN_BACK.format(picture.context.taken_back), SOME_STANDS if about else NOTHING_STANDS)
    sentences = (*said, *(f"Not in this letter: {fact.heading.lower()}. {fact.text}" for fact in missing))
    note = notice(
        picture, letter=letter, priority="urgent" if corrects else priority, sentences=sentences, labels=RESTRICTED
    )
    held = {name_of(each): each for each in (*about, *beside)}
    return (
        about_records(note, tuple(held)),
        patient if patient is not None else who(picture.patient),
        *held.values(),
        establishment(picture),
    )


def at_place(picture: Picture) -> str:
    """The establishment in words, for a sentence."""
    return picture.context.establishment_name or picture.context.establishment or "a prison"
