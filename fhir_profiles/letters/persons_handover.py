"""The person's own copy of the handover on release: their medicine, last dose, pharmacy, appointment and whom to ask (R090, flow F6).

For the person's hands, on paper: the desk that prints it gives it to them. What a paper MUST NOT hold is kept by `parts/paper.py`.
"""

from typing import Final

from fhir_profiles import facts
from fhir_profiles.elements import kind
from fhir_profiles.letters.parts import release_plan, selection
from fhir_profiles.letters.parts.paper import PaperPart, PaperWords, paper, to_ask, told_of
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind
from fhir_profiles.profiles import persons_handover_composition as profile
from fhir_profiles.shapes import Event, Json


def _in_prison(picture: Picture) -> tuple[Json, ...]:
    return tuple(r for r in selection.substitute_prescriptions(picture) if not facts.prescription_for_supply(r))


def _others_for_outside(picture: Picture) -> tuple[Json, ...]:
    return tuple(r for r in release_plan.other_medication(picture) if facts.prescription_for_supply(r))


def _others_in_prison(picture: Picture) -> tuple[Json, ...]:
    return tuple(r for r in release_plan.other_medication(picture) if not facts.prescription_for_supply(r))


def _provider(picture: Picture) -> tuple[Json, ...]:
    """The organisations alone: a name in a team stands under whom to ask."""
    return tuple(each for each in release_plan.treatment_provider(picture) if kind(each) == "Organization")


_PARTS: Final = (
    PaperPart(
        code="active-medications",
        title="Your treatment medicine",
        pick=told_of(release_plan.for_supply),
        empty="We know of no medicine for you to get outside. Ask us today.",
        fact="medicine-after-release",
    ),
    PaperPart(
        code="treatments-and-interventions",
        title="The last dose you had",
        pick=told_of(selection.last_dose),
        empty="No last dose is written down. Ask before you take one.",
        fact="last-dose",
    ),
    PaperPart(
        code="community-pharmacy",
        title="Your pharmacy",
        pick=told_of(release_plan.community_pharmacy),
        empty="We do not know your pharmacy. Ask us where to go.",
        fact="community-pharmacy",
    ),
    PaperPart(
        code="appointment",
        title="Where to go next",
        pick=told_of(selection.appointments),
        empty="We have no time and place for you. Ask us today.",
        fact="appointment",
    ),
    PaperPart(
        code="treatment-provider",
        title="Who helps you outside",
        pick=told_of(_provider),
        empty="We do not know who helps you outside. Ask us today.",
        fact="treatment-provider",
    ),
    PaperPart(
        code="care-team",
        title="Who to ask",
        pick=told_of(to_ask),
        empty="No one is named here. Ask at the number below.",
        fact="care-team",
    ),
    PaperPart(
        code="general-practitioner-practice",
        title="Your doctor",
        pick=told_of(selection.general_practice),
        empty="We do not know your doctor. Ask us how to find one.",
        fact="general-practice",
    ),
    PaperPart(
        code="naloxone",
        title="Naloxone to take home",
        pick=told_of(release_plan.naloxone),
        empty="We do not know if you have it. Ask us for it.",
        fact="naloxone",
    ),
    PaperPart(
        code="active-medications",
        title="Your treatment medicine in prison",
        pick=told_of(_in_prison),
        empty="No more is written down.",
    ),
    PaperPart(
        code="active-medications",
        title="Your other medicines",
        pick=told_of(_others_for_outside),
        empty="No more is written down.",
    ),
    PaperPart(
        code="active-medications",
        title="Your other medicines in prison",
        pick=told_of(_others_in_prison),
        empty="No more is written down.",
    ),
)
"""The sections in the order in which a person needs them on the day."""
WORDS: Final = PaperWords(
    place="the prison",
    unsure="We were not told for sure that you leave now. Ask us if this is right.",
    late="Some news came late and is not on this paper. Ask us.",
    medicines=release_plan.for_supply,
    wrong="If a thing here is wrong, tell us.",
)
LETTER: Final[LetterKind] = paper(
    "persons-handover",
    title="Your paper for leaving prison",
    happened="You leave prison",
    events=(Event.RELEASE, Event.RELEASE_UNCLEAR),
    compose=profile.build,
    parts=_PARTS,
    words=WORDS,
)
