"""Handover: what the community treatment provider needs on the day a person is released, from what came in before.

A whole picture, as a FHIR document with record standard headings. What the file does not hold is named, never invented; risk is never left
out (R075); a mandatory test is never in it (R118). It must never be delayed or thinned because something is missing.
"""

from typing import Final

from fhir_profiles import facts
from fhir_profiles.letters.parts import release_plan, selection
from fhir_profiles.letters.parts.document import Part, document
from fhir_profiles.letters.parts.identity import CONTACT, WHO
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import handover_composition
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Substance misuse handover on release from prison"
EVENT: Final = "Release from prison"


PARTS: Final = (
    Part(
        code="risk-information",
        title="Risk",
        pick=release_plan.risks_on_release,
        empty="No risk flag is in the file. That is not a finding of no risk.",
    ),
    Part(
        code="pregnancy",
        title="Pregnancy",
        pick=release_plan.pregnancy,
        empty="Nothing about a pregnancy is in the file. That is not a finding of none.",
        applies=release_plan.may_be_pregnant,
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
        pick=selection.last_doses,
        empty="No dose of substitute medication is recorded as given.",
    ),
    Part(
        code="treatments-and-interventions",
        title="Naloxone given",
        pick=release_plan.naloxone_given,
        empty="No naloxone is recorded as given.",
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
        pick=release_plan.other_medication,
        empty="No other current medication is in the file.",
    ),
    Part(
        code="discontinued-medications",
        title="Other medication that ended lately",
        pick=selection.ended_other_medication,
        empty="None that treats or causes dependence is in the file as ended lately.",
    ),
    Part(
        code="allergies-and-adverse-reaction",
        title="Allergies",
        pick=selection.allergies,
        empty="Nothing about allergies is in the file. That is not a finding of no allergy.",
    ),
    Part(
        code="investigation-results",
        title="Heart tracing (ECG) and QT interval",
        pick=release_plan.heart_tracings,
        empty="No heart tracing is in the file. That is not a finding of a normal one.",
    ),
    Part(
        code="naloxone",
        title="Naloxone to take home",
        pick=release_plan.naloxone,
        empty="Whether naloxone was offered, supplied or declined is not in the file.",
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
        pick=release_plan.scores,
        empty="No assessment score is in the file.",
    ),
    Part(
        code="blood-borne-viruses",
        title="Blood-borne viruses",
        pick=release_plan.blood_borne_viruses,
        empty="No status or test of blood-borne viruses is in the file.",
    ),
    Part(
        code="smoking",
        title="Smoking",
        pick=release_plan.smoking,
        empty="No smoking status is in the file.",
    ),
    Part(
        code="investigation-results",
        title="Liver function",
        pick=release_plan.liver_function,
        empty="No test of liver function is in the file.",
    ),
    Part(code="diagnoses", title="Conditions", pick=release_plan.conditions, empty="No condition is in the file."),
    Part(
        code="plan-and-requested-actions",
        title="Care plan",
        pick=selection.care_plan,
        empty="No current care plan is in the file.",
    ),
    Part(
        code="plan-and-requested-actions",
        title="Release plan: local treatment provider",
        pick=release_plan.treatment_provider,
        empty="No local treatment provider is named in the file.",
    ),
    Part(
        code="plan-and-requested-actions",
        title="Release plan: substitute medication from the day of release",
        pick=release_plan.medicine_after_release,
        empty="No prescription of substitute medication for outside prison is in the file.",
    ),
    Part(
        code="plan-and-requested-actions",
        title="Release plan: community pharmacy",
        pick=release_plan.community_pharmacy,
        empty="No one community pharmacy is named in the file.",
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
    Part(
        code="care-team",
        title="Care team in prison",
        pick=release_plan.care_teams,
        empty="Nobody of the care team is named in the file.",
    ),
    Part(
        code="communication-needs",
        title="Communication needs",
        pick=release_plan.communication_needs,
        empty="No communication need is in the file beside the language that the person's details say.",
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
    return (*said, *what_is_not_in_it(picture, missing))


NOT_KEPT_DOWN: Final = (
    "The record of a last dose has words that it was vomited or not kept down: how much of it was absorbed is not known. "
    "Ask before giving or replacing a dose, and do not take the amount for tolerated."
)
"""Said of every dose under "Last dose given" together: which it is, its own line says."""


def what_is_not_in_it(picture: Picture, missing: Missing) -> tuple[str, ...]:
    """What every handover says of itself: earlier messages, what was agreed, several prescriptions of one kind, and facts that it has not."""
    earlier = picture.context.not_contained
    said = [
        "No earlier message that is known to be about this person waits outside it."
        if earlier == 0
        else f"Earlier messages that it does not contain: {earlier}. They wait for a person and follow when they are settled.",
        "What else the person agreed to, or refused, stays in the register of the sending service: ask there before passing this on.",
    ]
    together = len(selection.prescriptions_of_today(picture))
    if together > 1:
        said.append(
            f"Prescriptions of substitute medication that stand on this day: {together}. "
            "Ask whether they are taken together, or one takes the place of the other."
        )
    if selection.last_dose_may_be_lost(picture):
        said.append(NOT_KEPT_DOWN)
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
        event=EVENT,
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
        present=lambda p: bool(p.once(release_plan.risks)),
    ),
    RequiredFact(
        name="pregnancy",
        heading="Pregnancy",
        text="Whether the person is pregnant is not in the file. Ask: that is not a finding of none.",
        present=release_plan.pregnancy_known,
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
        name="dose-on-the-day",
        heading="Dose on the day of release",
        text="No dose of substitute medication is recorded as given on the day of release. Ask the prison before giving or supplying one today.",
        present=selection.dose_of_the_day,
    ),
    RequiredFact(
        name="recent-dose",
        heading="Days without a dose",
        text="No dose of substitute medication is recorded for three whole days or more: tolerance may be lost. Ask before giving any dose, "
        "and do not take the last one for safe.",
        present=selection.dose_is_recent,
    ),
    RequiredFact(
        name="test-results",
        heading="Drug test results",
        text="No clinical drug test result is in the file.",
        present=lambda p: bool(p.drug_tests),
    ),
    RequiredFact(
        name="heart-tracing",
        heading="Heart tracing (ECG) and QT interval",
        text="The person is treated with methadone and no heart tracing is in the file. Ask whether one was made.",
        present=release_plan.heart_tracing_known,
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
    RequiredFact(
        name="naloxone",
        heading="Naloxone to take home",
        text="Whether naloxone was offered, supplied or declined is not in the file.",
        present=release_plan.naloxone_known,
    ),
    RequiredFact(
        name="blood-borne-viruses",
        heading="Blood-borne viruses",
        text="No status or test of blood-borne viruses is in the file, not even that none was offered.",
        present=lambda p: bool(p.once(release_plan.blood_borne_viruses)),
    ),
    RequiredFact(
        name="smoking",
        heading="Smoking",
        text="No smoking status is in the file.",
        present=lambda p: bool(p.once(release_plan.smoking)),
    ),
    RequiredFact(
        name="scores",
        heading="Assessment scores",
        text="No assessment score (AUDIT or another) is in the file.",
        present=lambda p: bool(p.once(release_plan.scores)),
    ),
    RequiredFact(
        name="treatment-provider",
        heading="Release plan: local treatment provider",
        text="No local treatment provider is named in the file.",
        present=lambda p: bool(p.once(release_plan.treatment_provider)),
    ),
    RequiredFact(
        name="single-point-of-contact",
        heading="Release plan: single point of contact",
        text="No single point of contact in the prison is named in the file. Ask at the telephone number of the establishment.",
        present=release_plan.in_role(release_plan.SPOC),
    ),
    RequiredFact(
        name="medicine-after-release",
        heading="Release plan: substitute medication",
        text="The person is in substitute treatment and no prescription for outside prison is in the file: see today that there is one.",
        present=release_plan.continuation_known,
    ),
    RequiredFact(
        name="community-pharmacy",
        heading="Release plan: community pharmacy",
        text="The file names no community pharmacy, or more than one.",
        present=lambda p: bool(p.once(release_plan.community_pharmacy)),
    ),
    RequiredFact(
        name="named-nurse",
        heading="Named nurse",
        text="No named nurse is in the file.",
        present=release_plan.in_role(release_plan.NAMED_NURSE),
    ),
    RequiredFact(
        name="recovery-coordinator",
        heading="Recovery co-ordinator",
        text="No recovery co-ordinator is in the file.",
        present=release_plan.in_role(release_plan.RECOVERY_COORDINATOR),
    ),
    RequiredFact(
        name="communication-needs",
        heading="Communication needs",
        text="Neither the person's language nor a communication need is in the file.",
        present=release_plan.communication_known,
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
