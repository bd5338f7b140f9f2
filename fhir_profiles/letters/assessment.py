"""Assessment: forms, scores and clinical test results that were recorded in prison, for the substance misuse team there (specification A 5.5, 5.12).

It holds what one message brought, as it was recorded, and the risks that are known. A mandatory test MUST NOT be in it, nor a result of
another file: the order of letters holds. A result that is not confirmatory says so in its own data.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.content_events import assessments, clinical_results
from fhir_profiles.elements import as_text, kind, name_of
from fhir_profiles.letters.parts import selection
from fhir_profiles.letters.parts.carried import at_place, carried, write_carried
from fhir_profiles.letters.parts.document import marked
from fhir_profiles.letters.parts.identity import CONTACT, WHO, spoken_with
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import assessment as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Assessment or clinical test result, recorded in prison"


def recorded(picture: Picture) -> tuple[Json, ...]:
    """The forms, scores, tests and reports that caused this letter; each drug test that is not confirmatory says that it is presumptive."""
    tests = {name_of(test) for test in picture.drug_tests}
    found = carried(picture, "QuestionnaireResponse", "Observation", "DiagnosticReport")
    return tuple(marked(each) if name_of(each) in tests else each for each in found)


def causes(brought: Sequence[Json], _before: Sequence[Json]) -> tuple[Json, ...]:
    return (*assessments(brought), *clinical_results(brought))


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    found = recorded(picture)
    forms = sum(kind(each) == "QuestionnaireResponse" for each in found)
    tests = sum(kind(each) == "Observation" for each in found)
    return write_carried(
        picture,
        missing,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="routine",
        said=(f"Recorded at {at_place(picture)}. Forms: {forms}, results and scores: {tests}.",),
        always=(profile.CARE_ONLY,),
        about=found,
        beside=selection.risk_flags(picture),
        patient=spoken_with(picture.patient),
    )


def _dated(resource: Json) -> bool:
    times = (resource.get(name) for name in ("authored", "effectiveDateTime", "effectiveInstant", "issued"))
    return any(as_text(each) for each in times) or bool(resource.get("effectivePeriod"))


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.ASSESSMENT, Event.TEST_RESULT),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        CONTACT,
        RequiredFact(
            name="result",
            heading="Assessment or result",
            text="What was recorded is not in the file.",
            present=lambda p: bool(recorded(p)),
        ),
        RequiredFact(
            name="time",
            heading="Time",
            text="When it was recorded or taken is not recorded.",
            present=lambda p: all(_dated(each) for each in recorded(p)),
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
