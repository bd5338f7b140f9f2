"""ACCT contribution: what those who keep somebody safe have to know, in the words of a clinician who wrote it for them (specification A 5.4, 5.9).

The words, the risks that are known, and when somebody sees the person next. No diagnosis, no medicine and no test result MUST be in it, and no
sentence that a clinician did not write for an ACCT review: nothing is made of the file by rule but the risks.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.content_events import acct_words
from fhir_profiles.letters.parts import selection
from fhir_profiles.letters.parts.carried import at_place, carried, write_carried
from fhir_profiles.letters.parts.identity import CONTACT
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import acct_contribution as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Contribution to an ACCT review"


def words(picture: Picture) -> tuple[Json, ...]:
    return carried(picture, "Communication")


def causes(brought: Sequence[Json], _before: Sequence[Json]) -> tuple[Json, ...]:
    return acct_words(brought)


def _told(communication: Json) -> Json:
    """Copy of the words without who else had them and what they hang on."""
    kept = ("resourceType", "id", "meta", "status", "category", "priority", "subject", "sent", "sender", "payload")
    return {name: communication[name] for name in kept if name in communication}


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    return write_carried(
        picture,
        missing,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="urgent",
        said=(f"From the health care of {at_place(picture)}, for the person's safety only.",),
        always=(profile.SILENCE,),
        about=tuple(map(_told, words(picture))),
        beside=(*selection.risk_flags(picture), *selection.appointments(picture)),
    )


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.ACCT_REVIEW,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        CONTACT,
        RequiredFact(
            name="words",
            heading="Contribution",
            text="What the clinician wrote is not in the file.",
            present=lambda p: bool(words(p)),
        ),
        RequiredFact(
            name="risk",
            heading="Risk",
            text="No risk flag is in the file. Ask: that is not a finding of no risk.",
            present=lambda p: bool(p.once(selection.risk_flags)),
        ),
        RequiredFact(
            name="next-contact",
            heading="Next contact",
            text="No appointment that is still to come is in the file.",
            present=lambda p: bool(p.once(selection.appointments)),
        ),
    ),
    carries=causes,
    write=write,
)
