"""Mandatory test referral: security's positive mandatory test, as a referral for the substance misuse team (specification A 5.13, R126).

Everybody with such a result is offered treatment. The result is the prison's own: it is in this letter as a mandatory one and MUST NOT be in any
clinical letter, and nothing clinical is in this one. Nothing of it goes back to security: not whether anybody came, nor what came of it.
"""

from collections.abc import Sequence
from typing import Final

from fhir_profiles.content_events import mandatory_positives
from fhir_profiles.days import days_of
from fhir_profiles.drug_tests import NOT_DONE, assays_of, taken
from fhir_profiles.elements import as_text, identifier_value, name_of
from fhir_profiles.letters.parts.carried import at_place, write_carried
from fhir_profiles.letters.parts.identity import WHO
from fhir_profiles.letters.parts.labels_of_ours import RESTRICTED
from fhir_profiles.letters.parts.notice import ESTABLISHMENT
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import mandatory_test_referral as profile
from fhir_profiles.profiles import referral
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json
from fhir_profiles.systems import PRISON_NUMBER

TITLE: Final = "Referral after a positive mandatory drug test"


def results(picture: Picture) -> tuple[Json, ...]:
    """The mandatory results that caused this letter and are still positive, and no other."""
    focus = frozenset(picture.context.focus)
    return tuple(each for each in picture.prison_tests if name_of(each) in focus and _stands(each))


def _stands(test: Json) -> bool:
    """Not once it was cancelled or found something else. What only its report calls a drug test stands: nobody has said otherwise."""
    found = {assay.result for assay in assays_of(test)}
    return as_text(test.get("status")) not in NOT_DONE and (not found or "positive" in found)


def causes(brought: Sequence[Json], before: Sequence[Json]) -> tuple[Json, ...]:
    """The positive results of which none was known: another word, or another substance, of a test that was referred makes no second referral."""
    known = mandatory_positives(before)
    names = {name_of(each) for each in known}
    days = [day for each in known if (day := days_of(taken(each))) is not None]
    return tuple(
        each for each in mandatory_positives(brought) if name_of(each) not in names and days_of(taken(each)) not in days
    )


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    found = results(picture)
    request = referral.made(
        use_case="mandatory-test-to-treatment",
        reason="Positive mandatory drug test",
        subject=name_of(picture.patient),
        requester=ESTABLISHMENT,
        authored=picture.as_of,
        about=tuple(map(name_of, found)),
    )
    return write_carried(
        picture,
        missing,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="routine",
        said=(f"Referral from {at_place(picture)}: a mandatory drug test was positive. Offer an assessment.",),
        always=(profile.NOT_CLINICAL, profile.NOTHING_BACK),
        about=({**request, "meta": RESTRICTED}, *found) if found else (),
    )


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.MANDATORY_POSITIVE,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *(fact for fact in WHO if fact.name != "nhs-number"),
        RequiredFact(
            name="prison-number",
            heading="Prison number",
            text="The prison number is not in the file.",
            present=lambda p: bool(identifier_value(p.patient.get("identifier"), PRISON_NUMBER)),
        ),
        RequiredFact(
            name="result",
            heading="Result",
            text="The result is not in the file.",
            present=lambda p: bool(results(p)),
        ),
        RequiredFact(
            name="day",
            heading="Day of the test",
            text="When the test was taken is not recorded.",
            present=lambda p: all(taken(each) for each in results(p)),
        ),
    ),
    carries=causes,
    write=write,
)
