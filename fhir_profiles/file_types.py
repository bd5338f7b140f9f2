"""Which FHIR resource types join a person's file, and where each says whom it is about. It must never say who may see one."""

from typing import Final

ACCEPTED: Final = frozenset(
    {
        "AllergyIntolerance", "Appointment", "CarePlan", "CareTeam", "Communication", "Condition", "Consent", "DiagnosticReport", "Encounter", "Flag", "Goal",
        "Location", "Medication", "MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement", "Observation",
        "Organization", "Patient", "Practitioner", "PractitionerRole", "Provenance", "QuestionnaireResponse", "ServiceRequest", "Specimen",
    }
)  # fmt: skip
"""Resource types that join a person's file; a Provenance is kept as a record. Others are listed as unsupported."""
SUBJECTS: Final = {
    "AllergyIntolerance": "patient",
    "CarePlan": "subject",
    "Communication": "subject",
    "Condition": "subject",
    "Consent": "patient",
    "DiagnosticReport": "subject",
    "Encounter": "subject",
    "Flag": "subject",
    "Goal": "subject",
    "MedicationAdministration": "subject",
    "MedicationDispense": "subject",
    "MedicationRequest": "subject",
    "MedicationStatement": "subject",
    "Observation": "subject",
    "Procedure": "subject",
    "QuestionnaireResponse": "subject",
    "ServiceRequest": "subject",
}
"""What must say whose it is, or is kept back; a Procedure joins only where it is a coded entry of consent.
CareTeam and Specimen may leave it out, but not contradict; so may an Appointment."""
MAY_SAY: Final = {"CareTeam": "subject", "Composition": "subject", "Specimen": "subject"}
NO_LIFE_OF_ITS_OWN: Final = frozenset({"CarePlan", "Consent", "MedicationRequest"})
"""Contained, one of these only explains the resource around it; lifted out it would be a prescription, a plan or a consent that nobody made."""
ALONE: Final = frozenset(SUBJECTS) | {"Patient"}
"""What may come by itself: it says whose it is, or who somebody is."""
