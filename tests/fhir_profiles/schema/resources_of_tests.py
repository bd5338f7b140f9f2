"""Small valid R4 resources for the validator's tests; each call gives a fresh copy. Synthetic only."""

from typing import Any

Json = dict[str, Any]

XHTML = "http://www.w3.org/1999/xhtml"


def patient() -> Json:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
        "name": [{"use": "official", "family": "Sample", "given": ["Sam", "Q"]}],
        "telecom": [{"system": "phone", "value": "01632 960001"}],
        "gender": "male",
        "birthDate": "1980-02-29",
        "address": [{"use": "home", "line": ["1 Example Street"], "postalCode": "ZZ99 3WZ"}],
        "contact": [{"name": {"family": "Other"}}],
    }


def observation() -> Json:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "19295-5"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-01-15T09:30:00+00:00",
        "valueQuantity": {"value": 7, "unit": "ng/mL", "system": "http://unitsofmeasure.org", "code": "ng/mL"},
    }


def request() -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Methadone 1mg/ml oral solution"},
        "subject": {"reference": "Patient/p1"},
        "dosageInstruction": [
            {"text": "40 ml daily", "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
        ],
    }


def consent() -> Json:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "INFA"}]}],
        "patient": {"reference": "Patient/p1"},
        "dateTime": "2026-01-15",
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"period": {"start": "2026-01-01", "end": "2026-12-31"}},
    }


def condition() -> Json:
    return {
        "resourceType": "Condition",
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
        },
        "subject": {"reference": "Patient/p1"},
    }


def message() -> Json:
    return {
        "resourceType": "Bundle",
        "type": "message",
        "entry": [
            {
                "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
                "resource": {
                    "resourceType": "MessageHeader",
                    "eventUri": "urn:example:event",
                    "source": {"endpoint": "https://prison.example/fhir"},
                },
            },
            {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000002", "resource": patient()},
            {
                "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000003",
                "resource": observation() | {"subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"}},
            },
        ],
    }


def narrative(inside: str, *, around: str = f'<div xmlns="{XHTML}">') -> Json:
    return {"status": "generated", "div": f"{around}{inside}</div>"}
