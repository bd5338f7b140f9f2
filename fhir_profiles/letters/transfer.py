"""Transfer: what the health care of the receiving prison needs on the day a person is moved there, from what came in before.

A whole picture, as a handover on release is, for people who take over both prescribing and plan (specification A 5.8 to 5.10). What the file
does not hold is named, never invented; risk is never left out (R075); a mandatory test is never in it. It must never be delayed or thinned
because something is missing, and it must never say that a person is released.
"""

from dataclasses import replace
from typing import Final

from fhir_profiles.letters import handover
from fhir_profiles.letters.parts import release_plan, selection
from fhir_profiles.letters.parts.document import Part, document
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import transfer_composition
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Substance misuse handover on transfer to another prison"
_OUTSIDE: Final = frozenset(
    {
        "Naloxone to take home",
        "Release plan: substitute medication from the day of release",
        "Release plan: community pharmacy",
        "General practice",
    }
)
"""Sections of a handover that are about the day of release; naloxone is among the other medication here."""
_RENAMED: Final = {
    "Release plan: local treatment provider": "Treatment provider outside",
    "Appointments after release": "Appointments that stand",
    "Care team in prison": "Care team in the prison that was left",
}


def _here(part: Part) -> Part:
    part = replace(part, title=_RENAMED.get(part.title, part.title))
    if part.title == "Risk":
        return replace(part, pick=release_plan.risks)
    if part.title == "Other current medication":
        return replace(part, pick=selection.other_medication)
    if part.title == "Appointments that stand":
        return replace(part, empty="No appointment that is still to come is in the file.")
    return part


PARTS: Final = tuple(_here(part) for part in handover.PARTS if part.title not in _OUTSIDE)
_NOT_ASKED: Final = frozenset(
    {
        "release-address",
        "appointment",
        "general-practice",
        "dose-on-the-day",
        "naloxone",
        "treatment-provider",
        "medicine-after-release",
        "community-pharmacy",
    }
)


DOSE_OF_THE_DAY: Final = RequiredFact(
    name="dose-on-the-day",
    heading="Dose on the day of the move",
    text="No dose of substitute medication is recorded as given on the day of the move. Ask the prison that was left before giving one.",
    present=selection.dose_of_the_day,
)


def sentences(picture: Picture, missing: Missing) -> tuple[str, ...]:
    """What the notice of a move says: from where and when, whether that is sure, and what is not in the letter."""
    context = picture.context
    place = context.establishment_name or context.establishment or "another prison"
    when = f" at {context.occurred}" if context.occurred else ""
    said = [f"Moved to another prison, from {place}{when}. The person is not released."]
    if context.provisional:
        said.append(
            "Provisional: the message that reported this can still be reversed. Act on it as a move; a correction follows if it was none."
        )
    return (*said, *handover.what_is_not_in_it(picture, missing))


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    return document(
        picture,
        missing,
        letter=letter_concept("transfer", TITLE),
        compose=transfer_composition.build,
        title=TITLE,
        event="Transfer to another prison",
        parts=PARTS,
        sentences=sentences(picture, missing),
    )


LETTER: Final = LetterKind(
    name="transfer",
    title=TITLE,
    events=(Event.TRANSFER,),
    wires=("fhir-document", "fhir-message", "fhir-collection"),
    whole_picture=True,
    hands_over=True,
    required=(
        *(
            replace(fact, heading=fact.heading.removeprefix("Release plan: "))
            for fact in handover.REQUIRED
            if fact.name not in _NOT_ASKED
        ),
        DOSE_OF_THE_DAY,
    ),
    write=write,
)
