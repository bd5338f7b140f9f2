"""One full letter of each kind, as it is composed: every element that a recipient needs, about a person who does not exist."""

import copy
from typing import Any

from consent.minimise import Released, minimise
from tests.consent.made import AS_OF, NAMING, NHS, ODS, PRISON_NUMBER, ask, code, label

Json = dict[str, Any]

SCT = "http://snomed.info/sct"
CODE = "https://throughgate.example/code/"
VERIFIED = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"


def concept(value: str, display: str = "", text: str = "") -> Json:
    made = code(value)
    if display:
        made["coding"][0]["display"] = display
    return {**made, **({"text": text} if text else {})}


def _labelled(resource: Json, *codes: str) -> Json:
    return {**resource, "meta": {"security": [label(item) for item in codes]}}


SUBJECT = {"reference": "Patient/patient"}

PATIENT = _labelled(
    {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [
            {
                "system": NHS,
                "value": "9990000018",
                "use": "official",
                "extension": [
                    {"url": VERIFIED, "valueCodeableConcept": {"coding": [{"system": "urn:x", "code": "01"}]}}
                ],
            },
            {"system": PRISON_NUMBER, "value": "A1234BC"},
        ],
        "active": True,
        "name": [{"use": "official", "family": "Gatewood", "given": ["Ivo"], "text": "Ivo Gatewood"}],
        "gender": "male",
        "birthDate": "1988-02-29",
        "telecom": [{"system": "phone", "value": "07700 900123"}],
        "address": [
            {
                "use": "home",
                "line": ["1 Made Up Street"],
                "city": "Leeds",
                "postalCode": "LS99 9ZZ",
                "text": "1 Made Up Street, Leeds",
            }
        ],
        "communication": [{"language": concept("en", "English", "English")}],
        "generalPractitioner": [
            {
                "reference": "Organization/gp-practice",
                "identifier": {"system": ODS, "value": "Y99999"},
                "display": "A practice",
            }
        ],
    },
    "N",
)
ESTABLISHMENT = _labelled(
    {
        "resourceType": "Organization",
        "id": "establishment",
        "identifier": [{"system": "https://throughgate.example/id/agency", "value": "LEI"}],
        "name": "HMP Example",
        "telecom": [{"system": "phone", "value": "0113 496 0000"}],
    },
    "N",
)
PRACTICE = _labelled(
    {
        "resourceType": "Organization",
        "id": "gp-practice",
        "identifier": [{"system": ODS, "value": "Y99999"}],
        "name": "A practice",
    },
    "N",
)
PRESCRIBER = _labelled(
    {
        "resourceType": "Practitioner",
        "id": "prescriber",
        "identifier": [{"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": "9999999"}],
        "name": [{"family": "Prescribes"}],
    },
    "N",
)
COMMUNICATION = _labelled(
    {
        "resourceType": "Communication",
        "id": "notice",
        "status": "completed",
        "category": [{"coding": [{"system": f"{CODE}letter", "code": "handover"}], "text": "Letter"}],
        "priority": "urgent",
        "sent": AS_OF,
        "subject": SUBJECT,
        "sender": {"reference": "Organization/establishment"},
        "about": [
            {
                "reference": "MedicationRequest/methadone",
                "identifier": {"system": "https://throughgate.example/id/delivery", "value": "0123456789ABCDEFGHJK"},
            }
        ],
        "payload": [{"contentString": "Release from HMP Example."}],
    },
    "R",
    "SUD",
)
METHADONE = _labelled(
    {
        "resourceType": "MedicationRequest",
        "id": "methadone",
        "identifier": [{"system": "urn:example:order", "value": "ORDER-1"}],
        "status": "active",
        "statusReason": concept("1", "a reason", "a reason"),
        "intent": "order",
        "category": [concept("community", "Community", "Community")],
        "medicationCodeableConcept": concept("321", "Methadone 1mg/ml oral solution", "methadone liquid"),
        "subject": SUBJECT,
        "requester": {"reference": "Practitioner/prescriber"},
        "authoredOn": "2026-01-02",
        "courseOfTherapyType": concept("continuous", "Continuous", "Continuous"),
        "reasonCode": [concept("55", "Opioid dependence", "opioid dependence")],
        "dosageInstruction": [
            {
                "text": "60 mg once daily, supervised",
                "patientInstruction": "Take it at the pharmacy",
                "additionalInstruction": [concept("9", "supervised", "supervised")],
                "timing": {
                    "repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": "2026-01-02"}}
                },
                "route": concept("26643006", "Oral", "by mouth"),
                "method": concept("738995006", "Swallow", "swallow"),
                "doseAndRate": [
                    {"doseQuantity": {"value": 60, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}
                ],
                "maxDosePerPeriod": {"numerator": {"value": 60}, "denominator": {"value": 1}},
            }
        ],
        "dispenseRequest": {
            "quantity": {"value": 60, "unit": "ml"},
            "validityPeriod": {"end": "2026-01-30"},
            "numberOfRepeatsAllowed": 0,
            "dispenseInterval": {"value": 1, "unit": "day"},
            "expectedSupplyDuration": {"value": 1, "unit": "day"},
        },
        "substitution": {"allowedBoolean": False},
        "note": [{"text": "information only: not a prescription, not authority to supply"}],
    },
    "R",
    "SUD",
)
DOSE = _labelled(
    {
        "resourceType": "MedicationAdministration",
        "id": "dose",
        "status": "completed",
        "category": concept("supervised", "Supervised", "supervised"),
        "medicationCodeableConcept": concept("321", "Methadone 1mg/ml oral solution", "methadone liquid"),
        "subject": SUBJECT,
        "request": {"reference": "MedicationRequest/methadone"},
        "effectiveDateTime": "2026-01-15T08:00:00Z",
        "dosage": {
            "text": "60 mg",
            "route": concept("26643006", "Oral", "by mouth"),
            "dose": {"value": 60, "unit": "mg"},
        },
        "note": [{"text": "given in the morning"}],
    },
    "R",
    "SUD",
)
ISSUE = _labelled(
    {
        "resourceType": "MedicationDispense",
        "id": "issue",
        "status": "completed",
        "medicationCodeableConcept": concept("321", "Methadone 1mg/ml oral solution", "methadone liquid"),
        "subject": SUBJECT,
        "authorizingPrescription": [{"reference": "MedicationRequest/methadone"}],
        "quantity": {"value": 60, "unit": "mg"},
        "daysSupply": {"value": 1, "unit": "day"},
        "whenPrepared": "2026-01-14T09:00:00Z",
        "whenHandedOver": "2026-01-14T16:00:00Z",
        "note": [{"text": "left at the hatch"}],
    },
    "R",
    "SUD",
)
TEST = _labelled(
    {
        "resourceType": "Observation",
        "id": "test",
        "status": "final",
        "category": [concept("therapeutic", "Therapeutic", "therapeutic")],
        "code": concept("opiates", "Opiates screen", "opiates"),
        "subject": SUBJECT,
        "effectiveDateTime": "2026-01-10",
        "issued": "2026-01-11T09:00:00Z",
        "valueCodeableConcept": concept("positive", "Positive", "positive"),
        "interpretation": [concept("POS", "Positive", "positive")],
        "method": concept("screening", "Screening", "screening"),
        "note": [{"text": "Presumptive: this is not a confirmatory result."}],
        "component": [{"code": concept("c", "part", "part"), "valueQuantity": {"value": 3}}],
    },
    "R",
    "SUD",
)
TRACING = _labelled(
    {
        "resourceType": "Observation",
        "id": "tracing",
        "status": "final",
        "category": [concept("laboratory", "Laboratory", "laboratory")],
        "code": concept("qtc", "QT interval, corrected", "QTc"),
        "subject": SUBJECT,
        "effectiveDateTime": "2026-01-10",
        "valueQuantity": {"value": 462, "unit": "ms"},
        "interpretation": [concept("H", "High", "high")],
        "note": [{"text": "Repeat in a month."}],
    },
    "R",
)
REPORT = _labelled(
    {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "status": "final",
        "category": [concept("TOX", "Toxicology", "toxicology")],
        "code": concept("drugs", "Drug screen", "drug screen"),
        "subject": SUBJECT,
        "effectiveDateTime": "2026-01-10",
        "issued": "2026-01-11T09:00:00Z",
        "result": [{"reference": "Observation/test"}],
        "conclusion": "opiates seen",
    },
    "R",
    "SUD",
)
FLAG = _labelled(
    {
        "resourceType": "Flag",
        "id": "risk",
        "status": "active",
        "category": [concept("safety", "Safety", "safety")],
        "code": concept("overdose", "Risk of overdose", "overdose before"),
        "subject": SUBJECT,
        "period": {"start": "2025-12-01"},
    },
    "R",
)
PLAN = _labelled(
    {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "category": [concept("1365691000000109", "Substance misuse care plan", "plan")],
        "title": "Recovery plan",
        "description": "Stay with treatment",
        "subject": SUBJECT,
        "addresses": [{"reference": "Condition/dependence"}],
        "author": {"reference": "Practitioner/prescriber"},
        "period": {"start": "2025-12-01"},
        "created": "2025-12-01",
        "activity": [
            {
                "detail": {
                    "status": "scheduled",
                    "description": "See the keyworker",
                    "code": concept("k", "Keywork", "keywork"),
                }
            }
        ],
        "note": [{"text": "wants to move"}],
    },
    "R",
    "SUD",
)
CONDITION = _labelled(
    {
        "resourceType": "Condition",
        "id": "dependence",
        "clinicalStatus": concept("active", "Active", "active"),
        "verificationStatus": concept("confirmed", "Confirmed", "confirmed"),
        "code": concept("75544000", "Opioid dependence", "opioid dependence"),
        "subject": SUBJECT,
        "onsetDateTime": "2015",
        "recordedDate": "2025-12-01",
        "note": [{"text": "long standing"}],
    },
    "R",
    "SUD",
)
ALLERGY = _labelled(
    {
        "resourceType": "AllergyIntolerance",
        "id": "allergy",
        "clinicalStatus": concept("active", "Active", "active"),
        "type": "allergy",
        "criticality": "high",
        "code": concept("penicillin", "Penicillin", "penicillin"),
        "patient": SUBJECT,
        "recordedDate": "2020-01-01",
        "reaction": [{"manifestation": [concept("rash", "Rash", "rash")], "severity": "severe"}],
    },
    "N",
)
APPOINTMENT = _labelled(
    {
        "resourceType": "Appointment",
        "id": "first",
        "status": "booked",
        "description": "First appointment",
        "serviceType": [concept("sm", "Substance misuse", "substance misuse")],
        "start": "2026-01-16T10:00:00Z",
        "end": "2026-01-16T10:30:00Z",
        "minutesDuration": 30,
        "participant": [
            {"actor": {"reference": "Patient/patient", "display": "Ivo"}, "status": "accepted", "required": "required"}
        ],
    },
    "R",
    "SUD",
)
CALL = _labelled(
    {
        **{key: value for key, value in COMMUNICATION.items() if key != "meta"},
        "medium": [concept("PHONE", "telephone", "telephone")],
        "topic": concept("keywork", "Key work", "key work"),
        "received": AS_OF,
        "about": [{"reference": "Appointment/first"}],
        "note": [{"text": "wants to keep the place"}],
    },
    "R",
    "SUD",
)
VISIT = _labelled(
    {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [concept("visit", "Prison visit", "prison visit")],
        "subject": SUBJECT,
        "participant": [{"individual": {"reference": "Practitioner/prescriber", "display": "A worker"}}],
        "period": {"start": "2026-01-14T10:00:00Z", "end": "2026-01-14T10:40:00Z"},
        "reasonCode": [concept("plan", "Release planning", "release planning")],
        "serviceProvider": {"display": "Exampleton Recovery"},
        "location": [{"location": {"display": "B wing"}}],
    },
    "R",
    "SUD",
)
COMPOSITION = _labelled(
    {
        "resourceType": "Composition",
        "id": "handover",
        "status": "final",
        "type": {
            "coding": [{"system": f"{CODE}letter", "code": "handover", "display": "Handover"}],
            "text": "Handover",
        },
        "subject": SUBJECT,
        "date": AS_OF,
        "author": [{"reference": "Organization/establishment"}],
        "title": "Substance misuse handover",
        "confidentiality": "R",
        "custodian": {"reference": "Organization/establishment"},
        "event": [{"code": [{"text": "Release from prison"}], "period": {"start": AS_OF}}],
        "section": [
            {"title": "Risk", "code": concept("risk", "Risk", "risk"), "entry": [{"reference": "Flag/risk"}]},
            {
                "title": "Medication",
                "entry": [{"reference": "MedicationRequest/methadone"}, {"reference": "MedicationAdministration/dose"}],
            },
            {"title": "Tests", "entry": [{"reference": "Observation/test"}]},
            {"title": "Diagnoses", "entry": [{"reference": "Condition/dependence"}]},
            {
                "title": "Missing",
                "section": [
                    {
                        "title": "General practice",
                        "emptyReason": {
                            "coding": [{"system": "urn:x", "code": "unavailable"}],
                            "text": "Not in the file.",
                        },
                    }
                ],
            },
        ],
    },
    "R",
    "SUD",
)
OWN_COMPOSITION = {
    **COMPOSITION,
    "section": [
        {
            "title": "Medication",
            "code": concept("medicine", "Medicine", "medicine"),
            "entry": [{"reference": "MedicationRequest/methadone"}, {"reference": "MedicationAdministration/dose"}],
        },
        {
            "title": "Pharmacy",
            "code": concept("pharmacy", "Pharmacy", "pharmacy"),
            "emptyReason": {"coding": [{"system": "urn:x", "code": "unavailable"}], "text": "Not in the file."},
        },
    ],
}
"""Of the person's own copy, which names no risk and no test."""
MEASURE = _labelled(
    {
        "resourceType": "MeasureReport",
        "id": "report",
        "status": "complete",
        "type": "summary",
        "measure": "https://throughgate.example/Measure/unexpected-drug-test-results",
        "reporter": {"reference": "Organization/establishment"},
        "period": {"start": "2026-01", "end": "2026-01"},
        "group": [
            {
                "code": {"coding": [{"system": f"{CODE}substance-group", "code": "opiates"}], "text": "opiates"},
                "stratifier": [
                    {"code": [{"text": "tested"}], "stratum": [{"value": {"text": "25"}}]},
                    {"code": [{"text": "unexpected"}], "stratum": [{"value": {"text": "seen"}}]},
                ],
            }
        ],
    },
    "N",
)

QUARTERLY = _labelled(
    {
        **{key: value for key, value in MEASURE.items() if key != "meta"},
        "measure": "https://throughgate.example/Measure/handovers-of-a-quarter",
        "period": {"start": "2026-01", "end": "2026-03"},
        "group": [
            {
                "code": {"coding": [{"system": f"{CODE}indicator", "code": "handed-over"}], "text": "handed over"},
                "stratifier": [
                    {"code": [{"text": "confirmed"}], "stratum": [{"value": {"text": "25"}}]},
                    {"code": [{"text": "total"}], "stratum": [{"value": {"text": "*"}}]},
                ],
            }
        ],
    },
    "N",
)
STATEMENT = _labelled(
    {
        "resourceType": "MedicationStatement",
        "id": "statement",
        "status": "active",
        "medicationCodeableConcept": concept("321", "Methadone 1mg/ml oral solution", "methadone liquid"),
        "subject": SUBJECT,
        "effectivePeriod": {"start": "2025-12-01"},
        "dosage": [{"text": "60 mg once daily, supervised", "route": concept("26643006", "Oral", "by mouth")}],
        "note": [{"text": "says the person"}],
    },
    "R",
    "SUD",
)
STAY = _labelled(
    {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": SUBJECT,
        "period": {"start": "2026-01-15T10:30:00Z"},
        "serviceProvider": {"display": "HMP Example"},
        "location": [{"location": {"display": "B wing"}}],
    },
    "N",
)

FORM = _labelled(
    {
        "resourceType": "QuestionnaireResponse",
        "id": "form",
        "status": "completed",
        "questionnaire": "https://throughgate.example/Questionnaire/screen",
        "subject": SUBJECT,
        "authored": AS_OF,
        "item": [{"linkId": "1", "text": "Used in the last month", "answer": [{"valueString": "daily"}]}],
    },
    "R",
    "SUD",
)
GOAL = _labelled(
    {
        "resourceType": "Goal",
        "id": "goal",
        "lifecycleStatus": "active",
        "description": {"text": "Stay with treatment"},
        "subject": SUBJECT,
        "startDate": "2025-12-01",
        "target": [{"dueDate": "2026-03-01"}],
    },
    "R",
    "SUD",
)
ASKED = _labelled(
    {
        "resourceType": "ServiceRequest",
        "id": "asked",
        "identifier": [{"system": "urn:example:referral", "value": "REF-1"}],
        "status": "active",
        "intent": "plan",
        "priority": "routine",
        "category": [{"coding": [{"system": f"{CODE}use-case", "code": "custody-to-community"}], "text": "Referral"}],
        "code": concept("referral", "Referral", "Referral"),
        "subject": SUBJECT,
        "occurrencePeriod": {"start": "2026-01-30"},
        "authoredOn": AS_OF,
        "requester": {"reference": "Practitioner/prescriber"},
        "performer": [{"display": "Exampleton Recovery"}],
        "reasonCode": [concept("55", "Opioid dependence", "release in two weeks")],
        "supportingInfo": [{"reference": "Observation/test"}],
        "note": [{"text": "a morning, please"}],
    },
    "R",
    "SUD",
)
REASONED = {**COMMUNICATION, "reasonCode": [concept("new")]}
TEAM = _labelled(
    {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": SUBJECT,
        "participant": [{"role": [concept("spoc", "SPOC", "spoc")], "member": {"display": "The desk, 0113 496 0001"}}],
    },
    "R",
    "SUD",
)

ABOUT_NOBODY = frozenset({"report", "indicators", "board-indicators"})
LETTERS: dict[str, tuple[Json, ...]] = {
    "handover": (
        COMPOSITION,
        COMMUNICATION,
        PATIENT,
        METHADONE,
        DOSE,
        TEST,
        REPORT,
        FLAG,
        PLAN,
        CONDITION,
        ALLERGY,
        APPOINTMENT,
        ESTABLISHMENT,
        PRACTICE,
        PRESCRIBER,
    ),
    "gp-copy": (
        COMPOSITION,
        COMMUNICATION,
        PATIENT,
        METHADONE,
        DOSE,
        TRACING,
        FLAG,
        PLAN,
        CONDITION,
        ALLERGY,
        APPOINTMENT,
        ESTABLISHMENT,
        PRACTICE,
        PRESCRIBER,
    ),
    "prescription-copy": (COMMUNICATION, PATIENT, METHADONE, ISSUE, DOSE, ESTABLISHMENT, PRESCRIBER),
    "gp-prescription-copy": (COMMUNICATION, PATIENT, METHADONE, ISSUE, DOSE, ESTABLISHMENT, PRESCRIBER),
    "correction": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "gp-correction": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "transfer-correction": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "assessment": (COMMUNICATION, PATIENT, FORM, TEST, REPORT, FLAG, ESTABLISHMENT, PRESCRIBER),
    "care-plan-update": (
        COMMUNICATION,
        PATIENT,
        PLAN,
        GOAL,
        TEAM,
        METHADONE,
        FLAG,
        CONDITION,
        ESTABLISHMENT,
        PRESCRIBER,
    ),
    "engagement": (COMMUNICATION, PATIENT, APPOINTMENT, VISIT, ESTABLISHMENT),
    "community-record": (
        COMMUNICATION,
        PATIENT,
        METHADONE,
        DOSE,
        STATEMENT,
        TEST,
        FLAG,
        CONDITION,
        ALLERGY,
        ESTABLISHMENT,
        PRESCRIBER,
    ),
    "acct-contribution": (COMMUNICATION, PATIENT, FLAG, APPOINTMENT, ESTABLISHMENT),
    "persons-handover": (
        OWN_COMPOSITION,
        COMMUNICATION,
        PATIENT,
        METHADONE,
        DOSE,
        STATEMENT,
        APPOINTMENT,
        TEAM,
        ESTABLISHMENT,
        PRESCRIBER,
    ),
    "persons-transfer": (
        OWN_COMPOSITION,
        COMMUNICATION,
        PATIENT,
        METHADONE,
        DOSE,
        STATEMENT,
        TEAM,
        ESTABLISHMENT,
        PRESCRIBER,
    ),
    "persons-correction": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "probation-summary": (COMMUNICATION, PATIENT, PLAN, APPOINTMENT, ESTABLISHMENT),
    "mandatory-test-referral": (COMMUNICATION, PATIENT, ASKED, TEST, ESTABLISHMENT),
    "referral": (
        REASONED,
        PATIENT,
        ASKED,
        METHADONE,
        DOSE,
        STATEMENT,
        TEST,
        FLAG,
        PLAN,
        CONDITION,
        ALLERGY,
        APPOINTMENT,
        TEAM,
        ESTABLISHMENT,
        PRESCRIBER,
    ),
    "transfer": (
        COMPOSITION,
        COMMUNICATION,
        PATIENT,
        METHADONE,
        DOSE,
        TEST,
        REPORT,
        FLAG,
        PLAN,
        CONDITION,
        ALLERGY,
        APPOINTMENT,
        STATEMENT,
        TEAM,
        ESTABLISHMENT,
        PRESCRIBER,
    ),
    "notice-of-withdrawal": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "gp-notice-of-withdrawal": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "pharmacy-notice-of-withdrawal": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "prison-notice-of-withdrawal": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "record-notice-of-withdrawal": (COMMUNICATION, PATIENT, ESTABLISHMENT),
    "write-back": (CALL, PATIENT, APPOINTMENT, VISIT, ESTABLISHMENT, PRESCRIBER),
    "reception-notice": (COMMUNICATION, PATIENT, STAY, STATEMENT, ESTABLISHMENT, PRESCRIBER),
    "gp-reception-notice": (COMMUNICATION, PATIENT, STAY, STATEMENT, ESTABLISHMENT, PRESCRIBER),
    "pharmacy-reception-notice": (COMMUNICATION, PATIENT, STAY, STATEMENT, ESTABLISHMENT, PRESCRIBER),
    "harm-disclosure": (COMMUNICATION, PATIENT, TEST, ESTABLISHMENT),
    "report": (MEASURE, ESTABLISHMENT),
    "indicators": (QUARTERLY, ESTABLISHMENT),
    "board-indicators": (QUARTERLY, ESTABLISHMENT),
}


def letter(name: str) -> Json:
    resources = copy.deepcopy(LETTERS[name])
    return bundle(*resources)


def bundle(*resources: Json) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": item} for item in resources]}


def send(made: Json, name: str, *consents: Any, **more: Any) -> Released:
    """Decide and minimise one letter."""
    resources = [entry["resource"] for entry in made["entry"]]
    return minimise(made, ask(*consents, resources=resources, under=name, **more), NAMING)


def resources_of(released: Released, kind: str) -> list[Json]:
    return [entry["resource"] for entry in released.bundle["entry"] if entry["resource"]["resourceType"] == kind]
