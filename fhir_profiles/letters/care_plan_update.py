"""Care plan update: the one plan in its newest version, for those who act on it (specification A 5.3, 5.7; policy B 3.1).

It holds the plan, its goals, the team, the prescriptions that one message changed, and the risks. What was said in sessions and test results
MUST NOT be in it. Not a whole picture: an older version never passes a newer one.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.elements import as_text, in_error, of_type, well_formed
from fhir_profiles.letters.parts import release_plan, selection
from fhir_profiles.letters.parts.carried import at_place, carried, write_carried
from fhir_profiles.letters.parts.identity import CONTACT, WHO, spoken_with
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import care_plan_update as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Care plan: new or changed"
_OVER: Final = frozenset({"cancelled", "rejected", "entered-in-error"})


def goals(picture: Picture) -> tuple[Json, ...]:
    """What was agreed with the person and was not given up."""
    return picture.of("Goal", keep=lambda goal: as_text(goal.get("lifecycleStatus")) not in _OVER)


def prescriptions(picture: Picture) -> tuple[Json, ...]:
    """The prescriptions that the message changed."""
    return carried(picture, "MedicationRequest")


def causes(brought: Sequence[Json], _before: Sequence[Json]) -> tuple[Json, ...]:
    found = of_type(well_formed(brought), "CarePlan", "Goal", "CareTeam", "MedicationRequest")
    return tuple(each for each in found if not in_error(each))


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    plan, changed = picture.once(selection.care_plan), prescriptions(picture)
    return write_carried(
        picture,
        missing,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="routine",
        said=(
            f"The newest version of the person's one plan, from {at_place(picture)}. It takes the place of every earlier one.",
            f"Prescriptions that changed with it: {len(changed)}. Every other one stays as it was told before.",
        ),
        about=(*plan, *changed),
        beside=(*goals(picture), *release_plan.care_teams(picture), *selection.risk_flags(picture)),
        patient=spoken_with(picture.patient),
    )


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.CARE_PLAN, Event.PRESCRIPTION),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        CONTACT,
        RequiredFact(
            name="care-plan",
            heading="Care plan",
            text="No current care plan is in the file.",
            present=lambda p: bool(p.once(selection.care_plan)),
        ),
        RequiredFact(
            name="goals", heading="Goals", text="No goal is in the file.", present=lambda p: bool(p.once(goals))
        ),
        RequiredFact(
            name="care-team",
            heading="Care team",
            text="Nobody of the care team is named in the file.",
            present=lambda p: bool(p.once(release_plan.care_teams)),
        ),
        RequiredFact(
            name="risk",
            heading="Risk",
            text="No risk flag is in the file. Ask: that is not a finding of no risk.",
            present=lambda p: bool(p.once(selection.risk_flags)),
        ),
    ),
    carries=causes,
    write=write,
)
