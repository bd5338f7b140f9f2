"""One resource as one line for a reader, from its data and nothing else. It must never compute, round or explain: numbers keep their digits.

A time stands as it was written, and where the clock of England said another, that one beside it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.days import LONDON
from fhir_profiles.drug_tests import CONFIRMATORY
from fhir_profiles.elements import as_object, as_objects, as_text, codes, kind, referenced, words_of
from fhir_profiles.facts import prescription_for_supply, supervised
from fhir_profiles.instalments import says_instalments
from fhir_profiles.medicines import other_strength
from fhir_profiles.profiles.notice import LETTER_CODES
from fhir_profiles.shapes import Json
from fhir_profiles.wires.amounts import dose_amount, number, period, quantity, ratio, span_of
from fhir_profiles.wires.dosage_words import dosages, speed_of, timing_words

_NOT_ORDERED: Final = frozenset({"proposal", "plan", "option"})
_STANDING: Final = frozenset({"active", "completed"})
_NOT_DONE: Final = "not-done"
_NOT_HAD: Final[Mapping[tuple[str, str], str]] = {
    ("MedicationAdministration", _NOT_DONE): "NOT given",
    ("MedicationStatement", "not-taken"): "NOT taken",
    ("MedicationDispense", "cancelled"): "NOT supplied",
    ("MedicationDispense", "declined"): "NOT supplied",
}
_MOMENT: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)(?![\w:])")
Found = Mapping[str, Json]
"""fullUrl -> resource of the same letter."""


def with_clock_of_england(text: str) -> str:
    """Put beside each time of a text what the clock of England said, where that is another.

    INVARIANT: nobody reads 09:00Z in summer as nine o'clock: an appointment would be missed, and a dose of after midnight be of the day before.
    """
    return _MOMENT.sub(lambda found: _on_the_clock(found.group()), text)


def _on_the_clock(written: str) -> str:
    try:
        moment = datetime.fromisoformat(written)
        here = moment.astimezone(LONDON)
    except (ValueError, OverflowError):
        return written
    if here.replace(tzinfo=None) == moment.replace(tzinfo=None):
        return written
    day = "" if here.date() == moment.date() else f"{here:%Y-%m-%d} "
    return f"{written} ({day}{here:%H:%M} in England)"


def medicine_name(resource: Json, found: Found) -> str:
    """Name a medicine, with the form and strength of its product, and where its code means another strength, which."""
    reference = as_object(resource.get("medicationReference"))
    concepts = (resource.get("medicationCodeableConcept"), as_object(found.get(referenced(reference))).get("code"))
    coded = next((other for each in concepts if (other := other_strength(as_object(each)))), "")
    words = (*map(words_of, concepts), as_text(reference.get("display")))
    named = next((word for word in words if word), "medicine not named")
    product = as_object(found.get(referenced(reference)))
    more = [each for each in _product(product, found) if each][1:] if product else []
    return ", ".join((named, *more, *([f"coded as {coded}"] if coded else [])))


def _notes(resource: Json) -> Iterator[str]:
    for note in as_objects(resource.get("note")):
        if as_text(note.get("text")):
            yield f"note: {as_text(note.get('text'))}"


def _when(resource: Json) -> str:
    return as_text(resource.get("effectiveDateTime")) or period(resource.get("effectivePeriod"))


def _prescription(resource: Json, found: Found) -> Iterator[str]:
    yield medicine_name(resource, found)
    yield "NOT to be given" if resource.get("doNotPerform") is True else ""
    yield from _stands(resource)
    # of two orders of one product a reader has to know which goes on outside
    yield "" if prescription_for_supply(resource) else "inpatient order, not for supply outside"
    yield f"intent {_intent(resource)}" if _intent(resource) in _NOT_ORDERED else ""
    yield from dosages(as_objects(resource.get("dosageInstruction")) or as_objects(resource.get("dosage")))
    yield _supervision(resource, unknown="")
    yield from _supply(resource)
    yield f"prescriber {named(resource.get('requester'), found)}" if named(resource.get("requester"), found) else ""
    written = as_text(resource.get("authoredOn")) or _when(resource)
    yield f"prescribed {written}" if written else "date of prescription not recorded"
    yield f"number {_numbers(resource)}" if _numbers(resource) else ""
    status = as_text(resource.get("status"))
    yield f"status {status}" if status in _STANDING else "" if status else "status not recorded"
    yield from _why(resource)
    yield from _notes(resource)


def _stands(resource: Json) -> Iterator[str]:
    """How an order stands that is not simply active. INVARIANT: nobody reads the dose before that it is none."""
    status = as_text(resource.get("status"))
    yield _NOT_HAD.get((kind(resource), status), "")
    yield f"status {status}" if status and status not in _STANDING else ""


def _numbers(resource: Json) -> str:
    """The numbers by which an order is known: of two orders of one product a reader tells by these which is meant."""
    return ", ".join(value for each in as_objects(resource.get("identifier")) if (value := as_text(each.get("value"))))


def _under(resource: Json, found: Found) -> Iterator[str]:
    """The prescriptions of the same letter that something was issued under: by number, else by the day on which they were written."""
    for each in as_objects(resource.get("authorizingPrescription")):
        request = as_object(found.get(referenced(each)))
        number, written = _numbers(request), as_text(request.get("authoredOn"))
        yield f"under prescription number {number}" if number else ""
        yield f"under the prescription of {written}" if written and not number else ""


def _intent(resource: Json) -> str:
    return as_text(resource.get("intent"))


def _supply(resource: Json) -> Iterator[str]:
    """How much is supplied, in which parts, and until when.

    INVARIANT: instalments are not read as repeats: "560 ml, repeats allowed 13" is fourteen times what was prescribed.
    """
    supply = as_object(resource.get("dispenseRequest"))
    repeats, parts = supply.get("numberOfRepeatsAllowed"), says_instalments(resource)
    for what, said in (
        ("total quantity" if parts else "quantity", dose_amount(supply.get("quantity"))),
        (
            "each instalment" if parts else "first supply",
            dose_amount(as_object(supply.get("initialFill")).get("quantity")),
        ),
        (
            "interval between instalments" if parts else "interval between supplies",
            quantity(supply.get("dispenseInterval")),
        ),
        (
            "instalments after the first" if parts else "repeats allowed",
            str(repeats) if isinstance(repeats, int) and not isinstance(repeats, bool) else "",
        ),
        ("to last", quantity(supply.get("expectedSupplyDuration"))),
        ("valid", period(supply.get("validityPeriod"))),
    ):
        yield f"{what} {said}" if said else ""


def _why(resource: Json) -> Iterator[str]:
    """Why it is, and why it stands as it does."""
    for what, member in (
        ("for", "reasonCode"),
        ("because", "statusReason"),
        ("because", "statusReasonCodeableConcept"),
    ):
        for concept in as_objects(resource.get(member)):
            yield f"{what}: {words_of(concept)}" if words_of(concept) else ""


def _supervision(resource: Json, unknown: str) -> str:
    return {True: "supervised", False: "not supervised", None: unknown}[supervised(resource)]


def _administration(resource: Json, found: Found) -> Iterator[str]:
    dosage = as_object(resource.get("dosage"))
    text = as_text(dosage.get("text"))
    status = as_text(resource.get("status"))
    yield medicine_name(resource, found)
    yield _NOT_HAD.get((kind(resource), status), "")
    yield dose_amount(dosage.get("dose")) or ("" if text or status == _NOT_DONE else "amount not recorded")
    yield speed_of(dosage)
    for member in ("route", "site", "method"):
        yield words_of(dosage.get(member))
    yield f"as written: {text}" if text else ""
    # what was not given, or not to its end, is never said to be given
    yield f"{'given' if status == 'completed' else 'on'} {_when(resource)}" if _when(resource) else "time not recorded"
    yield _supervision(resource, unknown="" if status == _NOT_DONE else "supervision not recorded")
    yield f"status {status or 'not recorded'}" if status != "completed" else ""
    yield from _why(resource)
    yield from _notes(resource)


def _value(resource: Json) -> str:
    """Write value[x] of an Observation or component, or why there is none."""
    for member in ("valueCodeableConcept", "dataAbsentReason"):
        if words_of(resource.get(member)):
            return words_of(resource.get(member))
    for member, written in (("valueQuantity", quantity), ("valueRange", span_of), ("valuePeriod", period)):
        if written(resource.get(member)):
            return written(resource.get(member))
    if ratio(resource.get("valueRatio"), ":"):
        return ratio(resource.get("valueRatio"), ":")
    for member in ("valueString", "valueDateTime", "valueTime"):
        if as_text(resource.get(member)):
            return as_text(resource.get(member))
    for member in ("valueInteger", "valueBoolean"):
        if isinstance(resource.get(member), int):
            return str(resource.get(member)).lower()
    return ""


def _read_as(resource: Json) -> str:
    """How the sender reads the value; our own word of a drug test is its value already."""
    words = [
        words_of(each)
        for each in as_objects(resource.get("interpretation"))
        if not codes(each, systems.TEST_RESULT) and words_of(each)
    ]
    return f" ({', '.join(words)})" if words else ""


def _observation(resource: Json, _found: Found) -> Iterator[str]:
    yield _when(resource) or "date not recorded"
    yield "NOT a result" if as_text(resource.get("status")) == "cancelled" else ""
    value = _value(resource)
    parts = as_objects(resource.get("component"))
    named = words_of(resource.get("code")) or "not named"
    yield f"{named}: {value or ('see parts' if parts else 'no value')}{_read_as(resource)}"
    for part in parts:
        yield f"{words_of(part.get('code')) or 'part not named'}: {_value(part) or 'no value'}{_read_as(part)}"
    concepts = [*as_objects(resource.get("category")), *as_objects(resource.get("code"))]
    purposes = codes(concepts, systems.TEST_PURPOSE)
    method = codes(resource.get("method"), systems.TEST_METHOD)
    if purposes or method or codes(concepts, systems.SUBSTANCE_GROUP):
        yield "confirmatory result" if CONFIRMATORY in method else "presumptive, not a confirmatory result"
        yield f"purpose: {', '.join(purposes) or 'not stated'}"
    # a result that can still change, or was taken back, is never read as a final one
    status = as_text(resource.get("status"))
    yield f"status {status}" if status not in {"", "final"} else ""
    yield from _notes(resource)


def _report(resource: Json, _found: Found) -> Iterator[str]:
    yield _when(resource) or as_text(resource.get("issued"))
    yield f"report: {words_of(resource.get('code')) or 'not named'}"
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""
    yield as_text(resource.get("conclusion"))


def _flag(resource: Json, _found: Found) -> Iterator[str]:
    yield words_of(resource.get("code")) or "flag without words"
    yield words_of(resource.get("category"))
    yield period(resource.get("period"))
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""


def _condition(resource: Json, _found: Found) -> Iterator[str]:
    yield words_of(resource.get("code")) or "not named"
    yield words_of(resource.get("severity"))
    yield words_of(resource.get("clinicalStatus"))
    yield words_of(resource.get("verificationStatus"))
    onset = as_text(resource.get("onsetDateTime")) or as_text(resource.get("recordedDate"))
    yield f"since or recorded {onset}" if onset else ""
    ended = as_text(resource.get("abatementDateTime")) or as_text(resource.get("abatementString"))
    yield f"until {ended}" if ended else ""
    yield from _notes(resource)


def _allergy(resource: Json, _found: Found) -> Iterator[str]:
    yield words_of(resource.get("code")) or "not named"
    yield words_of(resource.get("verificationStatus"))
    yield words_of(resource.get("clinicalStatus"))
    for reaction in as_objects(resource.get("reaction")):
        shown = [words_of(each) for each in as_objects(reaction.get("manifestation"))]
        more = (
            as_text(reaction.get("description")),
            as_text(reaction.get("severity")),
            words_of(reaction.get("substance")),
        )
        said = ", ".join(each for each in (*shown, *more) if each)
        yield f"reaction: {said}" if said else ""
    yield f"criticality {as_text(resource.get('criticality'))}" if as_text(resource.get("criticality")) else ""
    yield from _notes(resource)


def _plan(resource: Json, _found: Found) -> Iterator[str]:
    yield as_text(resource.get("title")) or words_of(resource.get("category")) or "care plan"
    yield period(resource.get("period")) or f"created {as_text(resource.get('created')) or 'on a day not recorded'}"
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""
    description = as_text(resource.get("description"))
    yield f"as written: {description}" if description else ""
    for activity in as_objects(resource.get("activity")):
        detail = as_object(activity.get("detail"))
        said = dict.fromkeys((words_of(detail.get("code")), as_text(detail.get("description"))))
        words = ", ".join(each for each in said if each)
        status = as_text(detail.get("status"))
        words = ", ".join(each for each in (words, *_scheduled(detail)) if each)
        yield f"activity: {words}{f', status {status}' if status else ''}" if words else ""
    yield from _notes(resource)


def _scheduled(detail: Json) -> Iterator[str]:
    """When and how much of an activity: a reduction is planned in these words."""
    yield as_text(detail.get("scheduledString")) or period(detail.get("scheduledPeriod"))
    yield from timing_words(as_object(detail.get("scheduledTiming")))
    yield words_of(detail.get("productCodeableConcept"))
    for what, member in (("amount", "quantity"), ("amount of a day", "dailyAmount")):
        amount = quantity(detail.get(member))
        yield f"{what} {amount}" if amount else ""


def _appointment(resource: Json, found: Found) -> Iterator[str]:
    yield as_text(resource.get("start")) or "time not recorded"
    yield f"until {as_text(resource.get('end'))}" if as_text(resource.get("end")) else ""
    said = (
        as_text(resource.get("description")),
        words_of(resource.get("serviceType")),
        words_of(resource.get("appointmentType")),
    )
    yield from dict.fromkeys(said)
    for participant in as_objects(resource.get("participant")):
        actor = participant.get("actor")
        who = named(actor, found) if kind(as_object(found.get(referenced(actor)))) != "Patient" else ""
        declined = ", who declined" if participant.get("status") == "declined" else ""
        yield f"with {who}{declined}" if who else ""
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""
    yield as_text(resource.get("comment"))
    for_person = as_text(resource.get("patientInstruction"))
    yield f"told the person: {for_person}" if for_person else ""


def _dispense(resource: Json, found: Found) -> Iterator[str]:
    yield medicine_name(resource, found)
    yield _NOT_HAD.get((kind(resource), as_text(resource.get("status"))), "")
    yield dose_amount(resource.get("quantity"))
    yield from _under(resource, found)
    yield from dosages(as_objects(resource.get("dosageInstruction")))
    handed = as_text(resource.get("whenHandedOver"))
    yield f"handed over {handed}" if handed else ""
    prepared = as_text(resource.get("whenPrepared"))
    yield f"made ready {prepared}" if prepared and not handed else ""
    yield f"status {as_text(resource.get('status')) or 'not recorded'}"
    yield from _why(resource)
    yield from _notes(resource)


def _team(resource: Json, found: Found) -> Iterator[str]:
    """Who is who, each by role; where only a reference says who it is, by what the letter holds of them."""
    yield as_text(resource.get("name"))
    for participant in as_objects(resource.get("participant")):
        roles = ", ".join(words for role in as_objects(participant.get("role")) if (words := words_of(role)))
        people = (named(participant.get(member), found) for member in ("member", "onBehalfOf"))
        who = ", ".join(person for person in people if person)
        yield f"{roles or 'role not named'}: {who or 'not named'}"
    yield from _reached(resource)
    status = as_text(resource.get("status"))
    yield f"status {status}" if status not in {"", "active"} else ""


def names_in_order(names: tuple[Json, ...]) -> list[Json]:
    """The names of a person, the one they have before any that they left: the first is what a record system files them under."""

    def rank(name: Json) -> int:
        left = as_text(as_object(name.get("period")).get("end")) or name.get("use") in {"old", "maiden"}
        return 3 if left else {"official": 0, "nickname": 2, "temp": 2}.get(as_text(name.get("use")), 1)

    return sorted(names, key=rank)


def person_name(name: Json) -> str:
    """Write a HumanName: its text, else title, given names and family name."""
    parts: list[str] = []
    for member in ("prefix", "given", "family", "suffix"):
        value = name.get(member)
        parts += [as_text(part) for part in (value if isinstance(value, list) else [value])]
    return as_text(name.get("text")) or " ".join(part for part in parts if part)


def named(reference: Any, found: Found) -> str:
    """Name whoever a reference means: by what the letter holds of them, else by its own words."""
    held = as_object(found.get(referenced(reference)))
    inner = as_object(held.get("practitioner"))
    person = held if not inner else as_object(found.get(referenced(inner)))
    names = person.get("name")
    written = next((whole for name in as_objects(names) if (whole := person_name(name))), "")
    if written:
        return written
    return as_text(names) or as_text(as_object(reference).get("display")) or as_text(inner.get("display"))


def _role(resource: Json, found: Found) -> Iterator[str]:
    yield named(resource.get("practitioner"), found) or "not named"
    yield ", ".join(words for code in as_objects(resource.get("code")) if (words := words_of(code)))
    yield named(resource.get("organization"), found)
    yield from _reached(resource)


def _practitioner(resource: Json, _found: Found) -> Iterator[str]:
    yield next((whole for name in as_objects(resource.get("name")) if (whole := person_name(name))), "not named")
    yield from _reached(resource)


def _reached(resource: Json) -> Iterator[str]:
    """The numbers and addresses by which somebody is known and reached."""
    for identifier in as_objects(resource.get("identifier")):
        yield f"code {as_text(identifier.get('value'))}" if as_text(identifier.get("value")) else ""
    for address in as_objects(resource.get("address")):
        yield address_line(address)
    for contact in as_objects(resource.get("telecom")):
        yield " ".join(part for part in (as_text(contact.get("system")), as_text(contact.get("value"))) if part)


def address_line(address: Json) -> str:
    """Write an Address on one line: its parts, else its text."""
    written = address.get("line")
    parts = [as_text(each) for each in written] if isinstance(written, list) else []
    parts += [as_text(address.get(member)) for member in ("city", "district", "state", "postalCode", "country")]
    return ", ".join(part for part in parts if part) or as_text(address.get("text"))


def _encounter(resource: Json, _found: Found) -> Iterator[str]:
    yield period(resource.get("period")) or "time not recorded"
    for member in ("type", "serviceType", "class", "reasonCode"):
        for concept in as_objects(resource.get(member)):
            yield words_of(concept) or as_text(concept.get("display")) or as_text(concept.get("code"))
    left = words_of(as_object(resource.get("hospitalization")).get("dischargeDisposition"))
    yield f"left by: {left}" if left else ""
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""


def _product(resource: Json, _found: Found) -> Iterator[str]:
    """A product by its name, form and strength: a strength that is lost changes the dose."""
    yield words_of(resource.get("code")) or "medicine not named"
    status = as_text(resource.get("status"))
    yield f"the record of this product is {status}" if status not in {"active", ""} else ""
    yield words_of(resource.get("form"))
    yield f"amount {amount}" if (amount := ratio(resource.get("amount"), " in ")) else ""
    for part in as_objects(resource.get("ingredient")):
        strength = ratio(part.get("strength"), " in ")
        inactive = "not active" if part.get("isActive") is False else ""
        said = (words_of(part.get("itemCodeableConcept")), strength, inactive)
        yield f"holds {' '.join(each for each in said if each)}" if any(said) else ""


def _organisation(resource: Json, _found: Found) -> Iterator[str]:
    yield as_text(resource.get("name"))
    yield "this record is not in use" if resource.get("active") is False else ""
    yield from _reached(resource)


def _communication(resource: Json, _found: Found) -> Iterator[str]:
    ours = any(codes(each, LETTER_CODES) for each in as_objects(resource.get("category")))
    status = as_text(resource.get("status"))
    # words such as "on Friday" are of the day on which they were said; a letter says of itself when it was written
    yield "" if ours else as_text(resource.get("sent"))
    yield "NOT done" if status == _NOT_DONE else f"Status {status}" if status not in {"completed", ""} else ""
    for payload in as_objects(resource.get("payload")):
        yield as_text(payload.get("contentString")).rstrip(".")
    yield from _why(resource)


def _goal(resource: Json, _found: Found) -> Iterator[str]:
    yield words_of(resource.get("description"))
    yield f"status {as_text(resource.get('lifecycleStatus'))}" if as_text(resource.get("lifecycleStatus")) else ""
    for target in as_objects(resource.get("target")):
        yield f"by {as_text(target.get('dueDate'))}" if as_text(target.get("dueDate")) else ""


def _referral(resource: Json, found: Found) -> Iterator[str]:
    """What is asked and why, by whom and of whom, and how it stands."""
    yield words_of(resource.get("code"))
    for reason in as_objects(resource.get("reasonCode")):
        yield words_of(reason)
    for identifier in as_objects(resource.get("identifier")):
        yield f"number {as_text(identifier.get('value'))}" if as_text(identifier.get("value")) else ""
    yield f"written {as_text(resource.get('authoredOn'))}" if as_text(resource.get("authoredOn")) else ""
    yield f"asked by {who}" if (who := named(resource.get("requester"), found)) else ""
    for performer in as_objects(resource.get("performer")):
        yield f"asked of {who}" if (who := named(performer, found)) else ""
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""
    yield from _notes(resource)


def _form(resource: Json, _found: Found) -> Iterator[str]:
    """Every question that was answered, in the words of the form."""
    yield as_text(resource.get("authored")) or "time not recorded"
    status = as_text(resource.get("status"))
    yield f"status {status}" if status not in {"completed", ""} else ""
    yield from _answers(resource)


def _answer(answer: Json) -> str:
    coding = as_object(answer.get("valueCoding"))
    said = as_text(coding.get("display")) or as_text(coding.get("code")) or as_text(answer.get("valueDate"))
    return _value(answer) or said or number(answer.get("valueDecimal"))


def _answers(holder: Json) -> Iterator[str]:
    for item in as_objects(holder.get("item")):
        answers = [words for answer in as_objects(item.get("answer")) if (words := _answer(answer))]
        if answers:
            yield f"{as_text(item.get('text')) or as_text(item.get('linkId'))}: {', '.join(answers)}"
        for answer in as_objects(item.get("answer")):
            yield from _answers(answer)
        yield from _answers(item)


_MAKERS: Final[Mapping[str, Callable[[Json, Found], Iterator[str]]]] = {
    "MedicationRequest": _prescription,
    "MedicationStatement": _prescription,
    "MedicationAdministration": _administration,
    "Observation": _observation,
    "DiagnosticReport": _report,
    "Flag": _flag,
    "Condition": _condition,
    "AllergyIntolerance": _allergy,
    "CarePlan": _plan,
    "Goal": _goal,
    "ServiceRequest": _referral,
    "QuestionnaireResponse": _form,
    "Appointment": _appointment,
    "CareTeam": _team,
    "MedicationDispense": _dispense,
    "Organization": _organisation,
    "Communication": _communication,
    "Encounter": _encounter,
    "Medication": _product,
    "Practitioner": _practitioner,
    "PractitionerRole": _role,
}


def sentence(resource: Json, found: Found) -> str:
    """Give one line about a resource; a type without a line of its own is named and no more."""
    maker = _MAKERS.get(kind(resource))
    parts = [part for part in maker(resource, found) if part] if maker is not None else []
    separator = ". " if kind(resource) == "Communication" else "; "
    return with_clock_of_england(separator.join(parts)) or kind(resource)
