"""The person's own copy of the handover on transfer: their medicine, last dose and whom to ask, given to them in the prison that they came to.

For the person's hands, on paper, as `persons_handover.py`. It MUST NOT hold what that one must not, nor any appointment, nor what is ahead: whoever is
in custody must not learn of a journey from a paper. INVARIANT: it advises on nothing that the handover does not say.
"""

from typing import Final

from fhir_profiles.letters.parts import selection
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing
from fhir_profiles.letters.persons_handover import ADVICE, PaperPart, fact_of, paper, to_ask, told_of
from fhir_profiles.profiles import persons_transfer_composition as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Your paper after your move"
_PARTS: Final = (
    PaperPart(
        code="active-medications",
        title="Your treatment medicine",
        pick=told_of(selection.substitute_medication),
        empty="We know of no medicine for you. Ask the nurse here today.",
        fact="medicine",
    ),
    PaperPart(
        code="treatments-and-interventions",
        title="The last dose you had",
        pick=told_of(selection.last_dose),
        empty="No last dose is written down. Ask before you take one.",
        fact="last-dose",
    ),
    PaperPart(
        code="active-medications",
        title="Your other medicines",
        pick=told_of(selection.other_medication),
        empty="No more is written down.",
        fact="other-medicines",
    ),
    PaperPart(
        code="care-team",
        title="Who knew you there",
        pick=told_of(to_ask),
        empty="No one is named here. Ask the nurse here.",
        fact="care-team",
    ),
)
_MAY_BE_NONE: Final = "other-medicines"


def sentences(picture: Picture) -> tuple[str, ...]:
    """What the paper says of itself, and what to do."""
    context = picture.context
    place = context.establishment_name or context.establishment or "the prison you left"
    said = [f"This paper is yours. It is from the health team at {place}.", "Show it to the nurse here."]
    if context.provisional:
        said.append("We were not told for sure that you moved. Ask the nurse if this is right.")
    if context.not_contained:
        said.append("Some news came late and is not on this paper. Ask the nurse.")
    return (
        *said,
        *ADVICE[:2],
        "If a thing here is wrong, tell the nurse. You can ask to see all that we hold about you.",
    )


def write(picture: Picture, _missing: Missing) -> tuple[Json, ...]:
    return paper(
        picture,
        letter=letter_concept("persons-transfer", TITLE),
        compose=profile.build,
        title=TITLE,
        event="You moved to another prison",
        parts=_PARTS,
        said=sentences(picture),
    )


LETTER: Final = LetterKind(
    name="persons-transfer",
    title=TITLE,
    events=(Event.TRANSFER,),
    wires=("fhir-document",),
    whole_picture=True,
    required=tuple(fact_of(part) for part in _PARTS if part.fact != _MAY_BE_NONE),
    write=write,
)
