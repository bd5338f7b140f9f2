"""FHIR message Bundles as a community or prison clinical system would send them, about synthetic people. Never used by the line.

Ids and fullUrls are derived from the message id (version 5 UUIDs), so that the same call is the same bytes. Times are ISO 8601.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fhir_profiles.systems import (
    ACT_CODE,
    ACT_REASON,
    AGENCY,
    CONSENT_SCOPE,
    LOCAL_CODE,
    LOCAL_ID,
    MEDICATION_REQUEST_CATEGORY,
    NHS_NUMBER,
    ODS,
    PRISON_NUMBER,
    SNOMED,
    UCUM,
    UK_CORE_NOMINATED_PHARMACY,
)
from gateway.demo.hl7v2_messages import ESTABLISHMENT, Product
from gateway.demo.people import SyntheticPerson

Json = dict[str, Any]

NAMESPACE = uuid.UUID("6f0f7a4e-6d0a-5a0e-9a55-7468726f7567")
EVENTS = LOCAL_CODE + "message-event"
SOURCE = "https://fellgate-clinical.example/fhir"
ROLE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def name_uuid(*parts: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "|".join(parts)))


def patient(person: SyntheticPerson) -> Json:
    """The Patient with both numbers, the GP practice, the nominated pharmacy and the release address."""
    resource: Json = {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [
            {"system": NHS_NUMBER, "value": person.nhs_number},
            {"system": PRISON_NUMBER, "value": person.prison_number},
        ],
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": person.gender,
        "birthDate": person.born,
        "address": [{"use": "home", "line": ["1 Example Street"], "city": "Exampleton", "postalCode": person.postcode}],
        "generalPractitioner": [{"identifier": {"system": ODS, "value": person.gp_ods}}],
    }
    if person.pharmacy_ods is not None:
        pharmacy = {"identifier": {"system": ODS, "value": person.pharmacy_ods}}
        resource["extension"] = [{"url": UK_CORE_NOMINATED_PHARMACY, "valueReference": pharmacy}]
    return resource


def message(
    person: SyntheticPerson,
    resources: Sequence[Json],
    *,
    message_id: str,
    at: str,
    event: str,
    establishment: str = ESTABLISHMENT,
    source: str = SOURCE,
) -> bytes:
    """A message Bundle: MessageHeader, Patient, then the resources. `Type/id` references become the entries' fullUrls."""
    everything = [patient(person), *resources]
    urls = {
        f"{resource['resourceType']}/{resource['id']}": f"urn:uuid:{name_uuid(message_id, resource['resourceType'], resource['id'])}"
        for resource in everything
    }
    header: Json = {
        "resourceType": "MessageHeader",
        "id": name_uuid(message_id, "MessageHeader"),
        "eventCoding": {"system": EVENTS, "code": event},
        "sender": {"identifier": {"system": AGENCY, "value": establishment}, "display": "HMP Fellgate healthcare"},
        "source": {"name": "Fellgate clinical system", "endpoint": source},
        "focus": [{"reference": urls[f"{r['resourceType']}/{r['id']}"]} for r in resources],
    }
    entries = [{"fullUrl": f"urn:uuid:{header['id']}", "resource": header}]
    entries += [
        {"fullUrl": urls[f"{r['resourceType']}/{r['id']}"], "resource": _rereferenced(r, urls)} for r in everything
    ]
    bundle = {
        "resourceType": "Bundle",
        "id": name_uuid(message_id, "Bundle"),
        "type": "message",
        "timestamp": at,
        "entry": entries,
    }
    return json.dumps(bundle, ensure_ascii=False, indent=1).encode()


def _rereferenced(value: Any, urls: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: urls.get(inner, inner) if key == "reference" and isinstance(inner, str) else _rereferenced(inner, urls)
            for key, inner in value.items()
        }
    return [_rereferenced(inner, urls) for inner in value] if isinstance(value, list) else value


def care_plan(
    *, resource_id: str = "plan", start: str, description: str, title: str = "Substance misuse care plan"
) -> Json:
    """An active substance misuse care plan (SNOMED CT 1365691000000109, under care of substance misuse service)."""
    return {
        "resourceType": "CarePlan",
        "id": resource_id,
        "status": "active",
        "intent": "plan",
        "category": [
            {
                "coding": [
                    {"system": SNOMED, "code": "1365691000000109", "display": "Under care of substance misuse service"}
                ]
            }
        ],
        "title": title,
        "description": description,
        "subject": {"reference": "Patient/patient"},
        "period": {"start": start},
    }


def medication_request(
    product: Product, *, resource_id: str, authored: str, text: str, status: str = "active", category: str = "community"
) -> Json:
    """A prescription for 14 days in the clinical system's own form. `category` is `inpatient` (given in custody), `community` or `discharge`."""
    return {
        "resourceType": "MedicationRequest",
        "id": resource_id,
        "status": status,
        "intent": "order",
        "category": [{"coding": [{"system": MEDICATION_REQUEST_CATEGORY, "code": category}]}],
        "medicationCodeableConcept": {
            "coding": [{"system": SNOMED, "code": product.code, "display": product.text}],
            "text": product.text,
        },
        "subject": {"reference": "Patient/patient"},
        "authoredOn": authored,
        "dosageInstruction": [{"text": text}],
        "dispenseRequest": {"quantity": {"value": 14 * int(product.dose), "unit": product.unit}},
    }


def administration(product: Product, *, resource_id: str, given: str, text: str, request: str | None = None) -> Json:
    """A dose given, with the time: what a handover names as the last dose."""
    resource: Json = {
        "resourceType": "MedicationAdministration",
        "id": resource_id,
        "status": "completed",
        "medicationCodeableConcept": {
            "coding": [{"system": SNOMED, "code": product.code, "display": product.text}],
            "text": product.text,
        },
        "subject": {"reference": "Patient/patient"},
        "effectiveDateTime": given,
        "dosage": {
            "text": text,
            "dose": {
                "value": int(product.dose),
                "unit": product.unit,
                "system": UCUM,
                "code": product.unit,
            },
        },
    }
    if request is not None:
        resource["request"] = {"reference": f"MedicationRequest/{request}"}
    return resource


def risk_flag(*, resource_id: str, text: str, start: str) -> Json:
    """A risk that a clinical recipient must see."""
    return {
        "resourceType": "Flag",
        "id": resource_id,
        "status": "active",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/flag-category", "code": "clinical"}]}
        ],
        "code": {"text": text},
        "subject": {"reference": "Patient/patient"},
        "period": {"start": start},
    }


def appointment(*, resource_id: str, start: str, minutes: int, description: str, where: str) -> Json:
    """A booked appointment of the person with somebody outside; `start` has its offset."""
    begins = datetime.fromisoformat(start)
    return {
        "resourceType": "Appointment",
        "id": resource_id,
        "status": "booked",
        "description": description,
        "start": start,
        "end": (begins + timedelta(minutes=minutes)).isoformat(),
        "participant": [
            {"actor": {"reference": "Patient/patient"}, "status": "accepted"},
            {"actor": {"display": where}, "status": "accepted"},
        ],
    }


def consent(
    *,
    resource_id: str,
    at: str,
    decision: str,
    recipient_ods: str | None = None,
    recipient_reference: str | None = None,
    status: str = "active",
    purpose: str = "TREAT",
) -> Json:
    """A FHIR R4 Consent in the core dialect: `decision` is `permit` or `deny`, for one recipient (an ODS code), for
    whatever a reference means, or for all.
    """
    # The core dialect: the policy rule states the decision and the root provision says what it is about; a type there would make
    # it the other dialect (IHE PCF).
    provision: Json = {"purpose": [{"system": ACT_REASON, "code": purpose}]}
    actor: Json = (
        {"identifier": {"system": ODS, "value": recipient_ods}} if recipient_ods else {"reference": recipient_reference}
    )
    if recipient_ods or recipient_reference:
        provision["actor"] = [{"role": {"coding": [{"system": ROLE, "code": "IRCP"}]}, "reference": actor}]
    policy = {"permit": "OPTIN", "deny": "OPTOUT"}[decision]
    return {
        "resourceType": "Consent",
        "id": resource_id,
        "identifier": [{"system": LOCAL_ID + "consent", "value": resource_id}],
        "status": status,
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT_CODE, "code": "INFA"}]}],
        "patient": {"reference": "Patient/patient"},
        "dateTime": at,
        "policyRule": {"coding": [{"system": ACT_CODE, "code": policy}]},
        "provision": provision,
    }
