"""Kinds of data in plain words, and how much of each an agreement lets out: the rows of the matrix that an IG officer signs.

A kind is a few elements that stand for it. This module MUST NOT decide anything: what leaves is decided path by path.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from consent.paths import compile_paths, permits
from consent.shapes import Agreement

NHS_NUMBER: Final = "https://fhir.nhs.uk/Id/nhs-number"
PRISON_NUMBER: Final = "https://throughgate.example/id/prison-number"
PSEUDONYM: Final = "pseudonym:"

NUMBERS: Final[Mapping[str, str]] = {"NHS number": NHS_NUMBER, "prison number": PRISON_NUMBER}
"""Kinds that are an identifier of the person: they leave by `identifier_systems`."""

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "NHS number": (),
    "prison number": (),
    "name": ("Patient.name.family",),
    "date of birth": ("Patient.birthDate",),
    "sex": ("Patient.gender",),
    "language and form of reading": ("Patient.communication",),
    "address": ("Patient.address.line", "Patient.address.postalCode"),
    "telephone": ("Patient.telecom.value",),
    "general practice": ("Patient.generalPractitioner.identifier",),
    "next of kin and contacts": ("Patient.contact.name", "Patient.contact.telecom", "RelatedPerson.name"),
    "religion, ethnicity, marital state": ("Patient.maritalStatus", "Patient.extension"),
    "photograph": ("Patient.photo",),
    "message in words": ("Communication.payload.contentString",),
    "medicine and dose": (
        "MedicationRequest.medicationCodeableConcept.coding.code",
        "MedicationRequest.dosageInstruction.doseAndRate.doseQuantity",
    ),
    "dose instructions, text": ("MedicationRequest.dosageInstruction.text",),
    "reason for the medicine": ("MedicationRequest.reasonCode.coding.code",),
    "number of the prescription": ("MedicationRequest.identifier.value",),
    "last dose given": ("MedicationAdministration.dosage.dose.value", "MedicationAdministration.effectiveDateTime"),
    "what else is taken": ("MedicationStatement.medicationCodeableConcept.coding.code",),
    "test or assessment result": ("Observation.valueCodeableConcept.coding.code", "Observation.code.coding.code"),
    "day of a test": ("Observation.effectiveDateTime",),
    "report on a test, text": ("DiagnosticReport.conclusion",),
    "answers of a questionnaire": ("QuestionnaireResponse.item.answer.valueString",),
    "that there is a care plan": ("CarePlan.status", "CarePlan.period.start"),
    "what the care plan says": ("CarePlan.title", "CarePlan.activity.detail.status"),
    "care plan, text": ("CarePlan.description", "CarePlan.note.text"),
    "goals": ("Goal.description.text",),
    "risk": ("Flag.code.coding.code", "Flag.code.text"),
    "condition": ("Condition.code.coding.code",),
    "allergy": ("AllergyIntolerance.code.text",),
    "referral": ("ServiceRequest.reasonCode.text",),
    "start and end of treatment": ("EpisodeOfCare.period.start",),
    "time of an appointment": ("Appointment.start",),
    "what an appointment is for": ("Appointment.serviceType.text", "Appointment.description"),
    "a contact or a stay": ("Encounter.period.start",),
    "what a contact was about": ("Encounter.reasonCode.coding.code",),
    "who prescribed or treats": ("Practitioner.name.family",),
    "wing and cell": ("Location.name", "Encounter.location", "Patient.address.extension"),
    "consents of the person": ("Consent.status", "Consent.provision"),
    "security labels": ("Patient.meta", "Observation.meta.security", "Composition.meta.security"),
    "narrative, attachments": (
        "Composition.text",
        "Patient.text",
        "DiagnosticReport.presentedForm",
        "Communication.payload.contentAttachment",
    ),
    "day of anything": (
        "MedicationRequest.authoredOn",
        "Communication.sent",
        "Observation.effectiveDateTime",
        "Composition.date",
        "MeasureReport.date",
    ),
    "figures about nobody": ("MeasureReport.group.stratifier.stratum.value.text",),
}
"""Kind -> elements that stand for it, as they stand in FHIR JSON."""


class HowMuch(StrEnum):
    """What of a kind may leave."""

    YES = "yes"
    PART = "in part"
    PSEUDONYM = "as a pseudonym"
    NO = "no"


def how_much(agreement: Agreement, kind: str) -> HowMuch:
    """What of a kind may leave under an agreement. KeyError for a kind that is not in `KINDS`."""
    if kind in NUMBERS:
        system = NUMBERS[kind]
        if system in agreement.identifier_systems:
            return HowMuch.YES
        return HowMuch.PSEUDONYM if PSEUDONYM + system in agreement.identifier_systems else HowMuch.NO
    root = compile_paths(agreement.paths)
    leave = [permits(root, path) for path in KINDS[kind]]
    if all(leave):
        return HowMuch.YES
    return HowMuch.PART if any(leave) else HowMuch.NO


def most(answers: Iterable[HowMuch]) -> HowMuch:
    """What somebody may have under any of several agreements."""
    found = frozenset(answers)
    return next((each for each in HowMuch if each in found), HowMuch.NO)
