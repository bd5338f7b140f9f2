"""One resource as one line for a reader, from its data and nothing else. It must never compute, round or explain: numbers keep their digits."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.drug_tests import CONFIRMATORY
from fhir_profiles.elements import as_object, as_objects, as_text, codes, kind, referenced, words_of
from fhir_profiles.facts import supervised
from fhir_profiles.shapes import Json

Found = Mapping[str, Json]
"""fullUrl -> resource of the same letter."""


def quantity(value: Any) -> str:
    """Write a Quantity: comparator, digits as they are, unit."""
    item = as_object(value)
    number = item.get("value")
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return ""
    unit = as_text(item.get("unit")) or as_text(item.get("code"))
    return " ".join(part for part in (as_text(item.get("comparator")) + str(number), unit) if part)


def _period(value: Any) -> str:
    period = as_object(value)
    start, end = as_text(period.get("start")), as_text(period.get("end"))
    return " ".join(part for part in (f"from {start}" if start else "", f"to {end}" if end else "") if part)


def _medicine(resource: Json, found: Found) -> str:
    reference = as_object(resource.get("medicationReference"))
    concepts = (resource.get("medicationCodeableConcept"), as_object(found.get(referenced(reference))).get("code"))
    words = (*map(words_of, concepts), as_text(reference.get("display")))
    return next((word for word in words if word), "medicine not named")


def _notes(resource: Json) -> Iterator[str]:
    for note in as_objects(resource.get("note")):
        if as_text(note.get("text")):
            yield f"note: {as_text(note.get('text'))}"


def _when(resource: Json) -> str:
    return as_text(resource.get("effectiveDateTime")) or _period(resource.get("effectivePeriod"))


def _dosage(dosage: Json) -> Iterator[str]:
    """The dose in figures, then the text as it was written."""
    timing = as_object(dosage.get("timing"))
    for rate in as_objects(dosage.get("doseAndRate")):
        dose = quantity(rate.get("doseQuantity"))
        low, high = (quantity(as_object(rate.get("doseRange")).get(end)) for end in ("low", "high"))
        yield dose or " to ".join(part for part in (low, high) if part)
    yield words_of(timing.get("code"))
    yield words_of(dosage.get("route"))
    yield _period(as_object(timing.get("repeat")).get("boundsPeriod"))
    text = as_text(dosage.get("text")) or as_text(dosage.get("patientInstruction"))
    yield f"as written: {text}" if text else ""
    for instruction in as_objects(dosage.get("additionalInstruction")):
        yield f"instruction: {words_of(instruction)}" if words_of(instruction) else ""


def _prescription(resource: Json, found: Found) -> Iterator[str]:
    yield _medicine(resource, found)
    for dosage in as_objects(resource.get("dosageInstruction")) or as_objects(resource.get("dosage")):
        yield from _dosage(dosage)
    yield _supervision(resource, unknown="")
    supply = as_object(resource.get("dispenseRequest"))
    total = quantity(supply.get("quantity"))
    yield f"quantity {total}" if total else ""
    valid = _period(supply.get("validityPeriod"))
    yield f"valid {valid}" if valid else ""
    yield f"prescriber {_named(resource.get('requester'), found)}" if _named(resource.get("requester"), found) else ""
    written = as_text(resource.get("authoredOn")) or _when(resource)
    yield f"prescribed {written}" if written else "date of prescription not recorded"
    yield f"status {as_text(resource.get('status')) or 'not recorded'}"
    yield from _notes(resource)


def _supervision(resource: Json, unknown: str) -> str:
    return {True: "supervised", False: "not supervised", None: unknown}[supervised(resource)]


def _administration(resource: Json, found: Found) -> Iterator[str]:
    dosage = as_object(resource.get("dosage"))
    text = as_text(dosage.get("text"))
    yield _medicine(resource, found)
    yield quantity(dosage.get("dose")) or ("" if text else "amount not recorded")
    yield f"as written: {text}" if text else ""
    yield f"given {_when(resource)}" if _when(resource) else "time not recorded"
    yield _supervision(resource, unknown="supervision not recorded")
    status = as_text(resource.get("status"))
    yield f"status {status or 'not recorded'}" if status != "completed" else ""
    yield from _notes(resource)


def _value(resource: Json) -> str:
    """Write value[x] of an Observation or component, or why there is none."""
    for member in ("valueCodeableConcept", "dataAbsentReason"):
        if words_of(resource.get(member)):
            return words_of(resource.get(member))
    if quantity(resource.get("valueQuantity")):
        return quantity(resource.get("valueQuantity"))
    for member in ("valueString", "valueDateTime"):
        if as_text(resource.get(member)):
            return as_text(resource.get(member))
    for member in ("valueInteger", "valueBoolean"):
        if isinstance(resource.get(member), int):
            return str(resource.get(member)).lower()
    return ""


def _observation(resource: Json, _found: Found) -> Iterator[str]:
    yield _when(resource) or "date not recorded"
    value = _value(resource)
    parts = as_objects(resource.get("component"))
    yield f"{words_of(resource.get('code')) or 'not named'}: {value or ('see parts' if parts else 'no value')}"
    for part in parts:
        yield f"{words_of(part.get('code')) or 'part not named'}: {_value(part) or 'no value'}"
    concepts = [*as_objects(resource.get("category")), *as_objects(resource.get("code"))]
    purposes = codes(concepts, systems.TEST_PURPOSE)
    method = codes(resource.get("method"), systems.TEST_METHOD)
    if purposes or method or codes(concepts, systems.SUBSTANCE_GROUP):
        yield "confirmatory result" if CONFIRMATORY in method else "presumptive, not a confirmatory result"
        yield f"purpose: {', '.join(purposes) or 'not stated'}"
    yield from _notes(resource)


def _report(resource: Json, _found: Found) -> Iterator[str]:
    yield _when(resource) or as_text(resource.get("issued"))
    yield f"report: {words_of(resource.get('code')) or 'not named'}"
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""
    yield as_text(resource.get("conclusion"))


def _flag(resource: Json, _found: Found) -> Iterator[str]:
    yield words_of(resource.get("code")) or "flag without words"
    yield words_of(resource.get("category"))
    yield _period(resource.get("period"))
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""


def _condition(resource: Json, _found: Found) -> Iterator[str]:
    yield words_of(resource.get("code")) or "not named"
    yield words_of(resource.get("clinicalStatus"))
    yield words_of(resource.get("verificationStatus"))
    onset = as_text(resource.get("onsetDateTime")) or as_text(resource.get("recordedDate"))
    yield f"since or recorded {onset}" if onset else ""
    yield from _notes(resource)


def _allergy(resource: Json, _found: Found) -> Iterator[str]:
    yield words_of(resource.get("code")) or "not named"
    for reaction in as_objects(resource.get("reaction")):
        for manifestation in as_objects(reaction.get("manifestation")):
            yield f"reaction: {words_of(manifestation)}"
    yield f"criticality {as_text(resource.get('criticality'))}" if as_text(resource.get("criticality")) else ""
    yield words_of(resource.get("verificationStatus"))
    yield from _notes(resource)


def _plan(resource: Json, _found: Found) -> Iterator[str]:
    yield as_text(resource.get("title")) or words_of(resource.get("category")) or "care plan"
    yield _period(resource.get("period")) or f"created {as_text(resource.get('created')) or 'on a day not recorded'}"
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""
    description = as_text(resource.get("description"))
    yield f"as written: {description}" if description else ""
    for activity in as_objects(resource.get("activity")):
        detail = as_object(activity.get("detail"))
        words = words_of(detail.get("code")) or as_text(detail.get("description"))
        yield f"activity: {words}" if words else ""
    yield from _notes(resource)


def _appointment(resource: Json, _found: Found) -> Iterator[str]:
    yield as_text(resource.get("start")) or "time not recorded"
    yield as_text(resource.get("description")) or words_of(resource.get("serviceType"))
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""
    yield as_text(resource.get("comment"))


def _dispense(resource: Json, found: Found) -> Iterator[str]:
    yield _medicine(resource, found)
    yield quantity(resource.get("quantity"))
    for dosage in as_objects(resource.get("dosageInstruction")):
        yield from _dosage(dosage)
    handed = as_text(resource.get("whenHandedOver"))
    yield f"handed over {handed}" if handed else ""
    yield f"status {as_text(resource.get('status')) or 'not recorded'}"
    yield from _notes(resource)


def _team(resource: Json, found: Found) -> Iterator[str]:
    """Who is who, each by role; where only a reference says who it is, by what the letter holds of them."""
    yield as_text(resource.get("name"))
    for participant in as_objects(resource.get("participant")):
        roles = ", ".join(words for role in as_objects(participant.get("role")) if (words := words_of(role)))
        people = (_named(participant.get(member), found) for member in ("member", "onBehalfOf"))
        who = ", ".join(person for person in people if person)
        yield f"{roles or 'role not named'}: {who or 'not named'}"


def person_name(name: Json) -> str:
    """Write a HumanName: its text, else title, given names and family name."""
    parts: list[str] = []
    for member in ("prefix", "given", "family", "suffix"):
        value = name.get(member)
        parts += [as_text(part) for part in (value if isinstance(value, list) else [value])]
    return as_text(name.get("text")) or " ".join(part for part in parts if part)


def _named(reference: Any, found: Found) -> str:
    held = as_object(found.get(referenced(reference)))
    inner = as_object(held.get("practitioner"))
    person = held if not inner else as_object(found.get(referenced(inner)))
    names = person.get("name")
    written = next((whole for name in as_objects(names) if (whole := person_name(name))), "")
    if written:
        return written
    return as_text(names) or as_text(as_object(reference).get("display")) or as_text(inner.get("display"))


def _role(resource: Json, found: Found) -> Iterator[str]:
    yield _named(resource.get("practitioner"), found) or "not named"
    yield ", ".join(words for code in as_objects(resource.get("code")) if (words := words_of(code)))
    yield _named(resource.get("organization"), found)
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
    yield _period(resource.get("period")) or "time not recorded"
    for member in ("type", "serviceType", "class", "reasonCode"):
        for concept in as_objects(resource.get(member)):
            yield words_of(concept) or as_text(concept.get("display")) or as_text(concept.get("code"))
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""


def _organisation(resource: Json, _found: Found) -> Iterator[str]:
    yield as_text(resource.get("name"))
    yield from _reached(resource)


def _communication(resource: Json, _found: Found) -> Iterator[str]:
    for payload in as_objects(resource.get("payload")):
        yield as_text(payload.get("contentString")).rstrip(".")


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
    yield f"asked by {who}" if (who := _named(resource.get("requester"), found)) else ""
    for performer in as_objects(resource.get("performer")):
        yield f"asked of {who}" if (who := _named(performer, found)) else ""
    yield f"status {as_text(resource.get('status'))}" if as_text(resource.get("status")) else ""
    yield from _notes(resource)


def _form(resource: Json, _found: Found) -> Iterator[str]:
    """Every question that was answered, in the words of the form."""
    yield as_text(resource.get("authored")) or "time not recorded"
    yield from _answers(resource)


def _answer(answer: Json) -> str:
    coding, number = as_object(answer.get("valueCoding")), answer.get("valueDecimal")
    said = as_text(coding.get("display")) or as_text(coding.get("code")) or as_text(answer.get("valueDate"))
    return _value(answer) or said or (str(number) if number is not None else "")


def _answers(holder: Json) -> Iterator[str]:
    for item in as_objects(holder.get("item")):
        answers = [words for answer in as_objects(item.get("answer")) if (words := _answer(answer))]
        if answers:
            yield f"{as_text(item.get('text')) or as_text(item.get('linkId'))}: {', '.join(answers)}"
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
    "Practitioner": _practitioner,
    "PractitionerRole": _role,
}


def sentence(resource: Json, found: Found) -> str:
    """Give one line about a resource; a type without a line of its own is named and no more."""
    maker = _MAKERS.get(kind(resource))
    parts = [part for part in maker(resource, found) if part] if maker is not None else []
    separator = ". " if kind(resource) == "Communication" else "; "
    return separator.join(parts) or kind(resource)
