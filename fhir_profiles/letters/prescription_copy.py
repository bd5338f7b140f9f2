"""Prescription copy: what was prescribed, issued and last taken, for the pharmacy that the person uses. It must never look like an order or an
authority to supply.

It holds the prescriptions that caused it and no other, the last issue and the last dose of what they prescribe, and the mark in a Communication
and in each MedicationRequest. Not a whole picture: the order of copies holds. No reason, plan or test is in it.
"""

from collections.abc import Callable
from typing import Final

from fhir_profiles import facts
from fhir_profiles.elements import as_object, as_objects, as_text, name_of
from fhir_profiles.issued import is_issued_under, last_issued, may_be_issued
from fhir_profiles.letters.parts.identity import CONTACT, WHO, reachable
from fhir_profiles.letters.parts.labels_of_ours import CONFIDENTIAL
from fhir_profiles.letters.parts.notice import establishment, notice
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.medicines import Same, is_substitute, same_medicine
from fhir_profiles.profiles import prescription_copy as copy
from fhir_profiles.profiles.notice import letter_concept
from fhir_profiles.shapes import Event, Json

TITLE: Final = "Copy of a prescription"
_HEAD: Final = ("resourceType", "id", "meta", "implicitRules", "contained", "extension", "modifierExtension")
_ISSUE: Final = (*_HEAD, "status", "subject", "quantity", "daysSupply", "whenPrepared", "whenHandedOver")
_MEDICINE: Final = ("medicationCodeableConcept", "medicationReference")
"""With these, what a copy tells of an issue: nobody but the person, and no reason or remark."""

LATER: Final = "What is issued after this copy was written is not told by another: before a supply, ask the establishment what was issued since."
"""A dispense alone makes no copy (docs/decisions/0054)."""
_NEVER: Final = "Issue not recorded: nothing in the file says what was issued of this medicine."
_PERHAPS: Final = (
    "Issue not certain: an issue is recorded that may be of this medicine, and the file does not say that it is."
)


def prescriptions(picture: Picture) -> tuple[Json, ...]:
    """The prescriptions that caused this letter and that a pharmacy could ever supply, in the order of the file."""
    focus = frozenset(picture.context.focus)
    return picture.of("MedicationRequest", keep=lambda r: name_of(r) in focus and facts.prescription_for_supply(r))


def last_doses(picture: Picture) -> tuple[Json, ...]:
    """The doses of the day of the last one of what each prescription prescribes, an injection that still acts, and what may have been in part, each once."""
    every = (each for r in picture.once(prescriptions) for each in facts.doses_to_tell(picture.file, picture.as_of, r))
    return tuple({name_of(each): each for each in every}.values())


def issued(picture: Picture) -> tuple[Json, ...]:
    """The last issue of what each prescription prescribes, and what may have been issued in part after it, each once.

    One that was issued under the prescription names its copy; one under an earlier prescription names none.
    """
    found: dict[str, Json] = {}
    requests = picture.once(prescriptions)
    for dispense in (each for request in requests for each in last_issued(request, picture.file, picture.as_of)):
        under = [{"reference": name_of(request)} for request in requests if is_issued_under(dispense, request)]
        told = {key: value for key, value in dispense.items() if key in {*_ISSUE, *_MEDICINE}}
        found[name_of(dispense)] = told | ({"authorizingPrescription": under} if under else {})
    return tuple(found.values())


def _says_dosage(request: Json, _picture: Picture) -> bool:
    return any(
        as_text(d.get("text")) or as_objects(d.get("doseAndRate")) for d in as_objects(request.get("dosageInstruction"))
    )


def _says_quantity(request: Json, _picture: Picture) -> bool:
    return as_object(as_object(request.get("dispenseRequest")).get("quantity")).get("value") is not None


def _says_prescriber(request: Json, _picture: Picture) -> bool:
    return bool(as_object(request.get("requester")))


def _is_issued(request: Json, picture: Picture) -> bool:
    return bool(last_issued(request, picture.file, picture.as_of))


def _is_taken(request: Json, picture: Picture) -> bool:
    return facts.last_administration(picture.file, picture.as_of, request) is not None or bool(
        facts.doses_in_doubt(picture.file, picture.as_of, request)
    )


def _is_kept_down(request: Json, picture: Picture) -> bool:
    doses = facts.doses_to_tell(picture.file, picture.as_of, request)
    return not any(facts.may_be_lost(each, picture.file) for each in doses)


def _is_recent(request: Json, picture: Picture) -> bool:
    """Say whether no substitute medication was without a dose on record for three whole days: of another no tolerance is lost."""
    treats = is_substitute(request, picture.file)
    return not treats or not facts.without_a_dose_for_days(picture.file, picture.as_of, request)


def _is_not_over(request: Json, picture: Picture) -> bool:
    """Say whether a prescription that nobody ended can still be in force: a message that came late reads as if it were of today."""
    status, as_of = as_text(request.get("status")), picture.as_of
    ended = status in {"stopped", "cancelled", "completed", "entered-in-error"}
    return ended or facts.current(request, as_of) or facts.begins_later(request, as_of)


_NOT_KEPT_DOWN: Final = (
    "Last dose perhaps not absorbed: its record has words that it was vomited or not kept down. "
    "Before a supply, and before a dose is replaced, ask the prescriber."
)

_OF_EACH: Final[tuple[tuple[Callable[[Json, Picture], bool], str], ...]] = (
    (_is_not_over, "The last day of this prescription is past: before a supply, ask whether another takes its place."),
    (_says_dosage, "Dosage not recorded: this prescription does not say how the medicine is taken."),
    (_says_quantity, "Quantity not recorded: this prescription does not say how much is to be supplied."),
    (_says_prescriber, "Prescriber not recorded: this prescription does not say who wrote it."),
    (_is_issued, _NEVER),
    (_is_taken, "Last dose not known: nothing in the file says for certain when this medicine was last taken."),
    (
        _is_kept_down,
        _NOT_KEPT_DOWN,
    ),
    (
        _is_recent,
        "No dose of this medicine is recorded for three whole days or more: tolerance may be lost. Before a supply, ask the prescriber.",
    ),
)
"""What a prescription should say, or the file of its medicine, and what is said in its place.

INVARIANT: it stands in the prescription itself and not in the notice: there it could be read of another medicine, and would have to name one
that a consent may keep back.
"""


_ANOTHER: Final = "Another prescription of this medicine stands: before a supply, ask whether this one takes its place."


def _is_alone(request: Json, picture: Picture) -> bool:
    """INVARIANT: whoever supplies by two that stand is told to ask: a change that did not end what it changed is twice the dose."""
    return not any(
        facts.current(each, picture.as_of)
        and as_text(each.get("status")) != "on-hold"
        and facts.prescription_for_supply(each)
        and same_medicine(each, request, picture.file) is Same.YES
        for each in picture.of("MedicationRequest")
        if name_of(each) != name_of(request)
    )


def _not_known(request: Json, picture: Picture) -> tuple[str, ...]:
    """What is said where something is not known of this prescription, or of what was issued and taken of its medicine."""
    said = [sentence for knows, sentence in _OF_EACH if not knows(request, picture)]
    said += [_ANOTHER] if facts.current(request, picture.as_of) and not _is_alone(request, picture) else []
    perhaps = may_be_issued(request, picture.file, picture.as_of)
    return tuple(_PERHAPS if sentence == _NEVER and perhaps else sentence for sentence in said)


def _of_each(knows: Callable[[Json, Picture], bool]) -> Callable[[Picture], bool]:
    """Say whether something is known of every prescription of the copy."""
    return lambda picture: all(knows(request, picture) for request in picture.once(prescriptions))


def write(picture: Picture, missing: Missing) -> tuple[Json, ...]:
    requests = picture.once(prescriptions)
    sentences = [copy.MARK, LATER, f"Prescriptions in this copy: {len(requests)}."]
    sentences += [f"Not in this copy: {fact.heading.lower()}. {fact.text}" for fact in missing]
    note = notice(
        picture,
        letter=letter_concept("prescription-copy", TITLE),
        priority="routine",
        sentences=tuple(sentences),
        labels=CONFIDENTIAL,
    )
    if requests:
        note["about"] = [{"reference": name_of(request)} for request in requests]
    copies = [copy.build(request, *_not_known(request, picture)) for request in requests]
    told = (*copies, *issued(picture), *last_doses(picture))
    return (note, reachable(picture.patient), *told, establishment(picture))


LETTER: Final = LetterKind(
    name="prescription-copy",
    title=TITLE,
    events=(Event.PRESCRIPTION,),
    wires=("fhir-message", "fhir-collection"),
    whole_picture=False,
    required=(
        *WHO,
        CONTACT,
        RequiredFact(
            name="address",
            heading="Address",
            text="The address of the person is not in the file.",
            present=lambda p: p.is_sensitive or bool(facts.addresses_to_tell(p.patient)),
        ),
        RequiredFact(
            name="prescription",
            heading="Prescription",
            text="None of the prescriptions named can be supplied by a pharmacy.",
            present=lambda p: bool(p.once(prescriptions)),
        ),
        RequiredFact(
            name="dosage",
            heading="Dosage",
            text="How it is taken is not recorded of a medicine in this copy: the note of that medicine says so.",
            present=_of_each(_says_dosage),
        ),
        RequiredFact(
            name="quantity",
            heading="Quantity",
            text="The quantity is not recorded of a medicine in this copy: the note of that medicine says so.",
            present=_of_each(_says_quantity),
        ),
        RequiredFact(
            name="prescriber",
            heading="Prescriber",
            text="The prescriber is not recorded of a medicine in this copy: the note of that medicine says so.",
            present=_of_each(_says_prescriber),
        ),
        RequiredFact(
            name="issue",
            heading="Issue",
            text="Issue not recorded, or not certain, of a medicine in this copy: the note of that medicine says so.",
            present=_of_each(_is_issued),
        ),
        RequiredFact(
            name="last-dose",
            heading="Last dose",
            text="The last dose is not known of a medicine in this copy: the note of that medicine says so.",
            present=lambda p: bool(p.once(prescriptions)) and _of_each(_is_taken)(p),
        ),
    ),
    write=write,
)
