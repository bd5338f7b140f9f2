"""The general practice's copy of a handover: what a practice has to know on the day its patient is released, and no more.

Whoever prescribes next to a substance misuse service has to know its medicines, its last dose, the risks and the plan. Drug test results and
assessment scores are the treatment provider's; they MUST NOT be in it. What the file does not hold is named, never invented.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from fhir_profiles.letters import handover
from fhir_profiles.letters.parts import release_plan, selection
from fhir_profiles.letters.parts.document import document
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing
from fhir_profiles.profiles import gp_copy_composition
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Release from prison of a person in substance misuse treatment: copy for the general practice"
_OBSERVED: Final = frozenset({"blood-borne-viruses", "smoking", "communication-needs"})
"""What observations say, which are the treatment provider's as tests and scores are; of naloxone a practice gets what was supplied."""
_NOT_FOR_A_PRACTICE: Final = (
    frozenset({"test-result", "assessment-scales", "general-practitioner-practice"}) | _OBSERVED
)
_PICKS: Final = {"naloxone": release_plan.naloxone_medicines, "risk-information": selection.risk_flags}
_PARTS: Final = tuple(
    replace(part, pick=_PICKS.get(part.code, part.pick))
    for part in handover.PARTS
    if part.code not in _NOT_FOR_A_PRACTICE
)
_PRESENT: Final[dict[str, Callable[[Picture], bool]]] = {
    "naloxone": release_plan.naloxone_medicine_known,
    "risk": lambda picture: bool(picture.once(selection.risk_flags)),
}
_NOT_ASKED: Final = frozenset({"test-results", "scores", "general-practice"}) | _OBSERVED
_SAID: Final = (
    "This is a copy for information: the community treatment provider takes over the treatment of substance misuse.",
    "Before substitute medication is prescribed by the practice, agree with the treatment provider who prescribes it: a second supply can kill.",
    "Drug test results and assessment scores are not in this copy.",
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
    required=tuple(
        replace(fact, present=_PRESENT.get(fact.name, fact.present))
        for fact in handover.REQUIRED
        if fact.name not in _NOT_ASKED
    ),
    write=write,
)
