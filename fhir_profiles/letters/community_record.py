"""Community record: what a provider or pharmacy outside has of somebody in custody, for the prison's health care (specification A 5.2, 5.9, 5.10).

The answer to a reception notice, or sent unasked: prescriptions, doses, results, risks, conditions and allergies of one message, as they were
written, with who wrote them. It MUST NOT hold what the prison's own systems said, and it is no prescription.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from fhir_profiles import facts
from fhir_profiles.elements import as_text, in_error, kind, of_type, well_formed
from fhir_profiles.letters.parts.carried import carried, write_carried
from fhir_profiles.letters.parts.identity import WHO
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import community_record as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Record and current prescription from outside"
_MEDICINES: Final = ("MedicationRequest", "MedicationStatement")
_DOSES: Final = ("MedicationAdministration", "MedicationDispense")
TYPES: Final = (*_MEDICINES, *_DOSES, "Observation", "Flag", "Condition", "AllergyIntolerance")
_WORDS: Final = {
    "MedicationRequest": "prescriptions",
    "MedicationStatement": "medicines as somebody says that they are taken",
    "not-taken": "medicines that somebody says are not taken",
    "given": "doses given",
    "not-given": "doses not given",
    "unsure": "doses of which nobody knows whether they were given",
    "supplied": "supplies",
    "not-supplied": "supplies that were not made",
    "unsure-supply": "supplies of which nobody knows whether they were made",
    "Observation": "results and scores",
    "Flag": "risks",
    "Condition": "conditions",
    "AllergyIntolerance": "allergies",
}


_HAD: Final = frozenset({"completed", "in-progress"})
_NOT_HAD: Final = frozenset({"not-done", "not-taken", "cancelled", "declined", "preparation", "draft"})
_COUNTED: Final = {
    "MedicationAdministration": ("given", "not-given", "unsure"),
    "MedicationDispense": ("supplied", "not-supplied", "unsure-supply"),
}


def _as_what(resource: Json) -> str:
    """What it is counted as. INVARIANT: what was not given or supplied is never counted as if it were: a reader doses by it."""
    status = as_text(resource.get("status"))
    if kind(resource) in _COUNTED:
        had, not_had, unsure = _COUNTED[kind(resource)]
        return had if status in _HAD else not_had if status in _NOT_HAD else unsure
    return "not-taken" if kind(resource) == "MedicationStatement" and status == "not-taken" else kind(resource)


def _is_taken(resource: Json, picture: Picture) -> bool:
    stands = facts.current(resource, picture.as_of) or facts.begins_later(resource, picture.as_of)
    return kind(resource) in _MEDICINES and stands


def told(picture: Picture) -> tuple[Json, ...]:
    return carried(picture, *TYPES)


def causes(brought: Sequence[Json], _before: Sequence[Json]) -> tuple[Json, ...]:
    return tuple(each for each in of_type(well_formed(brought), *TYPES) if not in_error(each))


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    found = told(picture)
    counted = Counter(map(_as_what, found))
    by = picture.context.recorded_by or "an organisation that is not named"
    listed = ", ".join(f"{words}: {counted[name]}" for name, words in _WORDS.items() if counted[name])
    return write_carried(
        picture,
        missing,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="urgent",
        said=(f"Told by {by}. {listed[:1].upper()}{listed[1:]}." if listed else f"Told by {by}.",),
        always=(profile.NO_PRESCRIPTION,),
        about=found,
    )


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.COMMUNITY_RECORD,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        RequiredFact(
            name="prescription",
            heading="Prescription",
            text="The message named no medicine that the person takes outside.",
            present=lambda p: any(_is_taken(each, p) for each in told(p)),
        ),
        RequiredFact(
            name="last-dose",
            heading="Last dose",
            text="The message said of no dose that it was given or supplied. Ask before giving any dose.",
            present=lambda p: any(_as_what(each) in {"given", "supplied"} for each in told(p)),
        ),
        RequiredFact(
            name="allergies",
            heading="Allergies",
            text="The message said nothing about allergies, not even that there are none.",
            present=lambda p: any(kind(each) == "AllergyIntolerance" for each in told(p)),
        ),
        RequiredFact(
            name="told-by",
            heading="Who tells it",
            text="The organisation that tells it is not named.",
            present=lambda p: bool(p.context.recorded_by),
        ),
    ),
    carries=causes,
    write=write,
)
