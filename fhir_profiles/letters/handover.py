"""Handover: what the community treatment provider needs on the day a person is released, from what came in before.

A whole picture, as a FHIR document with record standard headings. What the file does not hold is named, never invented; risk is never left
out (R075); a mandatory test is never in it (R118). It must never be delayed or thinned because something is missing.
"""

from typing import Final

from fhir_profiles import facts
from fhir_profiles.letters.parts import selection
from fhir_profiles.letters.parts.document import Part, document
from fhir_profiles.letters.parts.identity import CONTACT, WHO
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import handover_composition
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Substance misuse handover on release from prison"


PARTS: Final = (
    Part(
        code="risk-information",
        title="Risk",
        pick=selection.risk_flags,
        empty="No risk flag is in the file. That is not a finding of no risk.",
    ),
    Part(
        code="active-medications",
        title="Substitute medication",
        pick=selection.substitute_medication,
        empty="No current substitute medication is in the file.",
    ),
    Part(
        code="treatments-and-interventions",
        title="Last dose given",
        pick=selection.last_dose,
        empty="No dose of substitute medication is recorded as given.",
    ),
    Part(
        code="discontinued-medications",
        title="Substitute medication that ended lately",
        pick=selection.ended_substitute_medication,
        empty="None in the file.",
    ),
    Part(
        code="active-medications",
        title="Other current medication",
        pick=selection.other_medication,
        empty="No other current medication is in the file.",
    ),
    Part(
        code="test-result",
        title="Drug test results",
        pick=selection.drug_tests_and_reports,
        empty="No clinical drug test result is in the file.",
    ),
    Part(
        code="assessment-scales",
        title="Assessment scores",
        pick=selection.scores,
        empty="No assessment score is in the file.",
    ),
    Part(
        code="allergies-and-adverse-reaction",
        title="Allergies",
        pick=selection.allergies,
        empty="Nothing about allergies is in the file. That is not a finding of no allergy.",
    ),
    Part(code="diagnoses", title="Conditions", pick=selection.conditions, empty="No condition is in the file."),
    Part(
        code="plan-and-requested-actions",
        title="Care plan",
        pick=selection.care_plan,
        empty="No current care plan is in the file.",
    ),
    Part(
        code="appointment",
        title="Appointments after release",
        pick=selection.appointments,
        empty="No appointment after release is in the file.",
    ),
    Part(
        code="general-practitioner-practice",
        title="General practice",
        pick=selection.general_practice,
        empty="No one general practice is named in the file.",
    ),
)
"""The sections in the order in which a reader acts on them: risk and medicines first."""


def sentences(picture: Picture, missing: Missing) -> tuple[str, ...]:
    """What the notice of a release says: where and when, whether that is sure, and what is not in the letter."""
    context = picture.context
    place = context.establishment_name or context.establishment
    when = f" at {context.occurred}" if context.occurred else ""
    said = [f"Release from {place}{when}." if place else f"Release from prison{when}."]
    if context.provisional:
        said.append(
            "Provisional: the message that reported this did not say for certain that it was a release, or it can still be reversed. "
            "Act on it as a release; a correction follows if it was none."
        )
    earlier = context.not_contained
    said.append(
        "No earlier message that is known to be about this person waits outside it."
        if earlier == 0
        else f"Earlier messages that it does not contain: {earlier}. They wait for a person and follow when they are settled."
    )
    if missing:
        said.append(f"Facts that it should hold and does not: {len(missing)}. They are named in the section Missing.")
    return tuple(said)


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    """Write the Composition first, then the Patient, then what the sections hold, in their order."""
    return document(
        picture,
        missing,
        letter=letter_concept("handover", TITLE),
        compose=handover_composition.build,
        title=TITLE,
        parts=PARTS,
        sentences=sentences(picture, missing),
    )


def _dose(picture: Picture) -> facts.LastDose | None:
    return facts.last_dose(picture.file, picture.as_of)


def _dose_known(picture: Picture) -> bool:
    """Say whether a last dose is in the file, or none is to be expected."""
    return picture.once(_dose) is not None or not selection.in_substitute_treatment(picture)


def _amount_known(picture: Picture) -> bool:
    dose = picture.once(_dose)
    return dose is None or dose.amount is not None or bool(dose.text)


def _supervision_known(picture: Picture) -> bool:
    dose = picture.once(_dose)
    return dose is None or dose.supervised is not None


REQUIRED: Final[Missing] = (
    *WHO,
    CONTACT,
    RequiredFact(
        name="release-address",
        heading="Release address",
        text="No release address is in the file.",
        present=lambda p: bool(facts.release_addresses(p.patient)),
    ),
    RequiredFact(
        name="risk",
        heading="Risk",
        text="No risk flag is in the file. Ask: that is not a finding of no risk.",
        present=lambda p: bool(p.once(selection.risk_flags)),
    ),
    RequiredFact(
        name="substitute-medication",
        heading="Substitute medication",
        text="No current substitute medication is in the file. Ask before concluding that there is none.",
        present=lambda p: bool(p.once(selection.substitute_medication)),
    ),
    RequiredFact(
        name="last-dose",
        heading="Last dose given",
        text="The person is in substitute treatment and no dose given is in the file. Ask before giving any dose.",
        present=_dose_known,
    ),
    RequiredFact(
        name="last-dose-amount",
        heading="Amount of the last dose",
        text="The amount of the last dose is not recorded. Ask before giving any dose.",
        present=_amount_known,
    ),
    RequiredFact(
        name="last-dose-supervision",
        heading="Supervision of the last dose",
        text="Whether the last dose was supervised is not recorded.",
        present=_supervision_known,
    ),
    RequiredFact(
        name="test-results",
        heading="Drug test results",
        text="No clinical drug test result is in the file.",
        present=lambda p: bool(p.drug_tests),
    ),
    RequiredFact(
        name="allergies",
        heading="Allergies",
        text="Nothing about allergies is in the file, not even that there are none.",
        present=lambda p: bool(p.once(selection.allergies)),
    ),
    RequiredFact(
        name="conditions",
        heading="Conditions",
        text="No condition is in the file.",
        present=lambda p: bool(p.once(selection.conditions)),
    ),
    RequiredFact(
        name="care-plan",
        heading="Care plan",
        text="No current care plan is in the file.",
        present=lambda p: bool(p.once(selection.care_plan)),
    ),
    RequiredFact(
        name="appointment",
        heading="Appointment after release",
        text="No appointment after release is in the file.",
        present=lambda p: bool(p.once(selection.appointments)),
    ),
    RequiredFact(
        name="general-practice",
        heading="General practice",
        text="The file names no general practice, or more than one.",
        present=lambda p: facts.gp_practice(p.file) is not None,
    ),
)

LETTER: Final = LetterKind(
    name="handover",
    title=TITLE,
    events=(Event.RELEASE, Event.RELEASE_UNCLEAR),
    wires=("fhir-document", "fhir-message", "fhir-collection"),
    whole_picture=True,
    hands_over=True,
    required=REQUIRED,
    write=write,
)
