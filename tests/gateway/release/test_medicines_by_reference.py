"""A medicine that is named by a reference: its words and its dose reach whoever gives care, or somebody hears that they do not."""

import json
from pathlib import Path
from typing import Any

from consent.decide import FRAME
from tests.builders import METHADONE, administration, adt_a01, adt_a03, consent, fhir_message, medication_request
from tests.line import Line, running

Json = dict[str, Any]
NAMED: Json = {"display": "Methadone 1mg/ml oral solution"}
ELSEWHERE: Json = {"reference": "Medication/elsewhere"}
PRODUCT: Json = {"resourceType": "Medication", "id": "product", "code": {"text": NAMED["display"]}}


def of(resource: Json, reference: Json) -> Json:
    """The same, of a medicine that a reference names."""
    return {
        **{key: held for key, held in resource.items() if key != "medicationCodeableConcept"},
        "medicationReference": reference,
    }


def prescribed(name: str, reference: Json) -> Json:
    written = medication_request(
        METHADONE, resource_id=name, authored="2026-01-15", text=f"{name}: 60 mg daily", category="community"
    )
    return of(written, reference)


def left(line: Line, recipient: str) -> list[Json]:
    """The resources of the last letter that a neighbour got."""
    return [entry["resource"] for entry in json.loads(line.neighbours[recipient].effects[-1].body)["entry"]]


def found(line: Line, recipient: str, kind: str) -> list[Json]:
    return [each for each in left(line, recipient) if each["resourceType"] == kind]


async def test_a_product_that_the_sender_did_not_send_takes_no_prescription_and_no_dose_with_it(tmp_path: Path) -> None:
    coded: Json = {"identifier": {"system": "https://dmd.nhs.uk", "value": METHADONE.code}}
    references: dict[str, Json] = {
        "shown": NAMED,
        "both": {**coded, **NAMED},
        "away": {**ELSEWHERE, **NAMED},
        "bare": ELSEWHERE,
    }
    dose = administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text="40 mg supervised")
    async with running(tmp_path) as line:
        sent = [prescribed(name, reference) for name, reference in references.items()]
        await line.play(
            adt_a01(), fhir_message(resources=[*sent, of(dose, {**ELSEWHERE, **NAMED})], message_id="rx"), adt_a03()
        )
        said = {
            each["dosageInstruction"][0]["text"].partition(":")[0]: each.get("medicationReference")
            for each in found(line, "northfell", "MedicationRequest")
        }
        assert said == {"shown": NAMED, "both": NAMED, "away": NAMED, "bare": None}, "their words leave, named or not"
        (given,) = found(line, "northfell", "MedicationAdministration")
        assert (given["effectiveDateTime"], given["medicationReference"]) == ("2026-01-15T08:05:00+00:00", NAMED)
        assert found(line, "pharmacy", "MedicationRequest"), "the copy of a prescription holds it"


async def test_a_letter_that_lost_all_it_was_about_is_held_and_told(tmp_path: Path) -> None:
    """The person lets nobody know of the product: what is of it goes with it, and an empty frame is delivered to nobody."""
    no = consent(resource_id="no", at="2026-01-02T09:00:00+00:00", decision="permit")
    no["policyRule"] = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMPLIED"}]}
    kept = {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Medication"}]}
    no["provision"] = {"provision": [kept]}
    reference = {"reference": "Medication/product", **NAMED}
    async with running(tmp_path) as line:
        await line.play(
            adt_a01(),
            fhir_message(resources=[no], message_id="no", event="consent"),
            fhir_message(resources=[prescribed("kept", reference), PRODUCT], message_id="rx"),
            adt_a03(),
        )
        rows = {row.letter: (row.state, row.reason) for row in line.deliveries()}
        assert rows == {"prescription-copy": ("held", "undecidable"), "handover": ("held", "undecidable")}
        assert "undecidable" in line.told_codes()
        sent = [each for neighbour in line.neighbours.values() for each in neighbour.effects]
        assert not [
            each for each in sent if {e["resource"]["resourceType"] for e in json.loads(each.body)["entry"]} <= FRAME
        ]
