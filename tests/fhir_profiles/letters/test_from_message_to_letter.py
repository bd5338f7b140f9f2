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
from tests.fhir_profiles.letters.told_records import (
    CERTAINTIES,
    DEPOT,
    RELATIONS,
    REMARKS,
    RESULTS,
    SEVERITIES,
    SUBSTITUTES,
    Given,
    Issued,
    Order,
    Told,
    as_fhir,
    as_hl7v2,
    measured,
    stay_as_hl7v2,
    told_record,
)
from tests.fhir_profiles.letters.tracing import AMOUNT, MEASURES, as_said

CASES = max(15, int(1500 * float(os.environ.get("THROUGHGATE_SOAK") or 0)))
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
OF_MISSED_DOSES = frozenset({"handover", "transfer", "gp-copy", "referral"})
WITH_SCORES = frozenset({"handover", "transfer"})
WITHOUT_DOSES = frozenset({"care-plan-update"})
OF_ALL_ISSUES = frozenset({"community-record"})
OF_LAST_ISSUES = frozenset({"prescription-copy"})
WITH_ALLERGIES = frozenset({"handover", "transfer", "gp-copy", "referral", "community-record"})
WITHOUT_ALLERGIES = frozenset(LETTERS) - WITH_ALLERGIES
HOW = {"issued": "completed", "stopped": "stopped", "cancelled": "cancelled"}


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
    doses = [_dose_of(each) for each in resource["dosageInstruction"]]
    who = resource.get("requester", {"display": " "})
    named = first(found.get(who.get("reference", ""), {}), "name", "family") or who["display"].rpartition(" ")[2]
    return (
        first(resource, "medicationCodeableConcept", "text"),
        " + ".join(doses),
        bounds["start"],
        bounds["end"],
        first(resource, "dosageInstruction", "text").partition("; dose as written: ")[0],
        named,
    )


def _dose_of(dosage: Json) -> str:
    """How much is taken at a time: the figure, else the quantity of the timing in words; two of them are no dose."""
    figure = first(dosage, "doseAndRate", "doseQuantity")
    if figure is not None:
        return measured(figure["value"], figure.get("unit", ""))
    text: str = dosage["text"]
    return text.partition("quantity as written: ")[2]


def dose_in_all(order: Order) -> str:
    """What is taken at each time of an order, one after the other where it is split."""
    return " + ".join(measured(part, order.unit) for _, part in order.parts) or measured(order.amount, order.unit)


def as_ordered(letter: str, order: Order) -> tuple[str, ...]:
    """The person's own paper does not say who prescribed."""
    who = "" if letter == "persons-handover" else order.prescriber.family
    return (order.medicine, dose_in_all(order), order.start, order.end, order.text, who)


def dosed(resource: Json) -> tuple[str, ...]:
    dose = resource.get("dosage", {}).get("dose", {})
    return (
        first(resource, "medicationCodeableConcept", "text"),
        measured(dose["value"], dose.get("unit", "")) if dose else "",
        resource["effectiveDateTime"][:16],
        resource["status"],
    )


def as_dosed(given: Given) -> tuple[str, ...]:
    return (
        given.order.medicine,
        measured(given.amount, given.order.unit) if given.amount else "",
        given.at,
        "completed" if given.done else "not-done",
    )


def doses_expected(letter: str, told: Told) -> Counter[tuple[str, ...]]:
    """Those of what was prescribed, and naloxone given against an overdose: for whoever takes over, never for a pharmacy or the person."""
    rescue = told.rescue if letter in OF_MISSED_DOSES | OF_ALL_DOSES else None
    return Counter(map(as_dosed, _prescribed_doses(letter, told))) + Counter([as_dosed(rescue)] if rescue else [])


def _prescribed_doses(letter: str, told: Told) -> list[Given]:
    """The doses of the day of the last that was given: of all substitute medication, or of each product that a copy is about; a record has every one.

    Beside them the last injection that still acts; and for whoever takes over, each that was not given since.
    """
    if letter in WITHOUT_DOSES:
        return []
    if letter in OF_ALL_DOSES:
        return list(told.given)
    if letter == "prescription-copy":
        return _each_once([each for order in told.orders for each in _of_order(told, order)])
    substitutes = [each for each in told.given if each.order.medicine in SUBSTITUTES]
    had = [each for each in substitutes if each.done]
    found = _of_the_last_day(had)
    if letter in OF_MISSED_DOSES:
        since = _last(had).at if had else ""
        found += [each for each in substitutes if not each.done and each.at >= since]
    return found


def _of_order(told: Told, order: Order) -> list[Given]:
    return _of_the_last_day(_of_substance([each for each in told.given if each.done], order))


def _of_the_last_day(had: Sequence[Given]) -> list[Given]:
    """Every dose of the day of the last one, and the last injection."""
    depots = [each for each in had if each.order.medicine == DEPOT]
    of_the_day = [each for each in had if each.at[:10] == _last(had).at[:10]]
    return _each_once([*of_the_day, *([_last(depots)] if depots else [])])


def _each_once(given: Sequence[Given]) -> list[Given]:
    return [each for at, each in enumerate(given) if not any(each is other for other in given[:at])]


def is_lost(given: Sequence[Given]) -> bool:
    return any(each.done and REMARKS[each.remark] for each in given)


SICK: Mapping[str, str] = {
    "handover": "The record of a last dose has words that it was vomited or not kept down",
    "transfer": "The record of a last dose has words that it was vomited or not kept down",
    "gp-copy": "The record of a last dose has words that it was vomited or not kept down",
    "persons-handover": "It is written down that you may not have kept your last dose down",
}
"""What a reader is told where a last dose was not kept down; a copy says it of each prescription."""


def sick_of(letter: str, lines: Sequence[str], told: Told) -> list[str]:
    """Where a letter does not say that a dose was vomited, or says it of one that was kept down."""
    wrong = []
    if letter in SICK and any(SICK[letter] in line for line in lines) != is_lost(_prescribed_doses(letter, told)):
        wrong.append(f"vomited or not: {is_lost(_prescribed_doses(letter, told))}")
    for order in told.orders if letter == "prescription-copy" else ():
        says = any(order.medicine in each and "Last dose perhaps not absorbed" in each for each in lines)
        wrong += [f"vomited or not: {order.medicine}"] if says != is_lost(_of_order(told, order)) else []
    return wrong


def _last(group: Sequence[Given]) -> Given:
    return max(group, key=lambda each: each.at)


def _of_substance(had: Sequence[Given], order: Order) -> list[Given]:
    """A dose of the injection is one of the substance of the tablet."""
    return [each for each in had if each.order.medicine.split()[0] == order.medicine.split()[0]]


def supplied(resource: Json) -> tuple[str, ...]:
    amount = resource["quantity"]
    return (
        first(resource, "medicationCodeableConcept", "text"),
        measured(amount["value"], amount.get("unit", "")),
        (resource.get("whenHandedOver") or resource["whenPrepared"])[:16],
        resource["status"],
    )


def as_supplied(issued: Issued) -> tuple[str, ...]:
    return (issued.order.medicine, measured(issued.amount, issued.order.unit), issued.at, HOW[issued.how])


def issues_expected(letter: str, told: Told) -> Counter[tuple[str, ...]]:
    """Every issue, or of each order the last that was one and what was stopped after it: nobody says whether that was handed over in part."""
    if letter in OF_ALL_ISSUES:
        return Counter(map(as_supplied, told.issued))
    found: Counter[tuple[str, ...]] = Counter()
    for order in told.orders if letter in OF_LAST_ISSUES else ():
        of_it = sorted(
            (each for each in told.issued if each.order is order and each.how != "cancelled"), key=lambda each: each.at
        )
        whole = [at for at, each in enumerate(of_it) if each.how == "issued"]
        found.update(map(as_supplied, of_it[whole[-1] if whole else 0 :]))
    return found


def allergic(resource: Json) -> tuple[str, ...]:
    reaction = first(resource, "reaction") or {}
    said = first(reaction, "manifestation", "text") or ""
    return (resource["code"]["text"], "" if said == "not stated" else said, reaction.get("severity", ""))


def diagnosed(resource: Json) -> tuple[str, ...]:
    return (
        resource["code"]["text"],
        first(resource, "verificationStatus", "coding", "code") or "",
        resource["onsetDateTime"],
    )


def known_of(letter: str, every: Sequence[Json], told: Told) -> list[str]:
    """Where the allergies and diagnoses of a letter are not those of the record: all of both, or none."""
    allergies = Counter(allergic(each) for each in every if each["resourceType"] == "AllergyIntolerance")
    diagnoses = Counter(diagnosed(each) for each in every if each["resourceType"] == "Condition")
    asked: Counter[tuple[str, ...]] = Counter(
        (each.to, each.reaction, SEVERITIES[each.severity]) for each in told.allergies
    )
    also: Counter[tuple[str, ...]] = Counter(
        (each.name, CERTAINTIES[each.certainty], each.since) for each in told.diagnoses
    )
    if letter in WITHOUT_ALLERGIES:
        asked, also = Counter(), Counter()
    wrong = [f"allergies: {sorted((allergies - asked) + (asked - allergies))}"] if allergies != asked else []
    return wrong + ([f"diagnoses: {sorted((diagnoses - also) + (also - diagnoses))}"] if diagnoses != also else [])


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
    supplies, issued = (
        Counter(supplied(each) for each in every if each["resourceType"] == "MedicationDispense"),
        issues_expected(letter, told),
    )
    wrong += [f"issues: {sorted((supplies - issued) + (issued - supplies))}"] if supplies != issued else []
    wrong += known_of(letter, every, told)
    person = next(each for each in every if each["resourceType"] == "Patient")
    said = (first(person, "name", "family"), first(person, "name", "given"), person["birthDate"])
    wrong += [f"person: {said}"] if said != (told.person.family, told.person.given, told.person.born) else []
    observed = [each for each in every if each["resourceType"] == "Observation"]
    scores = [str(each["valueQuantity"]["value"]) for each in observed if "valueQuantity" in each]
    if letter in WITH_SCORES:
        wrong += [f"scores: {scores}"] if scores != ([told.score] if told.score else []) else []
    tests = [each for each in observed if "valueQuantity" not in each]
    values = Counter((each["effectiveDateTime"][:16], found_out(each)) for each in tests)
    known = Counter((each.at, RESULTS[each.said]) for each in told.results)
    wrong += (
        [f"results: {values}"]
        if values - known or (letter in {"handover", "transfer", "community-record"} and values != known)
        else []
    )
    return wrong


def found_out(test: Json) -> str:
    """What a reader of codes takes a result for: by the value, and by every flag beside it."""
    held = str([test.get("valueCodeableConcept"), test.get("valueString"), test.get("interpretation")]).casefold()
    said = [word for word in ("positive", "negative") if word in held]
    return said[0] if len(said) == 1 else "unknown"


def amounts_of(told: Told) -> dict[str, set[str]]:
    """Every amount that the record has of each medicine."""
    amounts = {each.medicine: {f"{each.amount} {each.unit}", f"{each.supply} {each.unit}"} for each in told.orders}
    for order in told.orders:
        amounts[order.medicine] |= {f"{part} {order.unit}" for _, part in order.parts}
    for each in told.given:
        amounts.setdefault(each.order.medicine, set()).add(f"{each.amount} {each.order.unit}")
    if told.rescue is not None:
        amounts[told.rescue.order.medicine] = {"1.8 mg"}
    for issue in told.issued:
        amounts[issue.order.medicine].add(f"{issue.amount} {issue.order.unit}")
    return amounts


def misread(letter: str, lines: Sequence[str], told: Told) -> list[str]:
    """Where the text of a letter is not what the record says: each order and dose on one line of its own, no amount of another, nobody else."""
    own = letter.startswith("persons")
    wrong = []
    for order in told.orders:
        says = (
            order.medicine,
            *(_plainly(each) if own else each for each in dose_in_all(order).split(" + ")),
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
        shown = amount or ("not written down" if own else "amount not recorded" if status == "completed" else "")
        says = (
            medicine,
            _plainly(shown) if own else shown,
            day,
            *(() if status == "completed" or own else ("NOT given",)),
        )
        wrong += [f"not on a line: {says}"] if not any(all(each in line for each in says) for line in lines) else []
    for medicine, amount, at, status in issues_expected(letter, told):
        says = (medicine, amount, f"made ready {at}", f"status {status}")
        wrong += [f"not on a line: {says}"] if not any(all(each in line for each in says) for line in lines) else []
    if letter in WITH_ALLERGIES:
        known = [(each.to, each.reaction, SEVERITIES[each.severity]) for each in told.allergies]
        known += [(each.name, CERTAINTIES[each.certainty], each.since) for each in told.diagnoses]
        wrong += [
            f"not on a line: {says}" for says in known if not any(all(each in line for each in says) for line in lines)
        ]
    if letter in WITH_SCORES and told.score:
        wrong += [] if any(line.endswith(f": {told.score}") for line in lines) else [f"no score {told.score}"]
    amounts = amounts_of(told)
    for line in lines:
        about = next((name for name in amounts if name in line), None)
        for digits, unit in AMOUNT.findall(line):
            if unit in MEASURES and (about is None or f"{digits} {unit}" not in amounts[about]):
                wrong.append(f"{digits} {unit} on: {line[:60]}")
        for order in told.orders:
            if order.prescriber.family in line and about not in {order.medicine, None}:
                wrong.append(f"{order.prescriber.family} on: {line[:60]}")
    wrong += sick_of(letter, lines, told)
    text = "\n".join(lines)
    # whose next of kin somebody is, or by which name they were received, no letter tells
    wrong += [f"{name} is told" for name in (told.stay.before, *(each.who.family for each in told.kin)) if name in text]
    wrong += [each for each in (told.person.family, told.person.given) if each not in text]
    return wrong


def _plainly(amount: str) -> str:
    return amount.replace("(unit not recorded)", "(of what is not written down: ask)")


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


def wrong_of_stay(told: Told, messages: Sequence[bytes]) -> list[str]:
    """Where the stay, the person or their kin in the file are not those of the messages, told in their order, or the release is not the last's."""
    stay, person = told.stay, told.person
    file = file_of(messages, "hl7v2")
    (found,) = [each for each in file if each["resourceType"] == "Encounter"]
    here = [place["location"]["display"] for place in found["location"] if place.get("status", "active") == "active"]
    said = (
        found["status"],
        found["period"]["start"][:16],
        found["period"]["end"][:16],
        here,
        first(found, "serviceProvider", "identifier", "value"),
    )
    wrong = [f"stay: {said}"] if said != ("finished", stay.began, stay.ended, [stay.cells[1]], "LEI") else []
    (patient,) = [each for each in file if each["resourceType"] == "Patient"]
    named = [(each.get("family"), each.get("given")) for each in patient["name"]]
    wrong += [f"person: {named}"] if named != [(person.family, [person.given])] else []
    (updated,) = [translated(each) for each in messages if b"ADT^A31" in each]
    contacts = updated[0][0].get("contact", [])
    kin = [
        (first(each, "name", "family"), first(each, "relationship", "text"), first(each, "telecom", "value"))
        for each in contacts
    ]
    asked = [(each.who.family, RELATIONS[each.relation], each.telephone) for each in told.kin]
    wrong += [f"kin: {kin}"] if kin != asked else []
    _, occurred, events = translated(messages[-1])
    wrong += [f"release: {events} {occurred}"] if (events, (occurred or "")[:16]) != (["release"], stay.ended) else []
    context = replace(CONTEXT, occurred=occurred)
    for letter, words in (("handover", "Release from HMP Fellgate at "), ("gp-copy", "Release from HMP Fellgate at ")):
        lines = lines_in(render(minimised(letter, file, context), "hl7v2", HEADING).body)
        wrong += [f"{letter}: no {words}"] if not any(f"{words}{stay.ended}" in line for line in lines) else []
    return wrong


def translated(message: bytes) -> tuple[list[Json], str | None, list[str]]:
    translation = translate(Channel(name="generated", format="hl7v2"), message)
    resources = [entry["resource"] for entry in (translation.bundle or {})["entry"]]
    return resources, translation.occurred, [each.value for each in translation.events]


def test_a_stay_and_who_it_is_about_are_those_of_its_last_messages() -> None:
    for seed in range(CASES):
        told = told_record(seed)
        assert wrong_of_stay(told, stay_as_hl7v2(told)) == [], seed


STAY_SABOTAGE: Mapping[str, Callable[[Told], Told]] = {
    "another beginning": lambda told: replace(told, stay=replace(told.stay, began="2025-12-30T09:00")),
    "another end": lambda told: replace(told, stay=replace(told.stay, ended="2026-01-15T06:59")),
    "another cell": lambda told: replace(told, stay=replace(told.stay, cells=("B2-014", "C9-001"))),
    "the name that was left": lambda told: replace(told, person=replace(told.person, family=told.stay.before)),
    "another next of kin": lambda told: replace(told, kin=[replace(each, telephone="0") for each in told.kin]),
}


@pytest.mark.parametrize("name", STAY_SABOTAGE)
def test_sabotage_a_stay_that_is_not_the_one_told_is_found(name: str) -> None:
    told = next(each for each in map(told_record, range(100)) if each.kin)
    assert wrong_of_stay(STAY_SABOTAGE[name](told), stay_as_hl7v2(told))


def of_order(at: int = 0, **change: Any) -> Callable[[Told], Told]:
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
    "a missed dose that was given": lambda told: replace(told, given=[replace(each, done=True) for each in told.given]),
    "a split dose as a whole one": lambda told: replace(told, orders=[replace(each, parts=()) for each in told.orders]),
    "an overdose that was not treated": lambda told: replace(told, rescue=None),
    "another score": lambda told: replace(told, score="41"),
}


def of_issue(**change: Any) -> Callable[[Told], Told]:
    """A change of what was issued last of an order."""

    def changed(told: Told) -> Told:
        last = max((each for each in told.issued if each.how == "issued"), key=lambda each: each.at)
        return replace(told, issued=[replace(each, **change) if each is last else each for each in told.issued])

    return changed


ISSUE_SABOTAGE: Mapping[str, Callable[[Told], Told]] = {
    "another amount": of_issue(amount="41"),
    "another time": of_issue(at="2026-01-14T21:05"),
    "stopped": of_issue(how="stopped"),
    "of another medicine": lambda told: replace(
        told,
        issued=[replace(each, order=told.orders[(at + 1) % len(told.orders)]) for at, each in enumerate(told.issued)],
    ),
}


@pytest.mark.parametrize("name", ISSUE_SABOTAGE)
def test_sabotage_an_issue_that_is_not_the_one_told_is_found_in_data_and_in_text(name: str) -> None:
    told = next(
        each
        for each in map(told_record, range(100))
        if len(each.orders) > 1 and sum(i.how == "issued" for i in each.issued) > 1
    )
    other = ISSUE_SABOTAGE[name](told)
    left = letters_of(file_of(as_hl7v2(told), "hl7v2"))["prescription-copy"]
    data, lines = decode(render(left, "fhir-collection", HEADING).body), lines_in(render(left, "hl7v2", HEADING).body)
    assert (differences("prescription-copy", data, told), misread("prescription-copy", lines, told)) == ([], [])
    assert differences("prescription-copy", data, other)
    assert misread("prescription-copy", lines, other)


@pytest.mark.parametrize("said", ["POSITIVE", "NEGATIVE"])
def test_sabotage_a_result_of_a_sample_that_was_refused_is_found(said: str) -> None:
    told = next(each for each in map(told_record, range(100)) if any(one.said == "Refused" for one in each.results))
    other = replace(told, results=[replace(each, said=said) for each in told.results])
    left = letters_of(file_of(as_hl7v2(told), "hl7v2"))["handover"]
    data = decode(render(left, "fhir-collection", HEADING).body)
    assert differences("handover", data, told) == []
    assert differences("handover", data, other)


KNOWN_SABOTAGE: Mapping[str, Callable[[Told], Told]] = {
    "another severity": lambda told: replace(told, allergies=[replace(a, severity="MO") for a in told.allergies]),
    "another reaction": lambda told: replace(told, allergies=[replace(a, reaction="Cough") for a in told.allergies]),
    "another allergen": lambda told: replace(told, allergies=[replace(a, to="Cats") for a in told.allergies]),
    "another certainty": lambda told: replace(told, diagnoses=[replace(d, certainty="F") for d in told.diagnoses]),
    "another diagnosis": lambda told: replace(told, diagnoses=[replace(d, name="Gout") for d in told.diagnoses]),
}


@pytest.mark.parametrize("name", KNOWN_SABOTAGE)
def test_sabotage_an_allergy_or_diagnosis_that_is_not_the_one_told_is_found_in_data_and_in_text(name: str) -> None:
    told = next(
        each
        for each in map(told_record, range(1000))
        if any(a.severity == "SV" for a in each.allergies)
        and all(d.certainty == "W" for d in each.diagnoses)
        and each.diagnoses
    )
    other = KNOWN_SABOTAGE[name](told)
    left = letters_of(file_of(as_hl7v2(told), "hl7v2"))["handover"]
    data, lines = decode(render(left, "fhir-collection", HEADING).body), lines_in(render(left, "hl7v2", HEADING).body)
    assert (differences("handover", data, told), misread("handover", lines, told)) == ([], [])
    assert differences("handover", data, other)
    assert misread("handover", lines, other)


SEED = 4302
"""A record of orders of which the fourth is of 40.00 and another is split, with a score, a treated overdose, doses of
substitute medication, and one missed since."""


@pytest.mark.parametrize("name", SABOTAGE)
def test_sabotage_a_record_that_is_not_the_one_told_is_found_in_data_and_in_text(name: str) -> None:
    told = told_record(SEED)
    other = SABOTAGE[name](told)
    left = letters_of(file_of(as_hl7v2(told), "hl7v2"))["handover"]
    data, lines = decode(render(left, "fhir-collection", HEADING).body), lines_in(render(left, "hl7v2", HEADING).body)
    assert (differences("handover", data, told), misread("handover", lines, told)) == ([], [])
    assert differences("handover", data, other)
    assert misread("handover", lines, other)


@pytest.mark.parametrize("letter", [*SICK, "prescription-copy"])
@pytest.mark.parametrize("remark", ["Dose not retained", "Settled, no vomiting"])
def test_sabotage_a_dose_that_was_not_kept_down_and_is_told_as_if_it_was_is_found(letter: str, remark: str) -> None:
    told = next(
        each
        for each in map(told_record, range(200))
        if is_lost(_prescribed_doses(letter, each)) == (remark != "Dose not retained")
        and (letter in SICK or len(each.orders) == 1)
        and _prescribed_doses(letter, each)
    )
    other = replace(told, given=[replace(each, remark=remark) for each in told.given])
    lines = lines_in(render(letters_of(file_of(as_hl7v2(told), "hl7v2"))[letter], "hl7v2", HEADING).body)
    assert (misread(letter, lines, told), bool(misread(letter, lines, other))) == ([], True)
