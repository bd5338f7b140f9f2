"""Whose an order's number is that says no authority: the sender's (HL7 v2.5.1 4.5.1.2: unique within the placer, which MSH-3 and MSH-4 name).

Two senders count alike, so that an equal number alone never makes two orders one (fhir_profiles/issued.py). It must never change the number, nor
say of one that names an authority, or comes with an organisation that assigned it, whose it is.
"""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text
from fhir_profiles.instalments import SERIAL
from fhir_profiles.shapes import Json

SENDER: Final = systems.LOCAL_ID + "system"
"""The system of a sender's own name, as a Provenance has it."""


def names_no_authority(number: Json) -> bool:
    """Has a number no system, or one of ours that names no authority? The serial number of a form is everybody's."""
    system = as_text(number.get("system"))
    if system == SERIAL:
        return False
    return not system or (system.startswith(systems.LOCAL_ID) and "/" not in system.removeprefix(systems.LOCAL_ID))


def assigner_of(number: Json) -> tuple[str, str]:
    """Give who assigned a number, as (system, value); empty texts where nobody is named."""
    assigner = as_object(as_object(number.get("assigner")).get("identifier"))
    return as_text(assigner.get("system")), as_text(assigner.get("value"))


def of_sender(number: Json, sender: str) -> Json:
    """Give the number with the sender as its assigner, where it names no other; the same object where nothing is added."""
    if not sender or "assigner" in number or not as_text(number.get("value")) or not names_no_authority(number):
        return number
    return {**number, "assigner": {"identifier": {"system": SENDER, "value": sender}}}


def own_numbers(resources: list[Json], sender: str) -> list[Json]:
    """Give the prescriptions and dispenses of a FHIR message with whose their numbers are; others are the same objects."""
    return [_numbered(resource, sender) for resource in resources]


def _numbered(resource: Json, sender: str) -> Json:
    if resource["resourceType"] == "MedicationRequest" and isinstance(resource.get("identifier"), list):
        return {**resource, "identifier": [_one(each, sender) for each in resource["identifier"]]}
    if resource["resourceType"] == "MedicationDispense" and as_objects(resource.get("authorizingPrescription")):
        held = resource["authorizingPrescription"]
        return {
            **resource,
            "authorizingPrescription": [
                {**each, "identifier": _one(each["identifier"], sender)}
                if isinstance(each, dict) and isinstance(each.get("identifier"), dict)
                else each
                for each in (held if isinstance(held, list) else [held])
            ],
        }
    return resource


def _one(number: Json, sender: str) -> Json:
    return of_sender(number, sender) if isinstance(number, dict) else number
