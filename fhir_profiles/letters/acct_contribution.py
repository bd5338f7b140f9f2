"""ACCT contribution: what those who keep somebody safe have to know, in the words of a clinician who wrote it for them (specification A 5.4, 5.9).

The words, the risks that are known, and when somebody sees the person next. No diagnosis, no medicine and no test result MUST be in it, and no
sentence that a clinician did not write for an ACCT review: nothing is made of the file by rule but the risks. INVARIANT: an alert, or an
appointment, of an infection is none of these: those who read an ACCT are officers.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.content_events import acct_words
from fhir_profiles.elements import as_object, as_objects
from fhir_profiles.letters.parts import selection
from fhir_profiles.letters.parts.carried import at_place, carried, write_carried
from fhir_profiles.letters.parts.identity import CONTACT
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import acct_contribution as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json
from fhir_profiles.systems import ACT_CODE
from fhir_profiles.terminology import record_items

TITLE: Final = "Contribution to an ACCT review"
_CALLED: Final = ("code", "category", "serviceType", "serviceCategory", "specialty", "appointmentType", "reasonCode")


def words(picture: Picture) -> tuple[Json, ...]:
    return carried(picture, "Communication")


def causes(brought: Sequence[Json], _before: Sequence[Json]) -> tuple[Json, ...]:
    return acct_words(brought)


def risks(picture: Picture) -> tuple[Json, ...]:
    return tuple(each for each in selection.risk_flags(picture) if not _of_an_infection(each))


def appointments(picture: Picture) -> tuple[Json, ...]:
    return tuple(each for each in selection.appointments(picture) if not _of_an_infection(each))


def _of_an_infection(resource: Json) -> bool:
    """Say whether a flag or an appointment is about HIV, hepatitis or what is sexually transmitted: by its label, or by what it is called."""
    labels = as_objects(as_object(resource.get("meta")).get("security"))
    named = [concept for member in _CALLED for concept in as_objects(resource.get(member))]
    said = [*named, {"text": resource.get("description")}]
    return bool(
        {(ACT_CODE, "HIV"), (ACT_CODE, "STD")} & {(each.get("system"), each.get("code")) for each in labels}
    ) or ("blood-borne-viruses" in record_items(said))


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
        beside=(*risks(picture), *appointments(picture)),
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
            text="No risk is told here. Ask: that is not a finding of no risk.",
            present=lambda p: bool(p.once(risks)),
        ),
        RequiredFact(
            name="next-contact",
            heading="Next contact",
            text="No appointment that is still to come is told here.",
            present=lambda p: bool(p.once(appointments)),
        ),
    ),
    carries=causes,
    write=write,
)
