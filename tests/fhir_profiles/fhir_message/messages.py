"""FHIR messages for the tests of the mapping: small, synthetic, one thing changed at a time."""

import copy
import json
from collections.abc import Sequence
from typing import Any

from fhir_profiles import systems
from fhir_profiles.shapes import Channel, Translation
from fhir_profiles.translate import translate
from tests.builders import PERSON

Json = dict[str, Any]
CHANNEL = Channel(name="prison-fhir", format="fhir")
SENDER = "https://prison.example/fhir"
ABOUT = {"reference": "Patient/p1"}
LOINC_OPIATES_SCREEN = {"system": systems.LOINC, "code": "19295-5"}


def patient(**changes: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [
            {"system": systems.NHS_NUMBER, "value": PERSON.nhs_number},
            {"system": systems.PRISON_NUMBER, "value": PERSON.prison_number},
        ],
        "name": [{"family": PERSON.family, "given": [PERSON.given]}],
        "birthDate": PERSON.born,
    } | changes


def header(**changes: Any) -> Json:
    return {
        "resourceType": "MessageHeader",
        "id": "h1",
        "eventCoding": {"system": "https://prison.example/events", "code": "record"},
        "sender": {"identifier": {"system": systems.AGENCY, "value": "ZFG"}},
        "source": {"endpoint": SENDER},
    } | changes


def bundle(*resources: Json, person: Json | None = None, head: Json | None = None, **changes: Any) -> Json:
    """A message whose entries have absolute fullUrls of the sender's server."""
    everything = [head or header(), *([patient()] if person is None else [person] if person else []), *resources]
    entries = [
        {"fullUrl": f"{SENDER}/{resource['resourceType']}/{resource.get('id', 'none')}", "resource": resource}
        for resource in everything
    ]
    return {
        "resourceType": "Bundle",
        "id": "b1",
        "type": "message",
        "timestamp": "2026-01-15T12:00:00.100Z",
        "entry": entries,
    } | changes


def read(message: Json) -> Translation:
    return translate(CHANNEL, json.dumps(message, default=str).encode())


def carried(translation: Translation, kind: str) -> list[Json]:
    return [
        entry["resource"] for entry in translation.bundle.get("entry", []) if entry["resource"]["resourceType"] == kind
    ]


def plan(**changes: Any) -> Json:
    return {
        "resourceType": "CarePlan",
        "id": "plan1",
        "status": "active",
        "intent": "plan",
        "title": "Substance misuse care plan",
        "subject": ABOUT,
    } | changes


def request(**changes: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "rx1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Methadone 1mg/ml oral solution"},
        "subject": ABOUT,
        "dosageInstruction": [{"text": "40 ml daily, supervised"}],
    } | changes


def result(**changes: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": "obs1",
        "status": "final",
        "code": {"coding": [LOINC_OPIATES_SCREEN]},
        "subject": ABOUT,
        "effectiveDateTime": "2026-01-14T09:00:00Z",
        "valueCodeableConcept": {"text": "Positive"},
    } | changes


def consent(**changes: Any) -> Json:
    return {
        "resourceType": "Consent",
        "id": "c1",
        "status": "active",
        "scope": {"coding": [{"system": systems.CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": systems.ACT_CODE, "code": "INFA"}]}],
        "patient": ABOUT,
        "dateTime": "2026-01-15",
        "policyRule": {"coding": [{"system": systems.ACT_CODE, "code": "OPTOUT"}]},
    } | changes


def without(resource: Json, *names: str) -> Json:
    return {key: value for key, value in copy.deepcopy(resource).items() if key not in names}


def leaves(value: Any, source: str) -> list[str]:
    """Every place that holds something, worked out independently of the mapping."""
    if isinstance(value, dict):
        return [place for key, item in value.items() for place in leaves(item, f"{source}.{key}")]
    if isinstance(value, list):
        return [place for at, item in enumerate(value) for place in leaves(item, f"{source}[{at}]")]
    return [] if value is None else [source]


def paths(values: Sequence[Any]) -> list[str]:
    return [value.path for value in values]
