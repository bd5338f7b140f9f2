"""The prescription copy, the correction and the report: what each holds, and what it must never hold."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fhir_profiles import systems
from fhir_profiles.compose import compose, compose_report
from fhir_profiles.profiles.prescription_copy import MARK
from fhir_profiles.render import render
from fhir_profiles.shapes import Json, ReportFigures
from fhir_profiles.terminology import SUBSTANCE_GROUPS
from tests.fhir_profiles.letters.files import (
    AS_OF,
    CONTEXT,
    FIGURES,
    HEADING,
    INDICATORS,
    METHADONE,
    dose,
    drug_test,
    issue,
    issues,
    named,
    patient,
    prescription,
    resources_in,
    whole_file,
)
from tests.fhir_profiles.letters.test_through_the_gate import minimised

COPY_MUST_HAVE = {
    "the mark": "Communication/notice",
    "the person": "Patient/patient",
    "the prescription": "MedicationRequest/methadone",
    "the last issue of it": "MedicationDispense/issue",
    "the last dose of it": "MedicationAdministration/dose",
    "the prescriber": "Practitioner/prescriber",
    "whom to ask": "Organization/establishment",
}


def copy_of(*file: Json, **context: Any) -> tuple[dict[str, Json], tuple[str, ...]]:
    composed = compose("prescription-copy", file, replace(CONTEXT, **context), AS_OF)
    return named(composed.bundle), composed.missing


def sentences(bundle: dict[str, Json]) -> list[str]:
    return [payload["contentString"] for payload in bundle["Communication/notice"]["payload"]]


def test_a_copy_has_what_the_pharmacy_must_have_and_nothing_else() -> None:
    bundle, missing = copy_of(*whole_file(), *issues())
    assert set(bundle) == set(COPY_MUST_HAVE.values())
    assert missing == ()


def test_a_copy_says_what_was_issued_or_that_it_is_not_recorded() -> None:
    """Under another prescription of the medicine too, and then it names none; what was denied, or is an order only, is no issue."""
    for file, said, names in (
        (issues(), "Prescriptions in this copy: 1.", [{"reference": "MedicationRequest/methadone"}]),
        ([issue(of="MedicationRequest/earlier")], "Prescriptions in this copy: 1.", None),
    ):
        bundle, missing = copy_of(*whole_file(), *file)
        assert missing == ()
        assert sentences(bundle)[-1] == said
        assert bundle["MedicationDispense/issue"].get("authorizingPrescription") == names
    for nothing in ([], [issue(status="declined")]):
        bundle, missing = copy_of(*whole_file(), *nothing)
        assert missing == ("issue",)
        assert sentences(bundle)[-1] == (
            "Not in this copy: issue. Issue not recorded, or not certain, of a medicine in this copy: the note of that medicine says so."
        )
        assert NEVER in [each["text"] for each in bundle["MedicationRequest/methadone"]["note"]]
        assert "MedicationDispense/issue" not in bundle


NEVER = "Issue not recorded: nothing in the file says what was issued of this medicine."
PERHAPS = "Issue not certain: an issue is recorded that may be of this medicine, and the file does not say that it is."


def test_a_copy_says_that_a_later_issue_is_not_told_by_itself() -> None:
    """No dispense alone makes a copy: whoever reads only this one would take an issue after it for none."""
    for file in ([*whole_file(), *issues()], [patient(), prescription()]):
        bundle, _ = copy_of(*file)
        assert sentences(bundle)[1] == (
            "What is issued after this copy was written is not told by another: before a supply, ask the establishment what was issued since."
        )


def test_each_prescription_says_of_its_own_medicine_that_no_issue_is_known() -> None:
    """What was issued of one medicine is not denied for another's sake, and of an issue that may be of it nobody says that there is none."""
    unknown: Json = {"medicine": "Zymaxol 5mg tablets"}
    two = (prescription(), prescription("other", medicine="Sertraline 50mg tablets"))
    bare = {"system": f"{systems.LOCAL_ID}placer-order", "value": "P1"}
    numbered = prescription(identifier=[bare | {"system": f"{bare['system']}/ehr"}], **unknown)
    of_no_order = issue(authorizingPrescription=[], **unknown)
    for file, said, held in (
        ((*two, issue()), {"methadone": [], "other": [NEVER]}, True),
        ((prescription(**unknown), of_no_order), {"methadone": []}, True),
        ((numbered, issue(medicine="a mixture", authorizingPrescription=[{"identifier": bare}])), {"methadone": [PERHAPS]}, False),
        ((*two, issue(medicine="a mixture", authorizingPrescription=[])), {"methadone": [PERHAPS], "other": [PERHAPS]}, False),
    ):  # fmt: skip
        bundle, missing = copy_of(patient(), *file, focus=("MedicationRequest/methadone", "MedicationRequest/other"))
        for name, expected in said.items():
            notes = [each["text"] for each in bundle[f"MedicationRequest/{name}"]["note"]]
            assert [each for each in notes if each == MARK or "ssue" in each] == [MARK, *expected]
        assert ("issue" in missing) is any(said.values())
        assert ("MedicationDispense/issue" in bundle) is held
        assert not [each for each in sentences(bundle) if "this medicine" in each]
    bundle, missing = copy_of(patient(), prescription(**unknown), dose(**unknown))
    assert ("MedicationAdministration/dose" in bundle, "last-dose" in missing) == (True, False)


LACKS = {
    "dosage": "Dosage not recorded: this prescription does not say how the medicine is taken.",
    "quantity": "Quantity not recorded: this prescription does not say how much is to be supplied.",
    "prescriber": "Prescriber not recorded: this prescription does not say who wrote it.",
    "last-dose": "Last dose not known: nothing in the file says for certain when this medicine was last taken.",
}
WHOLE: Json = {
    "dispenseRequest": {"quantity": {"value": 280, "unit": "ml"}},
    "requester": {"display": "Dr P. Scriber"},
    "authoredOn": "2026-01-02",
}


@pytest.mark.parametrize("lack", LACKS)
def test_each_prescription_says_itself_what_is_not_known_of_it(lack: str) -> None:
    """Of two orders of one product: one says all, the other lacks one thing; every wire says which, on the line of that order and no other."""
    whole = prescription("methadone", identifier=[{"value": "RX-1"}], **WHOLE)
    other = prescription("other", medicine="Sertraline 50mg tablets", identifier=[{"value": "RX-2"}], **WHOLE)
    again = prescription("again", identifier=[{"value": "RX-3"}], **WHOLE)
    doses = [dose(), *([dose("two", medicine="Sertraline 50mg tablets")] if lack != "last-dose" else [])]
    without = {"dosage": "dosageInstruction", "quantity": "dispenseRequest", "prescriber": "requester"}.get(lack, "")
    other.pop(without, None)
    focus = ("MedicationRequest/methadone", "MedicationRequest/other", "MedicationRequest/again")
    file = [patient(), whole, other, again, *doses, issue(of="MedicationRequest/again")]
    bundle, missing = copy_of(*file, focus=focus)
    notes = {name: [each["text"] for each in bundle[name].get("note", ())] for name in focus}
    assert {name: [each for each in said if each in LACKS.values()] for name, said in notes.items()} == {
        focus[0]: [],
        focus[1]: [LACKS[lack]],
        focus[2]: [],
    }
    assert lack in missing
    assert not set(LACKS) - {lack} & set(missing)
    left = minimised("prescription-copy", file, replace(CONTEXT, focus=focus))
    for wire in ("hl7v2", "pdf"):
        written = render(left, wire, HEADING)
        lines = (
            written.body.decode().split("\\.br\\") if wire == "hl7v2" else (written.text or b"").decode().split("\n")
        )
        (told,) = [line for line in lines if LACKS[lack] in line]
        assert "Sertraline 50mg tablets" in told
        assert "number RX-2" in told
        assert "RX-1" not in told
        (supplied,) = [line for line in lines if "handed over" in line]
        assert "under prescription number RX-3" in supplied


def test_the_mark_is_in_the_notice_and_in_every_prescription() -> None:
    bundle, _missing = copy_of(*whole_file(), focus=("MedicationRequest/methadone", "MedicationRequest/sertraline"))
    assert sentences(bundle)[0] == MARK
    requests = [resource for name, resource in bundle.items() if name.startswith("MedicationRequest/")]
    assert len(requests) == 2
    assert [request["note"][0]["text"] for request in requests] == [MARK, MARK]


def test_dose_quantity_dates_and_status_are_unchanged_in_a_copy() -> None:
    before = {f"{r['resourceType']}/{r['id']}": r for r in whole_file()}["MedicationRequest/methadone"]
    after = copy_of(*whole_file())[0]["MedicationRequest/methadone"]
    for member in (
        "status",
        "intent",
        "medicationCodeableConcept",
        "authoredOn",
        "dosageInstruction",
        "dispenseRequest",
    ):
        assert after[member] == before[member]
    assert str(after["dispenseRequest"]["quantity"]["value"]) == "280.0"


def test_why_it_was_prescribed_does_not_go_to_the_pharmacy() -> None:
    request = prescription(reasonCode=[{"text": "Opioid dependence"}], supportingInformation=[{"display": "test"}])
    bundle, _missing = copy_of(patient(), request)
    assert "Opioid dependence" not in str(bundle)
    assert "supportingInformation" not in bundle["MedicationRequest/methadone"]


def test_what_a_substitution_says_is_kept_and_silence_is_no() -> None:
    assert copy_of(patient(), prescription())[0]["MedicationRequest/methadone"]["substitution"] == {
        "allowedBoolean": False
    }
    said = prescription(substitution={"allowedBoolean": True})
    assert copy_of(patient(), said)[0]["MedicationRequest/methadone"]["substitution"] == {"allowedBoolean": True}


def test_an_inpatient_prescription_and_one_that_is_not_the_cause_are_not_copied() -> None:
    inpatient = prescription(
        category=[{"coding": [{"system": systems.MEDICATION_REQUEST_CATEGORY, "code": "inpatient"}]}]
    )
    bundle, missing = copy_of(patient(), inpatient, prescription("other"))
    assert not [name for name in bundle if name.startswith("MedicationRequest/")]
    assert "prescription" in missing


def test_a_stopped_prescription_is_copied_as_stopped() -> None:
    bundle, _missing = copy_of(patient(), prescription(status="stopped"))
    assert bundle["MedicationRequest/methadone"]["status"] == "stopped"


def test_the_last_dose_is_of_what_was_prescribed() -> None:
    other = dose("other", given="2026-01-15T11:00:00+00:00", medicine="Sertraline 50mg tablets")
    bundle, _missing = copy_of(patient(), prescription(), dose(), other)
    assert "MedicationAdministration/dose" in bundle
    assert "MedicationAdministration/other" not in bundle


def test_what_a_copy_lacks_is_named() -> None:
    bare = prescription(medicine=METHADONE, text="")
    bundle, missing = copy_of({"resourceType": "Patient", "id": "patient"}, bare, establishment_telephone="")
    assert missing == (
        "name",
        "nhs-number",
        "date-of-birth",
        "contact",
        "address",
        "dosage",
        "quantity",
        "prescriber",
        "issue",
        "last-dose",
    )
    assert len([sentence for sentence in sentences(bundle) if sentence.startswith("Not in this copy")]) == len(missing)


def test_a_correction_names_the_letter_and_holds_nothing_clinical() -> None:
    composed = compose("correction", whole_file(), CONTEXT, AS_OF)
    bundle = named(composed.bundle)
    assert set(bundle) == {"Communication/notice", "Patient/patient", "Organization/establishment"}
    assert composed.missing == ()
    assert CONTEXT.corrects is not None
    assert CONTEXT.corrects in " ".join(sentences(bundle))
    assert bundle["Communication/notice"]["about"] == [
        {"identifier": {"system": "https://throughgate.example/id/delivery", "value": CONTEXT.corrects}}
    ]
    assert set(bundle["Patient/patient"]) == {"resourceType", "id", "meta", "identifier", "name", "gender", "birthDate"}
    clinical = ("methadone", "self-harm", "opioid", "opiates", "penicillin", "sertraline", "prescri")
    text = json.dumps(composed.bundle, default=str).lower().replace("booked, prescribed or supplied", "")
    assert [word for word in clinical if word in text] == []


def test_a_correction_says_that_the_person_is_in_custody_and_what_to_do() -> None:
    said = " ".join(sentences(named(compose("correction", whole_file(), CONTEXT, AS_OF).bundle)))
    for words in ("withdrawn", "in custody", "Do not act further", "a new handover follows"):
        assert words in said


def test_a_correction_without_its_letter_says_so() -> None:
    composed = compose("correction", whole_file(), replace(CONTEXT, corrects=None), AS_OF)
    assert composed.missing == ("corrected-letter",)
    assert "about" not in named(composed.bundle)["Communication/notice"]


def test_the_report_is_words_and_no_person() -> None:
    composed = compose_report(FIGURES)
    measure, establishment = resources_in(composed.bundle)
    assert composed.missing == ()
    assert measure["resourceType"] == "MeasureReport"
    assert [group["code"]["coding"][0]["code"] for group in measure["group"]] == list(SUBSTANCE_GROUPS)
    texts = [[s["stratum"][0]["value"]["text"] for s in group["stratifier"]] for group in measure["group"]]
    assert texts == [[cell.tested, cell.shown] for cell in FIGURES.cells]
    assert measure["period"] == {"start": "2026-01", "end": "2026-01"}
    assert not {"date", "subject", "evaluatedResource"} & set(measure)
    assert "Patient" not in str(composed.bundle)
    assert establishment["name"] == "HMP Fellgate"


def test_a_report_without_every_group_says_which() -> None:
    short = replace(FIGURES, cells=FIGURES.cells[1:-1])
    assert compose_report(short).missing == (SUBSTANCE_GROUPS[0], SUBSTANCE_GROUPS[-1])


@pytest.mark.parametrize("period", ["2026", "2026-13", "2026-01-15", "2026-01-15T10:00:00Z", ""])
def test_a_finer_or_other_period_is_refused(period: str) -> None:
    with pytest.raises(ValueError, match="calendar month"):
        compose_report(replace(FIGURES, period=period))


@pytest.mark.parametrize(
    "wrong",
    [{"period": "2026-01"}, {"period": "2026-Q5"}, {"shown": (("total", "*"),)}, {"shown": INDICATORS.shown[::-1]}],
)
def test_indicators_of_another_period_or_form_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="indicators"):
        compose_report(replace(INDICATORS, **wrong))


def test_indicators_are_never_written_from_a_file() -> None:
    with pytest.raises(ValueError, match="never made from one person's file"):
        compose("indicators", whole_file(), CONTEXT, AS_OF)


def test_the_report_is_never_written_from_a_file() -> None:
    with pytest.raises(ValueError, match="never made from one person's file"):
        compose("report", whole_file(), CONTEXT, AS_OF)


def test_an_unknown_letter_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no letter named postcard"):
        compose("postcard", [], CONTEXT, AS_OF)


def test_figures_are_only_words() -> None:
    assert {type(value) for cell in FIGURES.cells for value in (cell.group, cell.tested, cell.shown)} == {str}
    assert set(ReportFigures.__dataclass_fields__) == {"establishment", "establishment_name", "period", "cells"}


def test_a_harm_disclosure_without_a_danger_is_no_letter() -> None:
    """Nor is a cover of one: that the person is known here would be told by it. What is prescribed, negative, mandatory or unsaid is no danger."""
    focus = ("Observation/test", "Observation/other")
    for test in (
        drug_test(result="negative"),
        drug_test(purpose="mandatory"),
        drug_test(purpose=None),
        drug_test(purpose="compact"),
        drug_test("other", group="methadone"),
        drug_test("elsewhere"),
    ):
        composed = compose("harm-disclosure", [*prescribed(), test], replace(CONTEXT, focus=focus), AS_OF)
        assert composed.bundle["entry"] == []
        assert "positive-test" in composed.missing


def test_a_harm_disclosure_of_a_panel_holds_what_is_dangerous_of_it() -> None:
    parts = [
        {
            "code": {"coding": [{"system": systems.SUBSTANCE_GROUP, "code": group}], "text": group},
            "valueCodeableConcept": {"coding": [{"system": systems.TEST_RESULT, "code": result}], "text": result},
        }
        for group, result in (("opiates", "negative"), ("cocaine", "positive"), ("methadone", "positive"))
    ]
    panel = drug_test(component=parts, valueCodeableConcept={"text": "see components"}, note=[{"text": "told me why"}])
    context = replace(CONTEXT, focus=("Observation/test",), limb="harm-to-others")
    composed = compose("harm-disclosure", [*prescribed(), panel], context, AS_OF)
    held = named(composed.bundle)["Observation/test"]
    assert [each["code"]["text"] for each in held["component"]] == ["cocaine"]
    assert "told me why" not in str(composed.bundle)
    assert composed.missing == ()


def prescribed() -> tuple[Json, ...]:
    """Somebody on methadone since before the test."""
    return patient(), prescription(authored="2026-01-02", start="2026-01-02")
