"""Synthetic people and messages for tests: keyword defaults, so that a test says only what it is about.

The builders of the demo with defaults around them; nothing here knows the line.
"""

from collections.abc import Sequence
from typing import Any

from gateway.demo import fhir_messages, hl7v2_messages
from gateway.demo.fhir_messages import administration, care_plan, consent, medication_request, risk_flag
from gateway.demo.hl7v2_messages import (
    BENZODIAZEPINES,
    COCAINE,
    DIAZEPAM,
    ESTABLISHMENT,
    METHADONE,
    METHADONE_ASSAY,
    OPIATES,
    Assay,
    Course,
    Product,
    Sent,
)
from gateway.demo.people import SyntheticPerson, nhs_number, prison_number, synthetic_person

__all__ = [
    "BENZODIAZEPINES",
    "COCAINE",
    "DIAZEPAM",
    "ESTABLISHMENT",
    "METHADONE",
    "METHADONE_ASSAY",
    "OPIATES",
    "Assay",
    "Course",
    "Product",
    "Sent",
    "SyntheticPerson",
    "administration",
    "adt_a01",
    "adt_a03",
    "adt_a13",
    "adt_a40",
    "care_plan",
    "consent",
    "fhir_message",
    "medication_request",
    "mllp_frame",
    "nhs_number",
    "oru_r01",
    "prison_number",
    "rde_o11",
    "risk_flag",
    "synthetic_person",
]

Json = dict[str, Any]
NOON = "20260115120000+0000"
PERSON = synthetic_person(1)
ONCE_DAILY = Course(start=NOON)


def adt_a01(person: SyntheticPerson = PERSON, *, message_id: str = "A01-1", at: str = NOON, **header: str) -> bytes:
    return hl7v2_messages.admission(person, Sent(message_id=message_id, at=at, **header))


def adt_a03(
    person: SyntheticPerson = PERSON,
    *,
    message_id: str = "A03-1",
    at: str = NOON,
    disposition: str = "CR",
    **header: str,
) -> bytes:
    return hl7v2_messages.discharge(person, Sent(message_id=message_id, at=at, **header), disposition=disposition)


def adt_a13(person: SyntheticPerson = PERSON, *, message_id: str = "A13-1", at: str = NOON, **header: str) -> bytes:
    return hl7v2_messages.discharge_cancelled(person, Sent(message_id=message_id, at=at, **header))


def adt_a40(
    person: SyntheticPerson = PERSON,
    *,
    prior_prison_number: str = "Z9999ZZ",
    message_id: str = "A40-1",
    at: str = NOON,
    **header: str,
) -> bytes:
    sent = Sent(message_id=message_id, at=at, **header)
    return hl7v2_messages.merge(person, sent, prior_prison_number=prior_prison_number)


def oru_r01(
    person: SyntheticPerson = PERSON,
    *,
    assays: Sequence[Assay] = (Assay(code=OPIATES[0], text=OPIATES[1], result="positive"),),
    purpose: str = "therapeutic",
    message_id: str = "ORU-1",
    at: str = NOON,
    **header: str,
) -> bytes:
    return hl7v2_messages.drug_test(person, Sent(message_id=message_id, at=at, **header), assays, purpose=purpose)


def rde_o11(
    person: SyntheticPerson = PERSON,
    *,
    product: Product = METHADONE,
    course: Course = ONCE_DAILY,
    message_id: str = "RDE-1",
    at: str = NOON,
    **header: str,
) -> bytes:
    return hl7v2_messages.prescription(person, Sent(message_id=message_id, at=at, **header), product, course)


def fhir_message(
    person: SyntheticPerson = PERSON,
    *,
    resources: Sequence[Json] = (),
    message_id: str = "FHIR-1",
    at: str = "2026-01-15T12:00:00+00:00",
    event: str = "record",
    establishment: str = ESTABLISHMENT,
) -> bytes:
    return fhir_messages.message(
        person, resources, message_id=message_id, at=at, event=event, establishment=establishment
    )


def mllp_frame(body: bytes) -> bytes:
    """One message between the start block and the end block of MLLP."""
    return b"\x0b" + body + b"\x1c\x0d"
