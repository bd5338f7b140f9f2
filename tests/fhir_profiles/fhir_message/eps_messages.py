"""Messages in the form of the Electronic Prescription Service, with synthetic people: an order, its cancellation, a dispense."""

import base64
from typing import Any

from fhir_profiles import systems
from tests.builders import PERSON

Json = dict[str, Any]
NHS = "https://fhir.nhs.uk/"
EXTENSION = NHS + "StructureDefinition/Extension-"
ORDER_NUMBER = NHS + "Id/prescription-order-number"
ITEM_NUMBER = NHS + "Id/prescription-order-item-number"
ITEMS = ("6f2b1c3e-0001-4000-8000-000000000001", "6f2b1c3e-0001-4000-8000-000000000002")
SIGNATURE = base64.b64encode(b"<Signature>synthetic</Signature>").decode()
METHADONE = {"system": systems.SNOMED, "code": "322516007", "display": "Methadone 1mg/ml oral solution"}


def urn(number: int) -> str:
    return f"urn:uuid:00000000-0000-4000-8000-{number:012d}"


def _header(event: str, prescriber: str, **more: Any) -> Json:
    return {
        "resourceType": "MessageHeader",
        "id": f"00000000-0000-4000-8000-0000000009{len(event):02d}",
        "eventCoding": {"system": NHS + "CodeSystem/message-event", "code": event},
        "sender": {"identifier": {"system": systems.ODS, "value": prescriber}, "display": "EXAMPLE PRACTICE"},
        "source": {"endpoint": f"https://directory.example/Organization/{prescriber}"},
        **more,
    }


def item(number: int = 0, **changes: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "extension": [
            {
                "url": EXTENSION + "DM-PrescriptionType",
                "valueCoding": {"system": NHS + "CodeSystem/prescription-type", "code": "0101"},
            },
            {
                "url": EXTENSION + "DM-ControlledDrug",
                "extension": [
                    {"url": "quantityWords", "valueString": "two hundred and eighty"},
                    {
                        "url": "schedule",
                        "valueCoding": {"system": NHS + "CodeSystem/medicationrequest-controlled-drug", "code": "CD2"},
                    },
                ],
            },
            {"url": "https://unknown.example/extension", "valueString": "nobody here knows it"},
        ],
        "identifier": [{"system": ITEM_NUMBER, "value": ITEMS[number]}],
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": systems.MEDICATION_REQUEST_CATEGORY, "code": "community"}]}],
        "medicationCodeableConcept": {"coding": [METHADONE]},
        "subject": {"reference": urn(1)},
        "authoredOn": "2026-01-15T09:00:00+00:00",
        "requester": {"reference": urn(3)},
        "groupIdentifier": {
            "extension": [
                {
                    "url": EXTENSION + "DM-PrescriptionId",
                    "valueIdentifier": {
                        "system": NHS + "Id/prescription",
                        "value": "20ba5fb5-0000-4000-8000-000000000001",
                    },
                }
            ],
            "system": ORDER_NUMBER,
            "value": "0AAAAA-ZZZ001-00001B",
        },
        "dosageInstruction": [{"text": f"{40 + number} ml once a day, supervised"}],
        "dispenseRequest": {
            "extension": [
                {
                    "url": EXTENSION + "DM-PerformerSiteType",
                    "valueCoding": {"system": NHS + "CodeSystem/dispensing-site-preference", "code": "P1"},
                }
            ],
            "quantity": {"value": 280, "unit": "ml", "system": systems.SNOMED, "code": "258773002"},
            "performer": {"identifier": {"system": systems.ODS, "value": "ZZP01"}},
        },
        "substitution": {"allowedBoolean": False},
        **changes,
    }


def _bundle(number: int, head: Json, *resources: tuple[int, Json]) -> Json:
    identity = f"00000000-0000-4000-8000-0000000008{number:02d}"
    return {
        "resourceType": "Bundle",
        "id": identity,
        "identifier": {"system": "https://tools.ietf.org/html/rfc4122", "value": identity},
        "type": "message",
        "timestamp": f"2026-01-15T{9 + number:02d}:00:00+00:00",
        "entry": [
            {"fullUrl": urn(90 + number), "resource": head},
            *({"fullUrl": urn(place), "resource": resource} for place, resource in resources),
        ],
    }


PATIENT: Json = {
    "resourceType": "Patient",
    "identifier": [{"system": systems.NHS_NUMBER, "value": PERSON.nhs_number}],
    "name": [{"use": "usual", "family": PERSON.family, "given": [PERSON.given]}],
    "birthDate": PERSON.born,
    "generalPractitioner": [{"identifier": {"system": systems.ODS, "value": "ZZG01"}}],
}
ROLE: Json = {
    "resourceType": "PractitionerRole",
    "identifier": [{"system": NHS + "Id/sds-role-profile-id", "value": "100000000001"}],
    "practitioner": {"identifier": {"system": NHS + "Id/sds-user-id", "value": "555000000001"}},
    "organization": {"reference": urn(4)},
}
ORGANISATION: Json = {
    "resourceType": "Organization",
    "identifier": [{"system": systems.ODS, "value": "ZZG01"}],
    "name": "EXAMPLE PRACTICE",
}


def _signed(*targets: str) -> Json:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": "2026-01-15T09:01:00+00:00",
        "agent": [{"who": {"reference": urn(3)}}],
        "signature": [
            {
                "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}],
                "when": "2026-01-15T09:01:00+00:00",
                "who": {"reference": urn(3)},
                "data": SIGNATURE,
            }
        ],
    }


def order() -> Json:
    """Two lines, their prescriber, and the prescriber's signature."""
    people = ((1, PATIENT), (3, ROLE), (4, ORGANISATION))
    head = _header("prescription-order", "ZZG01", focus=[{"reference": urn(11)}, {"reference": urn(12)}])
    return _bundle(1, head, (11, item(0)), (12, item(1)), *people, (5, _signed(urn(11), urn(12))))


def cancellation(prescriber: str = "ZZG09", number: int = 2) -> Json:
    """The first line is taken back, by another organisation than the one that ordered it."""
    reason = {"coding": [{"system": NHS + "CodeSystem/medicationrequest-status-reason", "code": "0003"}]}
    head = _header("prescription-order-update", prescriber, focus=[{"reference": urn(21)}])
    line = item(0, status="cancelled", statusReason=reason)
    return _bundle(number, head, (21, line), (1, PATIENT), (3, ROLE), (4, ORGANISATION))


def dispense(**changes: Any) -> Json:
    """The second line was dispensed. No Patient: the person is whom the dispense names."""
    about = {"identifier": {"system": systems.NHS_NUMBER, "value": PERSON.nhs_number}}
    role = {**ROLE, "id": "performer"}
    line = {**item(1, subject=about, requester={"display": "the prescriber"}), "id": "m1"}
    given: Json = {
        "resourceType": "MedicationDispense",
        "contained": [role, line],
        "extension": [
            {
                "url": EXTENSION + "EPS-TaskBusinessStatus",
                "valueCoding": {"system": NHS + "CodeSystem/EPS-task-business-status", "code": "0006"},
            }
        ],
        "identifier": [
            {"system": NHS + "Id/prescription-dispense-item-number", "value": "6f2b1c3e-0002-4000-8000-000000000001"}
        ],
        "status": "in-progress",
        "medicationCodeableConcept": {"coding": [METHADONE]},
        "subject": about,
        "performer": [{"actor": {"reference": "#performer"}}],
        "authorizingPrescription": [{"reference": "#m1"}],
        "type": {"coding": [{"system": NHS + "CodeSystem/medicationdispense-type", "code": "0001"}]},
        "quantity": {"value": 280, "unit": "ml", "system": systems.SNOMED, "code": "258773002"},
        "whenPrepared": "2026-01-15T11:30:00+00:00",
        "dosageInstruction": [{"text": "41 ml once a day, supervised"}],
        **changes,
    }
    head = _header(
        "dispense-notification", "ZZP01", response={"identifier": "a5d77265-0000-4000-8000-000000000001", "code": "ok"}
    )
    return _bundle(3, head, (31, given), (4, ORGANISATION))
