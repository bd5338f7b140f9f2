"""The general practice's copy of a handover: what a practice has to know on the day its patient is released, and no more.

Whoever prescribes next to a substance misuse service has to know its medicines, its last dose, the risks, a heart tracing, a pregnancy and the plan.
Drug test results, assessment scores and blood tests are the treatment provider's; they MUST NOT be in it. What the file does not hold is named,
never invented.
"""

from typing import Final

from fhir_profiles.letters import handover
from fhir_profiles.letters.parts.document import document
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing
from fhir_profiles.profiles import gp_copy_composition
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Release from prison of a person in substance misuse treatment: copy for the general practice"
_NOT_FOR_A_PRACTICE: Final = frozenset(
    {"Drug test results", "Assessment scores", "Blood-borne viruses", "Smoking", "Liver function", "General practice"}
)
"""The treatment provider's, by the heading of the handover (docs/decisions/0066); and who the practice is it knows."""
_PARTS: Final = tuple(part for part in handover.PARTS if part.title not in _NOT_FOR_A_PRACTICE)
_SAID: Final = (
    "This is a copy for information: the community treatment provider takes over the treatment of substance misuse.",
    "Before substitute medication is prescribed by the practice, agree with the treatment provider who prescribes it: a second supply can kill.",
    "Drug test results, assessment scores and blood tests are not in this copy.",
)


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    return document(
        picture,
        missing,
        letter=letter_concept("gp-copy", TITLE),
        compose=gp_copy_composition.build,
        title=TITLE,
        event=handover.EVENT,
        parts=_PARTS,
        sentences=(*handover.sentences(picture, missing), *_SAID),
    )


LETTER: Final = LetterKind(
    name="gp-copy",
    title=TITLE,
    events=(Event.RELEASE, Event.RELEASE_UNCLEAR),
    wires=("fhir-document", "fhir-message", "fhir-collection"),
    whole_picture=True,
    required=tuple(fact for fact in handover.REQUIRED if fact.heading not in _NOT_FOR_A_PRACTICE),
    write=write,
)
