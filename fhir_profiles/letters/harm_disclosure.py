"""Harm disclosure: the positive clinical tests of one message, to whom two people named, because serious harm is likely otherwise (A 5.12).

INVARIANT: without a positive therapeutic test there is no letter, whoever asks for it: an empty one would still say that the person is known
here. It must never hold a mandatory test, a test of unknown purpose, a negative result, a positive that a prescription explains, or anything else of the file.
"""

from typing import Final

from fhir_profiles import facts
from fhir_profiles.drug_tests import Purpose, groups_of, result_of
from fhir_profiles.elements import as_objects, name_of
from fhir_profiles.letters.parts.identity import CONTACT, TURNS
from fhir_profiles.letters.parts.labels_of_ours import RESTRICTED
from fhir_profiles.letters.parts.notice import establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import harm_disclosure as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Disclosure of a positive test, to prevent serious harm"
WHOSE: Final = {
    "harm-to-the-person": "harm to the person themselves",
    "harm-to-others": "harm to others: prisoners, staff or the safety of the prison",
}
_WHO: Final = ("resourceType", "id", "meta", "identifier", "name", *TURNS)
_RESULT: Final = (
    "resourceType",
    "id",
    "meta",
    "status",
    "code",
    "subject",
    "effectiveDateTime",
    "effectivePeriod",
    "valueCodeableConcept",
)


def positive_tests(picture: Picture) -> tuple[Json, ...]:
    """The positive therapeutic tests among what caused the letter, each with what is positive in it and no more."""
    found: dict[str, set[str]] = {}
    for test in facts.tests(picture.file):
        # INVARIANT: what is prescribed is found by its being taken: to tell of it would tell the treatment, and no danger.
        dangerous = test.result == "positive" and test.unexplained is not False
        if dangerous and test.purpose is Purpose.THERAPEUTIC and test.observation in picture.context.focus:
            found.setdefault(test.observation, set()).add(test.group)
    return tuple(_least(each, found[name_of(each)]) for each in picture.drug_tests if name_of(each) in found)


def _least(test: Json, groups: set[str]) -> Json:
    components = [
        each
        for each in as_objects(test.get("component"))
        if result_of(each) == "positive" and groups & set(groups_of(each))
    ]
    parts = [{key: each[key] for key in ("code", "valueCodeableConcept") if key in each} for each in components]
    least: Json = {key: test[key] for key in _RESULT if key in test}
    return {**least, "component": parts} if parts else least


def _sentences(picture: Picture, missing: Missing) -> tuple[str, ...]:
    context = picture.context
    whose = WHOSE.get(context.limb, "serious harm")
    place = context.establishment_name or context.establishment or "the sending establishment"
    ask = f", {context.establishment_telephone}" if context.establishment_telephone else ""
    return (
        f"Two people of different roles have decided that you have to know of these results, because otherwise is likely: {whose}.",
        profile.DANGER_ONLY,
        profile.UNSAFE if context.unsafe_to_tell else profile.TOLD,
        f"Whom to ask: healthcare of {place}{ask}.",
        *(f"Not in this letter: {fact.text}" for fact in missing),
    )


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    tests = picture.once(positive_tests)
    if not tests:
        return ()
    note = notice(
        picture,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="urgent",
        sentences=_sentences(picture, missing),
        labels=RESTRICTED,
    )
    who: Json = {key: picture.patient[key] for key in _WHO if key in picture.patient}
    return (profile.build(note, tuple(map(name_of, tests))), who, *tests, establishment(picture))


LETTER: Final = LetterKind(
    name=profile.LETTER,
    title=TITLE,
    events=(Event.HARM_TEST,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        RequiredFact(
            name="positive-test",
            heading="Positive test",
            text="There is no positive clinical test that nothing prescribed explains.",
            present=lambda p: bool(p.once(positive_tests)),
        ),
        RequiredFact(
            name="limb",
            heading="Whose harm",
            text="Whose harm is likely is not recorded.",
            present=lambda p: p.context.limb in WHOSE,
        ),
        CONTACT,
    ),
    write=write,
)
