"""Any file gives a letter: whatever the resources are, nothing raises, nothing leads outwards, nothing clinical changes."""

import re
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_profiles import facts
from fhir_profiles.compose import compose
from fhir_profiles.content_events import events_of
from fhir_profiles.fhir_json import decode
from fhir_profiles.letters import LETTERS as EVERY_LETTER
from fhir_profiles.render import render
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import (
    AS_OF,
    CONTEXT,
    HEADING,
    REPORTS,
    dose,
    drug_test,
    prescription,
    whole_file,
)

LETTERS = tuple(name for name in EVERY_LETTER if name not in (*REPORTS, "mandatory-test-referral"))
"""But the one of nobody, and the one that is made of a mandatory test."""
DOCUMENTS = ("handover", "transfer", "gp-copy")
DATES = st.sampled_from(
    [
        None,
        "",
        "2026",
        "2026-01",
        "2026-01-10",
        "2026-01-10T09:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31",
        "soon",
        "2026-02-30",
    ]
)
WORDS = st.sampled_from(
    ["", "Methadone 1mg/ml", "Codeine", "Xylopranol", "opiates", "<b>", "supervised", "therapeutic", "mandatory"]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
    DATES,
    WORDS,
)
JUNK = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
    ["coding", "text", "system", "code", "display", "reference", "identifier", "value", "start", "end", "timing", "repeat", "boundsPeriod", "unit"]
), inner, max_size=4), max_leaves=8)  # fmt: skip
MEMBERS = (
    "status", "intent", "category", "code", "subject", "method", "medicationCodeableConcept", "medicationReference", "dosageInstruction", "dosage",
    "authoredOn", "effectiveDateTime", "effectivePeriod", "valueCodeableConcept", "interpretation", "component", "result", "note", "meta",
    "identifier", "name", "address", "generalPractitioner", "extension", "period", "created", "title", "participant", "payload", "requester", "contained",
)  # fmt: skip
TYPES = (
    "Patient", "MedicationRequest", "MedicationStatement", "MedicationAdministration", "Medication", "Observation", "DiagnosticReport", "Flag",
    "CarePlan", "Condition", "AllergyIntolerance", "Appointment", "Organization", "Practitioner", "Encounter", "Consent", "Basic",
)  # fmt: skip


@st.composite
def odd_resources(draw: st.DrawFn) -> Json:
    resource: Json = {
        "resourceType": draw(st.sampled_from(TYPES)),
        "id": draw(st.sampled_from(["patient", "a", "b", "methadone"])),
    }
    for member in draw(st.lists(st.sampled_from(MEMBERS), max_size=6, unique=True)):
        resource[member] = draw(JUNK)
    return resource


SUBSETS = st.lists(
    st.sampled_from(whole_file()), unique_by=lambda resource: f"{resource['resourceType']}/{resource['id']}"
)


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [found for item in value for found in references(item)] if isinstance(value, list) else []


@settings(max_examples=60, deadline=None)
@given(SUBSETS, st.sampled_from(LETTERS))
def test_any_subset_of_a_file_gives_a_letter_that_says_what_is_missing(file: list[Json], letter: str) -> None:
    composed = compose(letter, file, CONTEXT, AS_OF)
    names = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in composed.bundle["entry"]}
    assert set(references(composed.bundle)) <= names
    assert "mandatory" not in str(composed.bundle).replace("as a mandatory test", "")
    text = str(composed.bundle)
    for name in composed.missing:
        assert letter not in DOCUMENTS or f"missing-{name}" in text
    risk = [r for r in file if r["resourceType"] == "Flag" and r["status"] == "active"]
    assert letter not in DOCUMENTS or (("Flag/risk" in names) is bool(risk))  # risk is never left out (R075)


@settings(max_examples=150, deadline=None)
@given(st.lists(odd_resources(), max_size=6), st.sampled_from(LETTERS), DATES.filter(lambda text: text is not None))
def test_any_content_gives_a_letter_and_facts_and_never_an_exception(file: list[Json], letter: str, as_of: str) -> None:
    composed = compose(letter, file, CONTEXT, as_of)
    for wire in ("fhir-message", "fhir-collection"):
        decode(render(composed.bundle, wire, HEADING).body)
    facts.tests(file)
    events_of(file)
    for kind in EVERY_LETTER.values():
        if kind.carries is not None:
            kind.carries(file, file[:1])
    facts.last_dose(file, as_of)
    facts.on_substitute_medication(file, as_of)
    facts.in_intervention(file, as_of)
    assert facts.in_custody(file) is None or facts.in_custody(file)
    assert facts.nominated_pharmacy(file) is None or facts.nominated_pharmacy(file)
    assert facts.gp_practice(file) is None or facts.gp_practice(file)
    assert facts.release_postcode(file) is None or facts.release_postcode(file)
    for resource in file:
        facts.expected(resource, file)
        facts.prescription_for_supply(resource)


@settings(max_examples=100, deadline=None)
@given(
    st.decimals(min_value=Decimal("0.001"), max_value=Decimal(999), allow_nan=False, allow_infinity=False, places=3),
    st.sampled_from(["ml", "mg", "tablet"]),
    st.integers(0, 23),
)
def test_a_dose_its_unit_and_its_time_are_never_altered(amount: Decimal, unit: str, hour: int) -> None:
    given_at = f"2026-01-14T{hour:02}:30:00+00:00"
    last = dose(given=given_at, amount=amount)
    last["dosage"]["dose"]["unit"] = unit
    request = prescription(dispenseRequest={"quantity": {"value": amount, "unit": unit}})
    body = render(compose("handover", [request, last], CONTEXT, AS_OF).bundle, "fhir-document", HEADING).body.decode()
    assert len(re.findall(rf'"value":{re.escape(str(amount))},"unit":"{unit}"', body)) == 2
    assert f"{amount} {unit}; given {given_at}; supervised" in body


@settings(max_examples=100, deadline=None)
@given(st.permutations(whole_file()))
def test_facts_do_not_depend_on_the_order_of_the_file(file: list[Json]) -> None:
    assert set(facts.tests(file)) == set(facts.tests(whole_file()))
    assert facts.last_dose(file, AS_OF) == facts.last_dose(whole_file(), AS_OF)
    assert set(compose("handover", file, CONTEXT, AS_OF).missing) == set(
        compose("handover", whole_file(), CONTEXT, AS_OF).missing
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["Codeine 30mg", "Xylopranol", "Paracetamol", "Tramadol"]), max_size=4))
def test_one_more_medicine_never_turns_explained_into_unexpected(medicines: list[str]) -> None:
    file = [prescription(f"m{number}", medicine=name) for number, name in enumerate(medicines)]
    order = {False: 0, None: 1, True: 2}
    fewer, more = (facts.expected(drug_test(), part) for part in (file[:-1], file))
    assert order[more] >= order[fewer]
