"""One resource as short sentences in plain English, for the letters that are the person's own. It must never compute, explain or advise.

INVARIANT: made from what is left after minimisation and from nothing else; numbers keep their digits, and what is not sure is never said as sure.
Our own words are for a reader of nine (tests/fhir_profiles/letters/test_persons_handover.py); a medicine or a place keeps the name that it has.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from fhir_profiles.days import LONDON
from fhir_profiles.elements import as_object, as_objects, as_text, identifier_value, kind, referenced, words_of
from fhir_profiles.number_words import in_words
from fhir_profiles.profiles.prescription_copy import NO_UNIT
from fhir_profiles.shapes import Json
from fhir_profiles.systems import ODS
from fhir_profiles.terminology import record_items
from fhir_profiles.wires.amounts import dose_amount
from fhir_profiles.wires.dosage_words import dosages
from fhir_profiles.wires.sentences import Found, address_line, medicine_name, named

PERSONS_OWN: Final = frozenset({"persons-handover", "persons-transfer"})
"""The letters that are for the person's own hands."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?")
_AS_WRITTEN: Final = re.compile(r"^(?:as written|told the person|instruction): ")
_ROLES: Final[Mapping[str, str]] = {
    "spoc": "Ask first",
    "named-nurse": "Your nurse",
    "recovery-coordinator": "Your recovery worker",
    "treatment-provider": "Who helps you outside",
}
_NO_UNIT: Final = "(of what is not written down: ask)"
_SURE: Final = frozenset({"booked", "arrived", "checked-in"})


def in_plain_words(text: str) -> str:
    """Write each date of a text as a person says it, in the time of England; what is no date stays as it is."""
    return _DATE.sub(lambda found: _day(found.group()), text).replace(NO_UNIT, _NO_UNIT)


def _day(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is not None:
        moment = moment.astimezone(LONDON)
    day = f"{moment:%A} {moment.day} {moment:%B %Y}"
    return f"{day} at {moment:%H:%M}" if len(text) > 10 else day


def _in_words(amount: Any) -> str:
    """The number of a Quantity in words beside its digits; nothing where it is none that words are used for."""
    value = as_object(amount).get("value")
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or as_object(amount).get("comparator"):
        return ""
    try:
        return f" ({in_words(Decimal(value).normalize())})"
    except ValueError:
        return ""


def _dose(resource: Json) -> Iterator[str]:
    given = as_objects(resource.get("dosageInstruction")) or as_objects(resource.get("dosage"))
    said = [_AS_WRITTEN.sub("", part) for part in dosages(given) if part]
    # one dosage of one amount has its number in words as well: of several nobody could say whose the words are
    rates = as_objects(given[0].get("doseAndRate")) if len(given) == 1 else ()
    words = _in_words(rates[0].get("doseQuantity")) if len(rates) == 1 else ""
    if words:
        said[0] += words
    yield (
        f"How to take it: {', '.join(dict.fromkeys(said))}" if said else "How to take it is not written down: ask first"
    )


def _medicine(resource: Json, found: Found) -> Iterator[str]:
    yield medicine_name(resource, found)
    if resource.get("doNotPerform") is True:
        yield "Do NOT take this"
        return
    yield from _dose(resource)
    valid = as_object(as_object(resource.get("dispenseRequest")).get("validityPeriod"))
    for said, end in (("You can get it from", "start"), ("You can get it until", "end")):
        yield f"{said} {as_text(valid.get(end))}" if as_text(valid.get(end)) else ""
    status = as_text(resource.get("status"))
    yield f"It is marked {status}: ask what that means for you" if status not in {"active", "completed"} else ""
    yield "It is a plan: ask before you take it" if resource.get("intent") == "plan" else ""


def _given(resource: Json, found: Found) -> Iterator[str]:
    yield medicine_name(resource, found)
    dosage = as_object(resource.get("dosage"))
    amount = dose_amount(dosage.get("dose"))
    how_much = f"{amount}{_in_words(dosage.get('dose'))}" if amount else as_text(dosage.get("text"))
    when = as_text(resource.get("effectiveDateTime")) or as_text(
        as_object(resource.get("effectivePeriod")).get("start")
    )
    # what was not given, or not to its end, is never said to have been had
    sure = as_text(resource.get("status")) == "completed"
    yield "" if sure else "We are not sure that you had all of this. Ask before you take more"
    yield f"How much: {how_much or 'not written down'}"
    yield f"When: {when or 'not written down'}"


def _handed(resource: Json, found: Found) -> Iterator[str]:
    yield medicine_name(resource, found)
    yield dose_amount(resource.get("quantity"))
    handed = as_text(resource.get("whenHandedOver"))
    yield f"You got it on {handed}" if handed else ""
    status = as_text(resource.get("status"))
    if status in {"cancelled", "declined"}:
        yield "You did not get this"
    elif status != "completed":
        yield f"It is marked {status or 'with nothing'}: ask if you have it"


def _noted(resource: Json, _found: Found) -> Iterator[str]:
    yield words_of(resource.get("valueCodeableConcept")) or as_text(resource.get("valueString")) or "Not written down"
    when = as_text(resource.get("effectiveDateTime"))
    yield f"Written on {when}" if when else ""


def _visit(resource: Json, found: Found) -> Iterator[str]:
    yield as_text(resource.get("start")) or "The time is not written down: ask us"
    yield as_text(resource.get("description"))
    for participant in as_objects(resource.get("participant")):
        actor = participant.get("actor")
        held = as_object(found.get(referenced(actor)))
        who = named(actor, found) if kind(held) != "Patient" else ""
        yield f"With {who}" if who else ""
    yield as_text(resource.get("patientInstruction"))
    yield "" if as_text(resource.get("status")) in _SURE else "This is not sure yet: ask us"


def _place(resource: Json, _found: Found) -> Iterator[str]:
    code = identifier_value(resource.get("identifier"), ODS)
    yield as_text(resource.get("name")) or (f"The one with the code {code}: ask us its name" if code else "")
    for contact in as_objects(resource.get("telecom")):
        reached = as_text(contact.get("value"))
        yield f"{'Call' if contact.get('system') == 'phone' else 'Reach them at'} {reached}" if reached else ""
    for address in as_objects(resource.get("address")):
        yield f"Go to {address_line(address)}" if address_line(address) else ""


def _people(resource: Json, found: Found) -> Iterator[str]:
    for participant in as_objects(resource.get("participant")):
        roles = record_items(as_objects(participant.get("role")))
        role = next((words for item, words in _ROLES.items() if item in roles), "Ask")
        people = (named(participant.get(member), found) for member in ("member", "onBehalfOf"))
        who = ", ".join(dict.fromkeys(person for person in people if person))
        yield f"{role}: {who}" if who else ""
    for contact in as_objects(resource.get("telecom")):
        yield f"Call {as_text(contact.get('value'))}" if as_text(contact.get("value")) else ""


def _said(resource: Json, _found: Found) -> Iterator[str]:
    for payload in as_objects(resource.get("payload")):
        yield as_text(payload.get("contentString"))


_MAKERS: Final[Mapping[str, Callable[[Json, Found], Iterator[str]]]] = {
    "MedicationRequest": _medicine,
    "MedicationStatement": _medicine,
    "MedicationAdministration": _given,
    "MedicationDispense": _handed,
    "Observation": _noted,
    "Appointment": _visit,
    "Organization": _place,
    "CareTeam": _people,
    "Communication": _said,
}


def plain_sentence(resource: Json, found: Found) -> str:
    """Give one line about a resource, of short sentences; a type that no letter to the person holds says nothing of itself."""
    maker = _MAKERS.get(kind(resource))
    said = [in_plain_words(part.strip().rstrip(".")) for part in maker(resource, found) if part] if maker else []
    return f"{'. '.join(said)}." if said else ""
