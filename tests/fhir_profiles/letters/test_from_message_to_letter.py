"""From the message to the page: amounts, units, days, times and people of generated records, value by value, in HL7 v2 and FHIR alike.

`make soak` asks three hundred times as many.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from fhir_profiles.elements import name_of
from fhir_profiles.fhir_json import decode
from fhir_profiles.render import render
from fhir_profiles.shapes import Channel, Json
from fhir_profiles.translate import translate
from tests.fhir_profiles.letters.files import CONTEXT, HEADING
from tests.fhir_profiles.letters.test_through_the_gate import minimised
from tests.fhir_profiles.letters.told_records import SUBSTITUTES, Given, Order, Told, as_fhir, as_hl7v2, told_record
from tests.fhir_profiles.letters.tracing import AMOUNT, MEASURES, as_said

CASES = max(5, int(1500 * float(os.environ.get("THROUGHGATE_SOAK") or 0)))
STANDARDS: Mapping[str, Callable[[Told], list[bytes]]] = {"hl7v2": as_hl7v2, "fhir": as_fhir}
LETTERS = (
    "handover",
    "transfer",
    "gp-copy",
    "prescription-copy",
    "care-plan-update",
    "referral",
    "community-record",
    "persons-handover",
)
OF_ALL_DOSES = frozenset({"community-record"})
WITHOUT_DOSES = frozenset({"care-plan-update"})


def file_of(messages: Sequence[bytes], standard: str) -> list[Json]:
    """What the messages mean, each resource as it was told last."""
    found: dict[str, Json] = {}
    for message in messages:
        translation = translate(Channel(name="generated", format=standard), message)  # type: ignore[arg-type]  # a key of STANDARDS
        assert translation.hold is None
        found |= {name_of(entry["resource"]): entry["resource"] for entry in (translation.bundle or {})["entry"]}
    return list(found.values())


def letters_of(file: Sequence[Json]) -> dict[str, Json]:
    context = replace(CONTEXT, focus=tuple(map(name_of, file)))
    return {letter: minimised(letter, file, context) for letter in LETTERS}


def first(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value[0] if isinstance(value, list) and value else value
        value = value.get(step) if isinstance(value, dict) else None
    return value[0] if isinstance(value, list) and value else value


def ordered(resource: Json, found: Mapping[str, Json]) -> tuple[str, ...]:
    """A prescription of a letter in the words of the record."""
    bounds = first(resource, "dosageInstruction", "timing", "repeat", "boundsPeriod") or {}
    dose = first(resource, "dosageInstruction", "doseAndRate", "doseQuantity")
    who = resource.get("requester", {"display": " "})
    named = first(found.get(who.get("reference", ""), {}), "name", "family") or who["display"].rpartition(" ")[2]
    return (
        first(resource, "medicationCodeableConcept", "text"),
        f"{dose['value']} {dose['unit']}",
        bounds["start"],
        bounds["end"],
        first(resource, "dosageInstruction", "text"),
        named,
    )


def as_ordered(letter: str, order: Order) -> tuple[str, ...]:
    """The person's own paper does not say who prescribed."""
    who = "" if letter == "persons-handover" else order.prescriber.family
    return (order.medicine, f"{order.amount} {order.unit}", order.start, order.end, order.text, who)


def dosed(resource: Json) -> tuple[str, ...]:
    dose = resource["dosage"]["dose"]
    return (
        first(resource, "medicationCodeableConcept", "text"),
        f"{dose['value']} {dose['unit']}",
        resource["effectiveDateTime"][:16],
        resource["status"],
    )


def as_dosed(given: Given) -> tuple[str, ...]:
    return (
        given.order.medicine,
        f"{given.amount} {given.order.unit}",
        given.at,
        "completed" if given.done else "not-done",
    )


def doses_expected(letter: str, told: Told) -> Counter[tuple[str, ...]]:
    """The last dose that was given: of all substitute medication, or of each product that a copy is about; a record has every one."""
    if letter in WITHOUT_DOSES:
        return Counter()
    if letter in OF_ALL_DOSES:
        return Counter(map(as_dosed, told.given))
    had = [each for each in told.given if each.done]
    if letter == "prescription-copy":
        groups = [[each for each in had if each.order is order] for order in told.orders]
    else:
        groups = [[each for each in had if each.order.medicine in SUBSTITUTES]]
    return Counter(as_dosed(max(group, key=lambda each: each.at)) for group in groups if group)


def differences(letter: str, bundle: Json, told: Told) -> list[str]:
    """Where the data of a letter is not what the record says: as sets of whole statements, so that nothing is lost, added or exchanged."""
    found = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"] if "fullUrl" in entry}
    every = [entry["resource"] for entry in bundle["entry"]]
    orders = Counter(ordered(each, found) for each in every if each["resourceType"] == "MedicationRequest")
    asked = Counter(as_ordered(letter, each) for each in told.orders)
    wrong = [f"orders: {sorted((orders - asked) + (asked - orders))}"] if orders != asked else []
    doses, given = (
        Counter(dosed(each) for each in every if each["resourceType"] == "MedicationAdministration"),
        doses_expected(letter, told),
    )
    wrong += [f"doses: {sorted((doses - given) + (given - doses))}"] if doses != given else []
    person = next(each for each in every if each["resourceType"] == "Patient")
    said = (first(person, "name", "family"), first(person, "name", "given"), person["birthDate"])
    wrong += [f"person: {said}"] if said != (told.person.family, told.person.given, told.person.born) else []
    tests = [each for each in every if each["resourceType"] == "Observation"]
    values = Counter((each["effectiveDateTime"][:16], "ositive" in str(each["valueCodeableConcept"])) for each in tests)
    known = Counter((each.at, each.positive) for each in told.results)
    wrong += (
        [f"results: {values}"]
        if values - known or (letter in {"handover", "transfer", "community-record"} and values != known)
        else []
    )
    return wrong


def misread(letter: str, lines: Sequence[str], told: Told) -> list[str]:
    """Where the text of a letter is not what the record says: each order and dose on one line of its own, no amount of another, nobody else."""
    own = letter.startswith("persons")
    wrong = []
    for order in told.orders:
        says = (
            order.medicine,
            f"{order.amount} {order.unit}",
            as_said(order.start) if own else order.start,
            as_said(order.end) if own else order.end,
        )
        says = (
            (*says, "How to take it")
            if own
            else (*says, f"prescriber Dr {order.prescriber.given} {order.prescriber.family}")
        )
        wrong += [f"not on one line: {says}"] if not any(all(each in line for each in says) for line in lines) else []
    for medicine, amount, at, status in doses_expected(letter, told):
        day = as_said(f"{at}:00+00:00") if own else f"given {at}" if status == "completed" else f"on {at}"
        says = (medicine, amount, day)
        wrong += [f"not on a line: {says}"] if not any(all(each in line for each in says) for line in lines) else []
    amounts = {each.medicine: {f"{each.amount} {each.unit}", f"{each.supply} {each.unit}"} for each in told.orders}
    for each in told.given:
        amounts.setdefault(each.order.medicine, set()).add(f"{each.amount} {each.order.unit}")
    for line in lines:
        about = next((name for name in amounts if name in line), None)
        for digits, unit in AMOUNT.findall(line):
            if unit in MEASURES and (about is None or f"{digits} {unit}" not in amounts[about]):
                wrong.append(f"{digits} {unit} on: {line[:60]}")
        for order in told.orders:
            if order.prescriber.family in line and about not in {order.medicine, None}:
                wrong.append(f"{order.prescriber.family} on: {line[:60]}")
    text = "\n".join(lines)
    wrong += [each for each in (told.person.family, told.person.given) if each not in text]
    return wrong


ESCAPES = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}


def lines_in(body: bytes) -> list[str]:
    """The lines of the text of an HL7 v2 document, read as a receiver does."""
    fields = [segment.split("|")[5] for segment in body.decode().split("\r") if segment.startswith("OBX")]
    lines = [line for field in fields for line in field.split("\\.br\\")]
    return [re.sub(r"\\([FSTRE])\\", lambda found: ESCAPES[found[1]], line) for line in lines]


def wrong_of(told: Told, file: Sequence[Json], *, printed: bool = False) -> list[str]:
    found = []
    for letter, left in letters_of(file).items():
        wire = "fhir-document" if letter == "persons-handover" else "fhir-collection"
        found += [f"{letter}: {each}" for each in differences(letter, decode(render(left, wire, HEADING).body), told)]
        found += [f"{letter}: {each}" for each in misread(letter, lines_in(render(left, "hl7v2", HEADING).body), told)]
        if printed:
            page = (render(left, "pdf", HEADING).text or b"").decode().split("\n")
            found += [f"{letter}, paper: {each}" for each in misread(letter, page, told)]
    return found


@pytest.mark.parametrize("standard", STANDARDS)
def test_doses_units_times_and_people_are_those_of_the_message(standard: str) -> None:
    seen = 0
    for seed in range(CASES):
        told = told_record(seed)
        assert (
            wrong_of(told, file_of(STANDARDS[standard](told), standard), printed=seed == 0 or seed % 100 == 0) == []
        ), seed
        seen += len(told.given)
    assert seen > CASES


def of_order(at: int = 0, **change: str) -> Callable[[Told], Told]:
    return lambda told: replace(
        told, orders=[replace(each, **change) if place == at else each for place, each in enumerate(told.orders)]
    )


def of_dose(**change: Any) -> Callable[[Told], Told]:
    """A change of the last dose of substitute medication that was given."""

    def changed(told: Told) -> Told:
        last = max(
            (each for each in told.given if each.done and each.order.medicine in SUBSTITUTES), key=lambda each: each.at
        )
        return replace(told, given=[replace(each, **change) if each is last else each for each in told.given])

    return changed


def of_another(told: Told) -> Told:
    """The prescribers of two orders for one another."""
    one, other, *rest = told.orders
    return replace(
        told, orders=[replace(one, prescriber=other.prescriber), replace(other, prescriber=one.prescriber), *rest]
    )


SABOTAGE: Mapping[str, Callable[[Told], Told]] = {
    "another amount": of_order(amount="41"),
    "the same amount with fewer digits": of_order(3, amount="40"),
    "another unit": of_order(unit="microgram"),
    "another first day": of_order(start="2026-01-15"),
    "another last day": of_order(end="2026-03-01"),
    "another medicine": of_order(medicine="Diazepam 2mg tablets"),
    "another prescriber": of_another,
    "another amount of the last dose": of_dose(amount="41"),
    "another time of the last dose": of_dose(at="2026-01-14T21:05"),
    "a last dose that was not given": of_dose(done=False),
    "another person": lambda told: replace(told, person=replace(told.person, family="Moffat")),
}
SEED = 3
"""A record of four orders, the last of 40.00, with doses of substitute medication."""


@pytest.mark.parametrize("name", SABOTAGE)
def test_sabotage_a_record_that_is_not_the_one_told_is_found_in_data_and_in_text(name: str) -> None:
    told = told_record(SEED)
    other = SABOTAGE[name](told)
    left = letters_of(file_of(as_hl7v2(told), "hl7v2"))["handover"]
    data, lines = decode(render(left, "fhir-collection", HEADING).body), lines_in(render(left, "hl7v2", HEADING).body)
    assert (differences("handover", data, told), misread("handover", lines, told)) == ([], [])
    assert differences("handover", data, other)
    assert misread("handover", lines, other)
