"""Reception notice: a person in treatment came into custody; what was prescribed and given outside is asked for (specification A 5.2, 5.10).

It asks whoever treated or supplied the person, and names what is known so that the answer can confirm or correct it. It must never end
anything: a reception can be cancelled, and a prescription that somebody ended because of it is not there on the day of release.
"""

from typing import Final

from fhir_profiles import facts
from fhir_profiles.elements import name_of
from fhir_profiles.letters.parts.identity import CONTACT, WHO, who
from fhir_profiles.letters.parts.labels_of_ours import CONFIDENTIAL
from fhir_profiles.letters.parts.notice import establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.movements import place_of, stays_that_go_on
from fhir_profiles.profiles import reception_notice as profile
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "A person came into custody: request for the record"
ASKED: Final = (
    "the current prescription of every medicine: product, strength, form, dose, how often, and whether it is taken under supervision",
    "the last dose given or collected, its day and time, and doses missed in the seven days before",
    "the last long-acting injection, its strength and day, however long ago",
    "who prescribes, and until when",
    "allergies, a pregnancy, heart tracings, and risks that are known",
)
"""What the answer has to say, in the order of harm."""

DO_NOT_END: Final = (
    "Do not end a prescription or close the record because of this notice: a reception can be cancelled, and people are released without "
    "warning. Hold back what was to be supplied, and speak with the prison's service."
)


def known_medicines(picture: Picture) -> tuple[Json, ...]:
    """What somebody says the person takes, and which is not ended: the answer confirms or corrects it."""
    return picture.of("MedicationStatement", keep=lambda each: facts.current(each, picture.as_of))


def stay(picture: Picture) -> tuple[Json, ...]:
    """The stay that began, at the establishment that asks."""
    stays = stays_that_go_on(picture.file, None)
    return tuple(each for each in stays if place_of(each) == picture.context.establishment)[-1:]


def _sentences(picture: Picture, missing: Missing) -> tuple[str, ...]:
    context = picture.context
    place = context.establishment_name or context.establishment or "a prison"
    when = f" at {context.occurred}" if context.occurred else ""
    ask = f" ({context.establishment_telephone})" if context.establishment_telephone else ""
    said = [
        f"The person came into custody: {place}{when}. Nothing will be collected outside from then on.",
        f"Please send to the healthcare of {place}{ask} today: {'; '.join(ASKED)}.",
        DO_NOT_END,
        "Nobody else is to learn from this that the person is in custody, the person's family included.",
    ]
    known = len(known_medicines(picture))
    said.append(f"Medicines that the file names and that nobody has confirmed: {known}. Confirm or correct each.")
    said += [f"Not in this notice: {fact.heading.lower()}. {fact.text}" for fact in missing]
    return tuple(said)


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    medicines, began = known_medicines(picture), stay(picture)
    note = notice(
        picture,
        letter=letter_concept(profile.LETTER, TITLE),
        priority="urgent",
        sentences=_sentences(picture, missing),
        labels=CONFIDENTIAL,
    )
    about = (*began, *medicines)
    note = profile.build(note, tuple(name_of(each) for each in about))
    return (note, who(picture.patient), *about, establishment(picture))


LETTER: Final = LetterKind(
    name="reception-notice",
    title=TITLE,
    events=(Event.RECEPTION,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        CONTACT,
        RequiredFact(
            name="since-when",
            heading="Since when",
            text="When the person came into custody is not recorded.",
            present=lambda p: bool(p.context.occurred),
        ),
        RequiredFact(
            name="known-medicines",
            heading="Medicines",
            text="The file names no medicine that the person takes outside.",
            present=lambda p: bool(p.once(known_medicines)),
        ),
    ),
    write=write,
)
