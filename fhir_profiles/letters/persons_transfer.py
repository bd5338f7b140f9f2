"""The person's own copy of the handover on transfer: their medicine, last dose and whom to ask, given to them in the prison that they came to.

For the person's hands, on paper, as `persons_handover.py`. It MUST NOT hold what that one must not, nor any appointment, nor what is ahead: whoever is
in custody must not learn of a journey from a paper.
"""

from typing import Final

from fhir_profiles.letters.parts import selection
from fhir_profiles.letters.parts.paper import ADVICE, PaperPart, PaperWords, paper, to_ask, told_of
from fhir_profiles.letters.parts.spec import LetterKind
from fhir_profiles.profiles import persons_transfer_composition as profile
from fhir_profiles.shapes import Event

_PARTS: Final = (
    PaperPart(
        code="active-medications",
        title="Your treatment medicine",
        pick=told_of(selection.substitute_prescriptions),
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
    ),
    PaperPart(
        code="care-team",
        title="Who knew you there",
        pick=told_of(to_ask),
        empty="No one is named here. Ask the nurse here.",
        fact="care-team",
    ),
)
WORDS: Final = PaperWords(
    place="the prison you left",
    first=("Show it to the nurse here.",),
    unsure="We were not told for sure that you moved. Ask the nurse if this is right.",
    late="Some news came late and is not on this paper. Ask the nurse.",
    medicines=selection.substitute_prescriptions,
    advice=ADVICE[:2],
    wrong="If a thing here is wrong, tell the nurse.",
)
LETTER: Final[LetterKind] = paper(
    "persons-transfer",
    title="Your paper after your move",
    happened="You moved to another prison",
    events=(Event.TRANSFER,),
    compose=profile.build,
    parts=_PARTS,
    words=WORDS,
)
