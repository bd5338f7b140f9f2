"""Synthetic files of synthetic people: resources as a file holds them, with internal ids and labels. Keyword builders, one idea each."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.label import label_resource
from fhir_profiles.shapes import Heading, IndicatorFigures, Json, LetterContext, ReportCell, ReportFigures
from fhir_profiles.terminology import SUBSTANCE_GROUPS

AS_OF = "2026-01-15T12:00:00+00:00"
CONTEXT = LetterContext(
    establishment="LEI",
    establishment_name="HMP Fellgate",
    establishment_telephone="0113 496 0000",
    event="release",
    occurred="2026-01-15T10:30:00+00:00",
    focus=("MedicationRequest/methadone",),
    corrects="0000000000000000000C",
    withdrawn=("0000000000000000000H", "0000000000000000000R"),
    known_as='{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000026"}],'
    '"name":[{"family":"Example-As-Told"}],"birthDate":"1985-05-05"}',
    recorded_by="Exampleton Recovery",
)
CONTACTS = ("Appointment/appointment", "Encounter/visit", "Communication/call")
HEADING = Heading(
    delivery_id="0123456789ABCDEFGHJK",
    sender_ods="Y00001",
    sender_name="HMP Fellgate healthcare",
    sender_endpoint="https://gateway.example/fhir",
    destination_name="Exampleton Recovery",
    destination_ods="Y00002",
    destination_endpoint="https://recovery.example/fhir",
    time="2026-01-15T12:00:01.000000Z",
)
METHADONE = {
    "coding": [{"system": systems.SNOMED, "code": "36120711000001104"}],
    "text": "Methadone 1mg/ml oral solution",
}


ACTIVE_ALLERGY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]
}


def patient(**more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [
            {"system": systems.NHS_NUMBER, "value": "9990000026"},
            {"system": systems.PRISON_NUMBER, "value": "Z0001AA"},
        ],
        "name": [{"use": "official", "family": "Example", "given": ["Alex"]}],
        "gender": "male",
        "birthDate": "1985-05-05",
        "address": [{"use": "home", "line": ["1 Example Street"], "city": "Exampleton", "postalCode": "LS1 1ZZ"}],
        "generalPractitioner": [
            {"identifier": {"system": systems.ODS, "value": "Y99001"}, "display": "Example Surgery"}
        ],
        **more,
    }


def prescription(
    resource_id: str = "methadone",
    *,
    medicine: Json | str = METHADONE,
    authored: str | None = "2026-01-02",
    start: str | None = None,
    end: str | None = None,
    status: str = "active",
    text: str = "40 ml once a day, supervised",
    **more: Any,
) -> Json:
    bounds = {key: value for key, value in (("start", start), ("end", end)) if value is not None}
    dosage: Json = {"text": text}
    if bounds:
        dosage["timing"] = {"repeat": {"boundsPeriod": bounds}}
    written: Json = {
        "resourceType": "MedicationRequest",
        "id": resource_id,
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"text": medicine} if isinstance(medicine, str) else medicine,
        "subject": {"reference": PATIENT_REFERENCE},
        "dosageInstruction": [dosage],
        **more,
    }
    return {**written, "authoredOn": authored} if authored is not None else written


def dose(
    resource_id: str = "dose",
    *,
    given: str = "2026-01-15T08:05:00+00:00",
    amount: Decimal | None = Decimal("40.00"),
    supervised: str | None = "supervised",
    medicine: Json | str = METHADONE,
    status: str = "completed",
) -> Json:
    written: Json = {
        "resourceType": "MedicationAdministration",
        "id": resource_id,
        "status": status,
        "medicationCodeableConcept": {"text": medicine} if isinstance(medicine, str) else medicine,
        "subject": {"reference": PATIENT_REFERENCE},
        "effectiveDateTime": given,
    }
    if supervised is not None:
        written["category"] = {"coding": [{"system": systems.SUPERVISION, "code": supervised}]}
    if amount is not None:
        written["dosage"] = {"dose": {"value": amount, "unit": "ml", "system": systems.UCUM, "code": "mL"}}
    return written


def issue(
    resource_id: str = "issue",
    *,
    handed: str | None = "2026-01-14T16:00:00+00:00",
    amount: Decimal = Decimal("120.00"),
    medicine: Json | str = METHADONE,
    status: str = "completed",
    of: str = "MedicationRequest/methadone",
    **more: Any,
) -> Json:
    written: Json = {
        "resourceType": "MedicationDispense",
        "id": resource_id,
        "status": status,
        "medicationCodeableConcept": {"text": medicine} if isinstance(medicine, str) else medicine,
        "subject": {"reference": PATIENT_REFERENCE},
        "authorizingPrescription": [{"reference": of}],
        "quantity": {"value": amount, "unit": "ml"},
    }
    return written | ({"whenHandedOver": handed} if handed is not None else {}) | more


def issues() -> list[Json]:
    """The last issue of the medicine, an earlier one, and one of another medicine, which no copy of this prescription holds."""
    earlier = issue("earlier", handed="2026-01-07T16:00:00+00:00", amount=Decimal("277.00"))
    another = issue("another", medicine="Sertraline 50mg tablets", of="MedicationRequest/sertraline")
    return [label_resource(each) for each in (issue(), earlier, another)]


def drug_test(
    resource_id: str = "test",
    *,
    group: str = "opiates",
    result: str = "positive",
    purpose: str | None = "therapeutic",
    method: str | None = "screening",
    taken: str | None = "2026-01-10T09:00:00+00:00",
    specimen: str | None = None,
    **more: Any,
) -> Json:
    category: list[Json] = [{"coding": [{"system": systems.OBSERVATION_CATEGORY, "code": "laboratory"}]}]
    if purpose is not None:
        category.append({"coding": [{"system": systems.TEST_PURPOSE, "code": purpose}]})
    written: Json = {
        "resourceType": "Observation",
        "id": resource_id,
        "extension": [
            {"url": systems.ESTABLISHMENT_EXTENSION, "valueIdentifier": {"system": systems.AGENCY, "value": "LEI"}}
        ],
        "status": "final",
        "category": category,
        "code": {"coding": [{"system": systems.SUBSTANCE_GROUP, "code": group}], "text": group},
        "subject": {"reference": PATIENT_REFERENCE},
        "valueCodeableConcept": {"coding": [{"system": systems.TEST_RESULT, "code": result}], "text": result},
        **more,
    }
    if taken is not None:
        written["effectiveDateTime"] = taken
    if method is not None:
        written["method"] = {"coding": [{"system": systems.TEST_METHOD, "code": method}]}
    if specimen is not None:
        written["specimen"] = {"reference": specimen}
    return written


def report_of(resource_id: str, *observations: str, purpose: str | None = None) -> Json:
    category = [{"coding": [{"system": systems.TEST_PURPOSE, "code": purpose}]}] if purpose else []
    written: Json = {
        "resourceType": "DiagnosticReport",
        "id": resource_id,
        "status": "final",
        "code": {"text": "Urine drug screen"},
        "subject": {"reference": PATIENT_REFERENCE},
        "result": [{"reference": f"Observation/{observation}"} for observation in observations],
    }
    return {**written, "category": category} if category else written


def care_plan(resource_id: str = "plan", **more: Any) -> Json:
    return {
        "resourceType": "CarePlan",
        "id": resource_id,
        "status": "active",
        "intent": "plan",
        "title": "Substance misuse care plan",
        "description": "Maintain on methadone; relapse prevention group weekly.",
        "subject": {"reference": PATIENT_REFERENCE},
        "period": {"start": "2026-01-02"},
        **more,
    }


def flag(resource_id: str = "risk", **more: Any) -> Json:
    return {
        "resourceType": "Flag",
        "id": resource_id,
        "status": "active",
        "code": {"text": "Risk of self-harm: ACCT open"},
        "subject": {"reference": PATIENT_REFERENCE},
        **more,
    }


def simple(resource_type: str, resource_id: str, **more: Any) -> Json:
    return {"resourceType": resource_type, "id": resource_id, **more}


def observed(resource_id: str, item: str, said: str, **more: Any) -> Json:
    """What somebody wrote of one item of the record."""
    code = {"coding": [{"system": systems.LOCAL_CODE + "record-item", "code": item}], "text": item.replace("-", " ")}
    written = simple("Observation", resource_id, status="final", code=code, valueCodeableConcept={"text": said})
    return {**written, "subject": {"reference": PATIENT_REFERENCE}, "effectiveDateTime": "2026-01-03", **more}


def in_team(role: str, member: Json, **more: Any) -> Json:
    return {
        "role": [{"coding": [{"system": systems.LOCAL_CODE + "care-role", "code": role}], "text": role}],
        "member": member,
        **more,
    }


def care_facts() -> list[Json]:
    """The care team, and what a handover asks of a record by name."""
    social = [{"coding": [{"system": systems.OBSERVATION_CATEGORY, "code": "social-history"}]}]
    return [
        simple(
            "CareTeam",
            "team",
            status="active",
            subject={"reference": PATIENT_REFERENCE},
            participant=[
                in_team("named-nurse", {"reference": "Practitioner/nurse"}),
                in_team("recovery-coordinator", {"display": "Sam Recovery"}),
                in_team("spoc", {"display": "Fellgate substance misuse desk, 0113 496 0001"}),
                in_team("treatment-provider", {"reference": "Organization/provider"}),
            ],
        ),
        simple("CareTeam", "old-team", status="inactive", participant=[in_team("named-nurse", {"display": "Former Nurse"})]),
        simple("Practitioner", "nurse", name=[{"family": "Nurse", "given": ["Nia"]}]),
        simple("Organization", "provider", name="Exampleton Recovery", telecom=[{"system": "phone", "value": "0113 496 0002"}]),
        observed("bbv", "bbv-status", "Hepatitis C test offered and accepted, result awaited"),
        observed("smoking", "smoking-status", "Smoker", category=social),
        observed("naloxone-talk", "naloxone-outcome", "Supplied, training given"),
        observed("interpreter", "communication-need", "Interpreter for every appointment"),
        observed("qtc", "heart-tracing", "QTc 462 ms, sinus rhythm"),
        observed("liver", "liver-function", "ALT 61, otherwise normal"),
    ]  # fmt: skip


def whole_file() -> list[Json]:
    """Everything that a handover wants, each once, labelled, with what must stay out beside it."""
    subject = {"subject": {"reference": PATIENT_REFERENCE}}
    return [
        label_resource(resource)
        for resource in (
            patient(
                extension=[{"url": systems.UK_CORE_NOMINATED_PHARMACY, "valueReference": {"identifier": {"system": systems.ODS, "value": "FX001"}}}],
                communication=[{"language": {"text": "Polish, with an interpreter"}, "preferred": True}],
            ),
            prescription(requester={"reference": "Practitioner/prescriber"}, dispenseRequest={"quantity": {"value": Decimal("280.0"), "unit": "ml"}}),
            prescription("sertraline", medicine="Sertraline 50mg tablets", text="One each morning", authored="2026-01-03"),
            prescription("old", medicine="Buprenorphine 2mg sublingual tablets", status="stopped", start="2025-12-20", end="2026-01-01"),
            prescription("later", authored="2026-01-15", start="2026-01-16", text="35 ml once a day, from the community pharmacy"),
            simple(
                "MedicationStatement",
                "naloxone",
                status="active",
                subject={"reference": PATIENT_REFERENCE},
                medicationCodeableConcept={"text": "Naloxone 1.8mg nasal spray"},
                dosage=[{"text": "Two sprays to take home"}],
            ),
            simple("Practitioner", "prescriber", name=[{"family": "Prescriber"}]),
            dose("early", given="2026-01-14T08:00:00+00:00"),
            dose(),
            drug_test(),
            drug_test("confirmed", group="methadone", method="confirmatory"),
            drug_test("mandatory", group="cocaine", purpose="mandatory"),
            report_of("panel", "test", "confirmed"),
            report_of("mandatory-panel", "mandatory", purpose="mandatory"),
            flag(),
            flag("ended", status="inactive", code={"text": "Ended risk"}),
            care_plan(),
            care_plan("old-plan", status="revoked", description="An old plan"),
            simple("Condition", "condition", code={"text": "Opioid dependence"}, **subject),
            simple("AllergyIntolerance", "allergy", code={"text": "Penicillin"}, clinicalStatus=ACTIVE_ALLERGY, patient={"reference": PATIENT_REFERENCE}),
            simple(
                "Appointment",
                "appointment",
                status="booked",
                start="2026-01-16T10:00:00+00:00",
                end="2026-01-16T10:30:00+00:00",
                description="Exampleton Recovery, first appointment",
                participant=[{"actor": {"reference": PATIENT_REFERENCE}, "status": "accepted"}],
            ),
            simple(
                "Observation",
                "audit",
                status="final",
                category=[{"coding": [{"system": systems.OBSERVATION_CATEGORY, "code": "survey"}]}],
                code={"text": "AUDIT total score"},
                valueInteger=12,
                effectiveDateTime="2026-01-03",
                **subject,
            ),
            *care_facts(),
            simple("Observation", "sodium", status="final", code={"text": "Sodium"}, valueQuantity={"value": Decimal("140.0")}, **subject),
        )
    ]  # fmt: skip


FIGURES = ReportFigures(
    establishment="LEI",
    establishment_name="HMP Fellgate",
    period="2026-01",
    cells=tuple(
        ReportCell(
            group=group,
            tested="15" if number < 3 else "not shown",
            shown="seen" if number < 3 else "not shown",
        )
        for number, group in enumerate(SUBSTANCE_GROUPS)
    ),
)


INDICATORS = IndicatorFigures(
    establishment="LEI",
    establishment_name="HMP Fellgate",
    period="2026-Q1",
    months=("2026-01", "2026-03"),
    shown=(("confirmed", "25"), ("delivered", "*"), ("not delivered", "*"), ("total", "40")),
)
REPORTS: dict[str, ReportFigures | IndicatorFigures] = {"report": FIGURES, "indicators": INDICATORS}
"""The letters about nobody, and the closed figures that they are made of."""


def contacts() -> list[Json]:
    """What a provider outside recorded about a person in custody, beside the stay."""
    subject = {"subject": {"reference": PATIENT_REFERENCE}}
    return [
        label_resource(resource)
        for resource in (
            simple(
                "Encounter",
                "stay",
                status="in-progress",
                **{"class": {"system": systems.ACT_CODE, "code": "IMP"}},
                serviceProvider={"identifier": {"system": systems.AGENCY, "value": "LEI"}},
                location=[{"location": {"display": "B wing, cell 4"}}],
                **subject,
            ),
            simple(
                "Encounter",
                "visit",
                status="finished",
                **{"class": {"system": systems.ACT_CODE, "code": "AMB"}},
                type=[{"text": "Visit in prison by the recovery worker"}],
                period={"start": "2026-01-14T10:00:00+00:00", "end": "2026-01-14T10:40:00+00:00"},
                participant=[{"individual": {"display": "Sam Worker"}}],
                **subject,
            ),
            simple(
                "Communication",
                "call",
                status="completed",
                sent="2026-01-13T15:00:00+00:00",
                payload=[{"contentString": "Agreed that the place is kept until Friday"}],
                **subject,
            ),
        )
    ]


def carried_facts() -> list[Json]:
    """What messages bring that letters carry on: a form, a goal, a referral, a clinician's words for an ACCT review, a kept appointment."""
    subject = {"subject": {"reference": PATIENT_REFERENCE}}
    words = {
        "coding": [{"system": systems.COMMUNICATION_KIND, "code": "acct-contribution"}],
        "text": "ACCT contribution",
    }
    return [
        label_resource(resource)
        for resource in (
            simple(
                "QuestionnaireResponse",
                "form",
                status="completed",
                authored="2026-01-15T09:00:00+00:00",
                questionnaire="https://throughgate.example/Questionnaire/reception-screen",
                item=[{"linkId": "1", "text": "Used heroin in the last month", "answer": [{"valueString": "Daily until Friday"}]}],
                **subject,
            ),
            simple("Goal", "goal", lifecycleStatus="active", description={"text": "Stay with treatment after release"}, **subject),
            simple(
                "ServiceRequest",
                "asked",
                identifier=[{"system": systems.LOCAL_ID + "referral", "value": "REF-77"}],
                status="active",
                intent="order",
                category=[{"coding": [{"system": systems.BARS_SERVICE, "code": "referral"}]}],
                authoredOn="2026-01-14T09:00:00+00:00",
                requester={"reference": "Practitioner/prescriber"},
                performer=[{"identifier": {"system": systems.ODS, "value": "Y00002"}, "display": "Exampleton Recovery"}],
                reasonCode=[{"text": "Opioid dependence, release in two weeks"}],
                note=[{"text": "Would like a morning appointment"}],
                encounter={"reference": "Encounter/stay"},
                **subject,
            ),
            simple(
                "Communication",
                "acct-words",
                status="completed",
                category=[words],
                sent="2026-01-15T11:00:00+00:00",
                payload=[{"contentString": "Anniversary on Friday is a trigger; sees the key worker daily; next seen on Saturday"}],
                **subject,
            ),
            simple(
                "Appointment",
                "kept",
                status="fulfilled",
                start="2026-01-14T10:00:00+00:00",
                end="2026-01-14T10:30:00+00:00",
                description="Assessment after release",
                participant=[{"actor": {"reference": PATIENT_REFERENCE}, "status": "accepted"}],
            ),
        )
    ]  # fmt: skip


def with_provider() -> Json:
    """The first appointment after release, with the provider, in which words stand that are nobody else's business."""
    return label_resource(
        simple(
            "Appointment",
            "with-provider",
            status="booked",
            start="2026-01-17T09:30:00+00:00",
            end="2026-01-17T10:00:00+00:00",
            description="Hepatitis clinic",
            participant=[
                {"actor": {"reference": PATIENT_REFERENCE}, "status": "accepted"},
                {"actor": {"display": "Exampleton recovery "}, "status": "accepted"},
                {"actor": {"reference": "Practitioner/nurse"}, "status": "accepted"},
            ],
        )
    )


CARRIED: dict[str, tuple[str, tuple[str, ...]]] = {
    "assessment": (
        "assessment",
        ("QuestionnaireResponse/form", "Observation/audit", "Observation/test", "Observation/mandatory", "DiagnosticReport/panel"),
    ),
    "care-plan-update": ("care-plan", ("CarePlan/plan", "MedicationRequest/methadone")),
    "engagement": ("engagement", ("Appointment/kept", "Encounter/visit")),
    "community-record": (
        "community-record",
        ("MedicationRequest/methadone", "MedicationAdministration/dose", "AllergyIntolerance/allergy", "Flag/risk", "Observation/test"),
    ),
    "acct-contribution": ("acct-review", ("Communication/acct-words",)),
    "mandatory-test-referral": ("mandatory-test-positive", ("Observation/mandatory",)),
    "referral": ("referral", ("ServiceRequest/asked",)),
    "probation-summary": ("care-plan", ("CarePlan/plan", "Appointment/with-provider")),
}  # fmt: skip
"""Letter -> its event, and what caused it."""


def case(letter: str) -> tuple[list[Json], LetterContext]:
    """The file and the context that show what a letter holds."""
    if letter == "reception-notice":
        return [*whole_file(), *contacts()], replace(CONTEXT, event="reception", focus=())
    if letter in CARRIED:
        event, focus = CARRIED[letter]
        file = [
            *whole_file(),
            *contacts(),
            *carried_facts(),
            *([with_provider()] if letter == "probation-summary" else []),
        ]
        return file, replace(CONTEXT, event=event, occurred=None, focus=focus)
    if letter == "transfer":
        return whole_file(), replace(CONTEXT, event="transfer", focus=())
    if letter == "harm-disclosure":
        focus = ("Observation/test", "Observation/confirmed", "Observation/mandatory", "Observation/audit")
        return whole_file(), replace(CONTEXT, event="harm-test-decided", focus=focus, limb="harm-to-others")
    if letter == "write-back":
        return [*whole_file(), *contacts()], replace(CONTEXT, event="contact", occurred=None, focus=CONTACTS)
    return [*whole_file(), *(issues() if letter == "prescription-copy" else ())], CONTEXT


def resources_in(bundle: Json) -> list[Json]:
    return [entry["resource"] for entry in bundle["entry"]]


def named(bundle: Json) -> dict[str, Json]:
    return {f"{resource['resourceType']}/{resource['id']}": resource for resource in resources_in(bundle)}
