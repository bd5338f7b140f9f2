"""What minimisation leaves is valid FHIR: each letter without each optional path of its agreement, and without each thing that a consent keeps back.

A path is optional when R4 asks for no element on it (`r4.json`), nor one of its invariants. What R4 asks for belongs into an agreement that
lets the rest leave.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

import pytest

from consent.minimise import NothingLeaves, minimise
from consent.sensitive import NOT_NAMED
from consent.shapes import Decision, Vote
from consent.standing import STANDS_ON
from fhir_profiles.compose import LETTERS
from fhir_profiles.elements import kind, name_of
from fhir_profiles.file_types import ACCEPTED
from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.label import label_resource
from fhir_profiles.shapes import Json, Severity
from fhir_profiles.validate import validate
from tests.fhir_profiles.letters.files import CONTACTS, CONTEXT, REPORTS, case, patient, simple
from tests.fhir_profiles.letters.test_through_the_gate import NAMING, decided

SCHEMA = json.loads(files("fhir_profiles.schema").joinpath("r4.json").read_text("utf-8"))["$defs"]
NOT_OPTIONAL = {
    "AllergyIntolerance.clinicalStatus": "ait-1",
    "Appointment.start": "app-2",
    "Appointment.end": "app-2",
    "Organization.name": "org-1",
    "Organization.identifier": "org-1",
}
"""What an invariant of R4 asks of the resource itself."""


def groups(definition: Json) -> Iterator[frozenset[str]]:
    """Of each of these an element needs one."""
    for name in definition.get("required", ()):
        yield frozenset({name})
    for asked in (definition, *definition.get("allOf", ())):
        alternatives = {name.lstrip("_") for one in asked.get("anyOf", ()) for name in one.get("required", ())}
        if alternatives:
            yield frozenset(alternatives)


def below(element: str, name: str) -> str:
    """The definition of a child, or nothing where it is no object of R4."""
    stated = SCHEMA.get(element, {}).get("properties", {}).get(name, {})
    return str((stated.get("items") or stated).get("$ref", "")).rpartition("/")[2]


def is_optional(path: str) -> bool:
    element, *steps = path.replace("[x]", "").split(".")
    if any(path == each or path.startswith(f"{each}.") for each in NOT_OPTIONAL):
        return False
    for number, step in enumerate(steps, 1):
        asked = {name for group in groups(SCHEMA.get(element, {})) for name in group}
        wanted = step in asked or any(name.startswith(step) and name[len(step)].isupper() for name in asked - {step})
        if wanted and (number == len(steps) or "." not in below(element, step)):
            return False  # of an element with elements of its own something else would be left
        element = below(element, step.partition("(")[0])
    return True


def wrong(bundle: Json) -> list[str]:
    """What a validator says of the resources of a Bundle. A Composition has its narrative from the wire, and is looked at there."""
    looked_at = [entry["resource"] for entry in bundle["entry"] if kind(entry["resource"]) != "Composition"]
    return [
        f"{issue.path}: {issue.text}"
        for resource in looked_at
        for issue in validate(resource)
        if issue.severity in (Severity.ERROR, Severity.FATAL)
    ]


@cache
def letter_of(name: str) -> tuple[Json, Decision]:
    return decided(name, *case(name))


def left(bundle: Json, decision: Decision) -> Json | None:
    try:
        return minimise(bundle, decision, NAMING).bundle
    except NothingLeaves:
        return None


def without(decision: Decision, resource: str) -> Decision:
    votes = (replace(each, vote=Vote.DENY) if each.resource == resource else each for each in decision.votes)
    return replace(decision, votes=tuple(votes))


def paths() -> Iterator[tuple[str, str]]:
    """Every optional path of every agreement, each once, with a letter that it stands in."""
    seen: set[str] = set()
    for name in LETTERS:
        for path in letter_of(name)[1].permitted:
            if path not in seen and is_optional(path):
                yield name, path
            seen.add(path)


def test_a_letter_without_one_optional_path_is_fhir() -> None:
    """Only the person and what the path is of goes through, so that every other reference is lost as well."""
    tried = 0
    for name, path in paths():
        bundle, decision = letter_of(name)
        wanted = {path.split(".")[0], "Patient"}
        some = [entry for entry in bundle["entry"] if kind(entry["resource"]) in wanted]
        fewer = tuple(each for each in decision.permitted if each != path)
        made = left({**bundle, "entry": some}, replace(decision, permitted=fewer))
        of_it = [each for each in made["entry"] if kind(each["resource"]) == path.split(".")[0]] if made else []
        tried += bool(of_it)
        assert wrong({"entry": of_it}) == [], (name, path)
    assert tried > 150


@pytest.mark.parametrize("name", [name for name in LETTERS if name not in REPORTS])
def test_a_letter_without_one_resource_is_fhir(name: str) -> None:
    """A consent can keep back any of them but the person, whose denial ends the letter."""
    bundle, decision = letter_of(name)
    for resource in {each.resource for each in decision.votes} - {PATIENT_REFERENCE}:
        made = left(bundle, without(decision, resource))
        assert made is None or wrong(made) == [], resource


def somewhere(*participants: Json) -> Json:
    return label_resource(
        simple(
            "Appointment",
            "appointment",
            status="fulfilled",
            start="2026-01-16T10:00:00+00:00",
            end="2026-01-16T10:30:00+00:00",
            participant=[{**each, "status": "accepted"} for each in participants],
        )
    )


def appointment_of(name: str, *participants: Json) -> Json:
    bundle, decision = decided(name, [patient(), somewhere(*participants)], replace(CONTEXT, focus=CONTACTS))
    made = left(bundle, decision)
    assert made is not None
    assert wrong(made) == []
    found: Json = next(each["resource"] for each in made["entry"] if kind(each["resource"]) == "Appointment")
    return found


@pytest.mark.parametrize(("name", "clinic"), [("engagement", NOT_NAMED), ("write-back", "Clinic")])
def test_a_participant_who_is_not_in_the_letter_is_named_so(name: str, clinic: str) -> None:
    """app-1: it has an actor or a type. The place of an appointment is followed by no letter."""
    found = appointment_of(
        name, {"actor": {"reference": PATIENT_REFERENCE}}, {"actor": {"reference": "Location/clinic"}}
    )
    assert found["participant"][0]["actor"]["reference"].startswith("urn:uuid:")
    assert found["participant"][1] == {"actor": {"display": NOT_NAMED}, "status": "accepted"}
    alone = appointment_of(name, {"actor": {"reference": "Location/clinic"}})
    assert alone["participant"] == [{"actor": {"display": NOT_NAMED}, "status": "accepted"}]
    told = appointment_of(name, {"actor": {"reference": "Location/clinic", "display": "Clinic"}})
    assert told["participant"] == [{"actor": {"display": clinic}, "status": "accepted"}]


def test_a_prescription_of_a_product_that_is_kept_back_is_kept_back() -> None:
    """Its words would tell of what somebody keeps back. Of a product that is only not understood they are read on."""
    product = label_resource(simple("Medication", "product", code={"text": "Sertraline 50mg tablets"}))
    request = label_resource(
        simple(
            "MedicationRequest",
            "of-a-product",
            status="active",
            intent="order",
            subject={"reference": PATIENT_REFERENCE},
            medicationReference={"reference": "Medication/product", "display": "Sertraline 50mg tablets"},
            dosageInstruction=[{"text": "One each morning"}],
        )
    )
    bundle, decision = decided("handover", [patient(), product, request], CONTEXT)
    whole = minimise(bundle, decision, NAMING)
    assert "MedicationRequest" in {kind(each["resource"]) for each in whole.bundle["entry"]}
    reduced = minimise(bundle, without(decision, "Medication/product"), NAMING)
    assert wrong(reduced.bundle) == []
    assert not {"MedicationRequest", "Medication"} & {kind(each["resource"]) for each in reduced.bundle["entry"]}
    assert ("MedicationRequest/of-a-product", "nothing-left") in {(each.path, each.rule) for each in reduced.withheld}
    votes = (
        replace(each, vote=Vote.DENY, rule="not-understood") if each.resource == "Medication/product" else each
        for each in decision.votes
    )
    unread = replace(decision, votes=tuple(votes))
    unnamed = tuple(each for each in unread.permitted if each != "MedicationRequest.medicationReference.display")
    for permitted, name in ((unread.permitted, "Sertraline 50mg tablets"), (unnamed, NOT_NAMED)):
        made = minimise(bundle, replace(unread, permitted=permitted), NAMING).bundle
        assert wrong(made) == []
        (said,) = (each["resource"] for each in made["entry"] if kind(each["resource"]) == "MedicationRequest")
        assert said["medicationReference"] == {"display": name}


def test_the_sender_of_a_document_that_is_kept_back_is_named_so() -> None:
    bundle, decision = letter_of("handover")
    made = left(bundle, without(decision, "Organization/establishment"))
    assert made is not None
    assert made["entry"][0]["resource"]["author"] == [{"display": NOT_NAMED}]


def nested(element: str, path: str, seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, frozenset[str]]]:
    """The elements of a type that stand on a reference alone: (path, what it needs one of)."""
    for name in SCHEMA[element].get("properties", {}):
        child = below(element, name)
        if "." not in child or child in seen:
            continue
        for group in groups(SCHEMA[child]):
            if any(below(child, each) == "Reference" for each in group):
                yield f"{path}.{name}", group
        yield from nested(child, f"{path}.{name}", seen | {child})


@pytest.mark.parametrize("resource_type", sorted(ACCEPTED))
def test_what_stands_on_a_reference_by_r4_is_listed(resource_type: str) -> None:
    for path, group in nested(resource_type, resource_type):
        assert set(STANDS_ON[path]) == group, path


def test_sabotage_a_letter_that_breaks_an_invariant_is_found() -> None:
    bundle, decision = letter_of("engagement")
    made = left(bundle, decision)
    assert made is not None
    for entry in made["entry"]:
        for each in entry["resource"].get("participant", ()) if kind(entry["resource"]) == "Appointment" else ():
            del each["actor"]
    assert any("app-1" in each for each in wrong(made))
    assert is_optional("Appointment.participant.actor")
    assert not is_optional("Appointment.participant.status")
    assert not is_optional("MedicationAdministration.effective[x]")


def of_each() -> Sequence[tuple[str, Json]]:
    """An element that stands on what is lost, of each kind that a letter could be let out with."""
    reference = {"reference": "Basic/elsewhere"}
    return (
        ("Encounter.location", {"location": [{"location": reference, "status": "active"}]}),
        (
            "MedicationAdministration.performer",
            {"performer": [{"function": {"coding": [{"code": "nurse"}]}, "actor": reference}]},
        ),
        ("Patient.contact", {"contact": [{"gender": "female", "organization": reference}]}),
        ("Condition.stage", {"stage": [{"type": {"coding": [{"code": "one"}]}, "assessment": [reference]}]}),
        ("Observation.referenceRange", {"referenceRange": [{"type": {"coding": [{"code": "normal"}]}}]}),
    )


@pytest.mark.parametrize(("path", "held"), of_each(), ids=lambda each: each if isinstance(each, str) else "")
def test_what_stands_on_what_is_lost_goes_with_it_and_is_listed(path: str, held: Json) -> None:
    resource_type, name = path.split(".")
    resource = label_resource({"resourceType": resource_type, "id": "one", "language": "en", **held})
    bundle, decision = letter_of("handover")
    open_wide = replace(
        decision,
        permitted=(path, f"{resource_type}.language"),
        votes=tuple(replace(each, resource=name_of(resource)) for each in decision.votes[:1]),
    )
    made = minimise({**bundle, "entry": [{"resource": resource}]}, open_wide, NAMING)
    assert name not in made.bundle["entry"][0]["resource"]
    assert (path, "nothing-left") in {(each.path, each.rule) for each in made.withheld}
