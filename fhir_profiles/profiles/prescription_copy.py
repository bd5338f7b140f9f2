"""Profile prescription-copy: a MedicationRequest that is a copy for information, and says so in itself (derived from UK Core MedicationRequest)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from fhir_profiles.elements import as_object, as_objects, as_text, codings
from fhir_profiles.instalments import COURSE, INSTALMENTS, Instalments, form_of, instalments_of, serial_of
from fhir_profiles.number_words import in_words
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json

NO_UNIT: Final = "(unit not recorded)"
"""Said of an amount of a medicine that has none: 40 of nobody says what is not read as what the reader is used to."""
MARK: Final = "Information only: not a prescription, not authority to supply."
_LEFT_OUT: Final = frozenset(
    {"reasonCode", "reasonReference", "supportingInformation", "encounter", "basedOn", "detectedIssue", "eventHistory"}
)
"""Elements that say why or whereto: the pharmacy does not need them."""
ORDER_SYSTEMS: Final = frozenset(
    {"https://fhir.nhs.uk/Id/prescription-order-item-number", "https://fhir.nhs.uk/Id/prescription-order-number"}
)
"""Numbers by which the Electronic Prescription Service knows an order: a copy never carries one as its own."""


_INTENTS: Final = {"order": "original-order", "": "original-order"}
_OF_INSTALMENTS: Final = frozenset({"original-order", "instance-order", "plan", "proposal"})
"""eps-8 of the Medicines guide, for what is ordered; a plan is not ordered yet."""


def build(request: Json, *sentences: str) -> Json:
    """Copy a prescription with the mark as its first note, then `sentences`. What it authorises stays as it was: nothing.

    Of an instalment prescription the copy says so in codes and in words; it is the original order of its instalments. UK Core asks every
    MedicationRequest whether a substitution is allowed; where the source is silent a copy says no, since it allows nothing.
    """
    copy = {key: value for key, value in request.items() if key not in _LEFT_OUT}
    said = instalments_of(request)
    told = in_words_and_figures(said) if said is not None else form_and_serial(request)
    ours = [{"text": each} for each in (MARK, *sentences, told) if each]
    copy["note"] = [*ours, *as_objects(request.get("note"))]
    if said is not None:
        copy["intent"] = _INTENTS.get(as_text(request.get("intent")), request.get("intent"))
        copy["courseOfTherapyType"] = _course(as_object(request.get("courseOfTherapyType")))
    copy.setdefault("substitution", {"allowedBoolean": False})
    return copy


def form_and_serial(request: Json) -> str:
    """Say on which form it is written and under which number, where that is known: by these a pharmacist finds the paper."""
    form, serial = form_of(request), serial_of(request)
    said = (f"form {form}" if form else "", f"serial number {serial}" if serial else "")
    told = ", ".join(each for each in said if each)
    return f"{told[:1].upper()}{told[1:]}." if told else ""


def in_words_and_figures(said: Instalments) -> str:
    """Say what an instalment prescription says, its amounts in figures and words; what it does not say is named."""
    parts = (
        ("total quantity", _amount(said.total)),
        ("each instalment", _amount(said.each)),
        ("interval", _days(said.interval_days)),
        ("instalments", _count(said.count)),
        ("for", _days(said.days)),
        ("form", said.form or "not recorded"),
        ("serial number", said.serial or "not recorded"),
    )
    told = ", ".join(f"{name} {value}" for name, value in parts)
    return f"Instalment prescription, on paper: the Electronic Prescription Service carries none. {told[:1].upper()}{told[1:]}."


def _amount(quantity: Json) -> str:
    number = quantity.get("value")
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return "not recorded"
    unit = as_text(quantity.get("unit")) or as_text(quantity.get("code"))
    try:
        words = f" ({in_words(number)}{f' {unit}' if unit else ''})"
    except ValueError:
        words = ""
    digits = f"{number:f}" if isinstance(number, Decimal) else str(number)  # never as a power of ten
    return f"{digits} {unit or NO_UNIT}{words}"


def _days(days: int | None) -> str:
    return "not recorded" if days is None else f"{days} {'day' if days == 1 else 'days'}"


def _count(count: int | None) -> str:
    return "not recorded" if count is None else str(count)


def _course(course: Json) -> Json:
    """The course of therapy in our own code beside the sender's."""
    if any(as_text(each.get("code")) == INSTALMENTS for each in codings(course)):
        return course
    return {
        **course,
        "coding": [*as_objects(course.get("coding")), {"system": COURSE, "code": INSTALMENTS}],
        "text": as_text(course.get("text")) or "Instalments",
    }


def _rules(request: Json) -> Iterator[Fault]:
    notes = as_objects(request.get("note"))
    if not notes or as_text(notes[0].get("text")) != MARK:
        yield "MedicationRequest.note[0]", "the first note is not the mark that this is no prescription"
    numbers = [*as_objects(request.get("identifier")), as_object(request.get("groupIdentifier"))]
    if any(as_text(number.get("system")) in ORDER_SYSTEMS for number in numbers):
        yield "MedicationRequest.identifier", "a copy carries the number of an electronic order"
    if instalments_of(request) is not None and as_text(request.get("intent")) not in _OF_INSTALMENTS:
        yield "MedicationRequest.intent", "an instalment prescription is an original order, or an instance of one"


PROFILE: Final = Profile(name="prescription-copy", resource_type="MedicationRequest", rules=_rules)
