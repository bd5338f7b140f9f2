"""What a person reads who reads nothing but the text: no figure and no word of a resource is left out, and nothing is said that is not so.

A letter on paper or as a document of HL7 v2 is its text. A dose without how often it is taken is another dose.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fhir_profiles.shapes import Json
from fhir_profiles.wires.sentences import sentence

WHOLE_DOSAGE: Json = {
    "text": "Theirwords",
    "patientInstruction": "Forthem",
    "additionalInstruction": [{"text": "Withfood"}],
    "timing": {
        "code": {"text": "Theirpattern"},
        "repeat": {
            "frequency": 3,
            "frequencyMax": 4,
            "period": 11,
            "periodMax": 12,
            "periodUnit": "h",
            "count": 21,
            "countMax": 22,
            "duration": 31,
            "durationMax": 32,
            "durationUnit": "min",
            "offset": 41,
            "dayOfWeek": ["mon"],
            "timeOfDay": ["08:15:00"],
            "boundsDuration": {"value": 51, "unit": "day"},
        },
    },
    "asNeededCodeableConcept": {"text": "Whenitches"},
    "site": {"text": "Leftarm"},
    "route": {"text": "Bymouth"},
    "method": {"text": "Swallow"},
    "doseAndRate": [
        {
            "type": {"text": "Ordered"},
            "doseRange": {"low": {"value": 61, "unit": "mg"}, "high": {"value": 62, "unit": "mg"}},
            "rateRatio": {"numerator": {"value": 63, "unit": "ml"}, "denominator": {"value": 64, "unit": "h"}},
        }
    ],
    "maxDosePerPeriod": {"numerator": {"value": 71, "unit": "mg"}, "denominator": {"value": 72, "unit": "h"}},
    "maxDosePerAdministration": {"value": 73, "unit": "mg"},
    "maxDosePerLifetime": {"value": 74, "unit": "g"},
}
WHOLE: tuple[Json, ...] = (
    {
        "resourceType": "MedicationRequest",
        "status": "stopped",
        "statusReason": {"text": "Sideeffects"},
        "intent": "proposal",
        "medicationCodeableConcept": {"text": "Methadone"},
        "authoredOn": "2026-01-02",
        "reasonCode": [{"text": "Dependence"}],
        "requester": {"display": "Dr Example"},
        "dosageInstruction": [WHOLE_DOSAGE],
        "dispenseRequest": {
            "quantity": {"value": Decimal("280.0"), "unit": "ml"},
            "initialFill": {"quantity": {"value": 81, "unit": "ml"}},
            "dispenseInterval": {"value": 82, "unit": "days"},
            "numberOfRepeatsAllowed": 83,
            "expectedSupplyDuration": {"value": 84, "unit": "days"},
            "validityPeriod": {"start": "2026-01-03", "end": "2026-01-04"},
        },
        "note": [{"text": "Theirnote"}],
    },
    {
        "resourceType": "MedicationAdministration",
        "status": "not-done",
        "statusReason": [{"text": "Declined"}],
        "medicationCodeableConcept": {"text": "Methadone"},
        "effectiveDateTime": "2026-01-05",
        "dosage": {
            "text": "Theirwords",
            "dose": {"value": 40, "unit": "ml"},
            "route": {"text": "Bymouth"},
            "site": {"text": "Leftarm"},
            "method": {"text": "Swallow"},
            "rateQuantity": {"value": 91, "unit": "ml/h"},
        },
    },
    *(
        {
            "resourceType": "Observation",
            "status": "preliminary",
            "code": {"text": "Titre"},
            "effectiveDateTime": "2026-01-06",
            "interpretation": [{"text": "Raised"}],
            "component": [{"code": {"text": "Part"}, **value}],
            **value,
        }
        for value in (
            {"valueQuantity": {"comparator": "<", "value": 7, "unit": "g"}},
            {"valueRange": {"low": {"value": 11, "unit": "g"}, "high": {"value": 12, "unit": "g"}}},
            {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
            {"valuePeriod": {"start": "2026-01-07", "end": "2026-01-08"}},
            {"valueTime": "08:00:00"},
            {"valueInteger": 13},
        )
    ),
    {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"text": "Resolved"},
        "verificationStatus": {"text": "Refuted"},
        "code": {"text": "Penicillin"},
        "criticality": "high",
        "reaction": [{"manifestation": [{"text": "Rash"}], "description": "Atnight", "severity": "severe"}],
    },
    {
        "resourceType": "Condition",
        "code": {"text": "Dependence"},
        "severity": {"text": "Severe"},
        "clinicalStatus": {"text": "Inremission"},
        "verificationStatus": {"text": "Provisional"},
        "recordedDate": "2026-01-09",
    },
    {
        "resourceType": "CarePlan",
        "status": "revoked",
        "title": "Theirplan",
        "created": "2026-01-10",
        "activity": [{"detail": {"code": {"text": "Group"}, "description": "Weekly", "status": "cancelled"}}],
    },
    {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2026-01-16T10:00:00+00:00",
        "end": "2026-01-16T10:30:00+00:00",
        "serviceType": [{"text": "Firstvisit"}],
        "description": "Attheclinic",
        "patientInstruction": "Bringcard",
        "participant": [{"actor": {"display": "Sam Recovery"}}],
    },
    {
        "resourceType": "Medication",
        "code": {"text": "Theirmixture"},
        "form": {"text": "Solution"},
        "ingredient": [
            {
                "itemCodeableConcept": {"text": "Methadone"},
                "strength": {"numerator": {"value": 10, "unit": "mg"}, "denominator": {"value": 1, "unit": "ml"}},
            }
        ],
    },
)


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("resourceType", "periodUnit", "durationUnit"):
                yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield str(value)


@pytest.mark.parametrize(
    "resource", WHOLE, ids=[f"{number}-{each['resourceType']}" for number, each in enumerate(WHOLE)]
)
def test_no_word_and_no_figure_is_left_out(resource: Json) -> None:
    said = sentence(resource, {})
    missing = [leaf for leaf in leaves(resource) if leaf not in said]
    assert missing == [], said


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        ({"frequency": 1, "period": 1, "periodUnit": "d"}, "once every day"),
        ({"frequency": 2, "period": 1, "periodUnit": "d"}, "twice every day"),
        ({"frequency": 3, "period": 1, "periodUnit": "wk"}, "3 times every week"),
        ({"frequency": 1, "period": 2, "periodUnit": "d"}, "once every 2 days"),
        ({"period": 1, "periodMax": 2, "periodUnit": "h"}, "every 1 to 2 hours"),
        ({"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}, "once every day; before sleep"),
        ({"frequency": 1, "period": 1, "periodUnit": "d", "when": ["NEW.CODE"]}, "once every day; NEW.CODE"),
    ],
)
def test_how_often_is_said(timing: Json, words: str) -> None:
    said = sentence({"resourceType": "MedicationStatement", "dosage": [{"timing": {"repeat": timing}}]}, {})
    assert f"; {words};" in said


def test_what_is_taken_only_as_needed_says_so() -> None:
    needed = {"resourceType": "MedicationRequest", "dosageInstruction": [{"asNeededBoolean": True}]}
    assert "; only as needed;" in sentence(needed, {})
    always = {"resourceType": "MedicationRequest", "dosageInstruction": [{"asNeededBoolean": False}]}
    assert "needed" not in sentence(always, {})


def test_what_is_not_to_be_given_or_was_not_given_never_reads_as_given() -> None:
    assert "NOT to be given" in sentence({"resourceType": "MedicationRequest", "doNotPerform": True}, {})
    for status in ("not-done", "entered-in-error", "stopped", "unknown"):
        given = {"resourceType": "MedicationAdministration", "status": status, "effectiveDateTime": "2026-01-05"}
        assert "given 2026" not in sentence(given, {})
        assert f"status {status}" in sentence(given, {})


def test_of_several_dosages_each_word_belongs_to_one() -> None:
    several = {"resourceType": "MedicationRequest", "dosageInstruction": [{"text": "Morning"}, {"text": "Night"}]}
    assert "dosage 1 of 2; as written: Morning; dosage 2 of 2; as written: Night" in sentence(several, {})


@pytest.mark.parametrize(
    ("numbers", "said"),
    [((1, 2), ", after the one before"), ((1, 1), ", beside the one before"), ((1, None), ""), ((2, 1), "")],
)
def test_of_several_dosages_it_is_said_whether_one_follows_the_other(
    numbers: tuple[int, int | None], said: str
) -> None:
    given: list[Json] = [
        {"text": text, **({"sequence": number} if number else {})}
        for text, number in zip(("Before", "After"), numbers, strict=True)
    ]
    told = sentence({"resourceType": "MedicationRequest", "dosageInstruction": given}, {})
    assert f"dosage 1 of 2; as written: Before; dosage 2 of 2{said}; as written: After" in told


@pytest.mark.parametrize(
    ("status", "said"), [("active", ""), (None, ""), ("inactive", "the record of this product is inactive")]
)
def test_a_product_that_is_out_of_use_says_so_wherever_it_is_named(status: str | None, said: str) -> None:
    """In the text forms too: its status leaves so that nobody reads a withdrawn product as if all were well (decision 0059)."""
    product = {"resourceType": "Medication", "id": "m", "code": {"text": "Methadone 1mg/ml oral solution"}}
    product |= {"status": status} if status else {}
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationReference": {"reference": "urn:uuid:m"},
    }
    for resource in (product, order):
        line = sentence(resource, {"urn:uuid:m": product})
        assert "Methadone 1mg/ml oral solution" in line
        assert ("the record of this product" in line) is bool(said)
        assert said in line


@pytest.mark.parametrize(("active", "said"), [(True, False), (False, True)])
def test_an_organisation_whose_record_is_out_of_use_says_so(*, active: bool, said: bool) -> None:
    line = sentence({"resourceType": "Organization", "name": "Northfell", "active": active}, {})
    assert ("this record is not in use" in line) is said
