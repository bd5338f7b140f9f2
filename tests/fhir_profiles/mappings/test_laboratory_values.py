"""Any other result: exact decimals and units, every type of OBX-2, notes, and documents."""

from decimal import Decimal

import pytest

from fhir_profiles import systems
from fhir_profiles.mappings.datatypes import number_of
from fhir_profiles.shapes import Fate, Json, Translation
from tests.fhir_profiles.mappings.golden_pairs import translate


def report(*lines: str) -> Translation:
    header = ["MSH|^~\\&|LAB|LEI|||20260705||ORU^R01|M1|P|2.5.1", "PID|1||A1234BC^^^NOMIS^PI", "OBR|1||F1|1^Panel^L"]
    return translate("\r".join([*header, *lines]).encode())


def one(line: str) -> Json:
    resources = [entry["resource"] for entry in report(line).bundle["entry"]]
    found: Json
    (found,) = (each for each in resources if each["resourceType"] == "Observation")
    return found


def value(line: str) -> Json:
    return {name: each for name, each in one(line).items() if name.startswith(("value", "dataAbsent"))}


ABSENT = {"dataAbsentReason": {"coding": [{"system": systems.DATA_ABSENT, "code": "unknown"}]}}


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("ST", "plain", {"valueString": "plain"}),
        ("TX", "one~two", {"valueString": "one\ntwo"}),
        ("FT", r"one\.br\two \T\ three", {"valueString": "one\ntwo & three"}),
        ("NM", "clumped", {"valueString": "clumped"}),
        ("NM", "<5", {"valueQuantity": {"value": 5, "comparator": "<"}}),
        ("NM", "1~2", {"valueString": "1; 2"}),
        ("CWE", "1^One^L", {"valueCodeableConcept": {"coding": [{"system": systems.LOCAL_CODE + "l", "code": "1", "display": "One"}], "text": "One"}}),
        ("CE", "^Words only", {"valueCodeableConcept": {"text": "Words only"}}),
        ("DT", "20260301", {"valueDateTime": "2026-03-01"}),
        ("TS", "202603010915", {"valueDateTime": "2026-03-01T09:15:00+00:00"}),
        ("DT", "20261341", {"valueString": "20261341"}),
        ("TM", "0830", {"valueTime": "08:30:00"}),
        ("DR", "20260301^20260302", {"valuePeriod": {"start": "2026-03-01", "end": "2026-03-02"}}),
        ("DR", "20260302^20260301", {"valueString": "20260302 20260301"}),
        ("SN", "^1^:^128", {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}),
        ("SN", "^1^-^5", {"valueRange": {"low": {"value": 1}, "high": {"value": 5}}}),
        ("SN", "<>^1", {"valueString": "<> 1"}),
        ("ZZ", "a^b", {"valueString": "a b"}),
        ("", "untyped", {"valueString": "untyped"}),
        ("NM", "", ABSENT),
        ("NM", '""', ABSENT),
        ("NM", "  ", ABSENT),
    ],
)  # fmt: skip
def test_values(kind: str, written: str, expected: Json) -> None:
    """What does not fit its type stays, as text; nothing is dropped and nothing is converted."""
    assert value(f"OBX|1|{kind}|x^X^L||{written}||||||F") == expected


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("83.00", Decimal("83.00")),
        ("0.10", Decimal("0.10")),
        (".5", Decimal("0.5")),
        ("-0.50", Decimal("-0.50")),
        ("+7", 7),
        ("007", 7),
        ("7.", 7),
        ("12345678901234567890.123456789012345678", Decimal("12345678901234567890.123456789012345678")),
        ("1e5", None),
        (".", None),
        ("", None),
        ("1,5", None),
        ("٧", None),
        ("9" * 31, None),
    ],
)
def test_numbers_keep_their_digits(written: str, number: Decimal | int | None) -> None:
    found = number_of(written)
    assert found == number
    assert str(found) == str(number)


def test_decimals_and_units() -> None:
    quantity = one("OBX|1|NM|x^X^L||83.00|UMOLL|49 - 92|H|||F")["valueQuantity"]
    assert str(quantity["value"]) == "83.00"
    assert quantity == {"value": Decimal("83.00"), "unit": "UMOLL", "system": systems.UCUM, "code": "umol/L"}
    assert one("OBX|1|NM|x^X^L||4|furlongs^^L|||||F")["valueQuantity"] == {"value": 4, "unit": "furlongs"}
    assert one("OBX|1|NM|x^X^L||4|kat/m3^^UCUM|||||F")["valueQuantity"]["code"] == "kat/m3"
    assert one("OBX|1|NM|x^X^L||4||||||F")["valueQuantity"] == {"value": 4}
    found = one("OBX|1|SN|x^X^L||>^1000|ug/L|||||F")["valueQuantity"]
    assert (found["comparator"], found["value"], found["code"]) == (">", 1000, "ug/L")


@pytest.mark.parametrize(
    ("written", "status"),
    [("F", "final"), ("P", "preliminary"), ("C", "corrected"), ("X", "cancelled"), ("W", "entered-in-error"), ("", "unknown"), ("?", "unknown")],
)  # fmt: skip
def test_status(written: str, status: str) -> None:
    translation = report(f"OBX|1|ST|x^X^L||a||||||{written}")
    assert translation.bundle["entry"][-1]["resource"]["status"] == status
    assert bool(translation.issues) == (status == "unknown")


def test_notes_belong_to_what_they_follow() -> None:
    """After the order to the report, after a result to it; repetitions are lines."""
    translation = report("NTE|1||of the order", "OBX|1|ST|x^X^L||a||||||F", "NTE|1||of~the result", "NTE|2||again")
    report_, observation = (entry["resource"] for entry in translation.bundle["entry"][1:])
    assert [each["text"] for each in observation["note"]] == ["of\nthe result", "again"]
    assert report_["extension"][-1]["valueAnnotation"] == {"text": "of the order"}


def test_documents_are_attached_to_the_report() -> None:
    translation = report("OBX|1|ED|PDF^Report^L||^application^PDF^Base64^JVBERi0xLjQK||||||F")
    (found,) = (entry["resource"] for entry in translation.bundle["entry"] if "presentedForm" in entry["resource"])
    assert found["presentedForm"] == [{"contentType": "application/pdf", "data": "JVBERi0xLjQK"}]


def test_a_document_that_cannot_be_read_stays_behind_and_is_said() -> None:
    translation = report("OBX|1|ED|PDF^Report^L||^application^PDF^Base64^not base64!||||||F")
    assert "presentedForm" not in str(translation.bundle)
    assert [issue.path for issue in translation.issues] == ["OBX-5"]
    assert next(each.fate for each in translation.fields if each.source == "OBX-5.5") is Fate.UNSUPPORTED


def test_a_pointer_into_the_senders_system_stays_behind_and_is_said() -> None:
    translation = report(r"OBX|1|RP|1^Letter^L||\\E\\server\\E\A1234BC.pdf^&Records^application^PDF||||||F")
    assert "A1234BC.pdf" not in str(translation.bundle)
    assert "Records" not in str(translation.bundle)
    assert [issue.path for issue in translation.issues] == ["OBX-5"]


def test_without_order_numbers_results_are_named_by_their_message() -> None:
    """Two reports without any number must not overwrite each other."""
    lines = "PID|1||A1234BC^^^NOMIS^PI\rOBR|1|||1^Panel^L\rOBX|1|ST|x||a||||||F"
    ids = {
        translate(f"MSH|^~\\&|LAB|LEI|||20260705||ORU^R01|{name}|P|2.5.1\r{lines}".encode()).bundle["entry"][-1][
            "resource"
        ]["id"]
        for name in ("M1", "M2")
    }
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("kind", "written", "unit", "found"),
    [
        ("NM", "<10", "mg/dL", {"valueQuantity": {"value": 10, "comparator": "<", "unit": "mg/dL"}}),
        (
            "NM",
            ">= 4.50",
            "mmol/L",
            {"valueQuantity": {"value": Decimal("4.50"), "comparator": ">=", "unit": "mmol/L"}},
        ),
        ("NM", "<", "mg/dL", {"valueString": "<"}),
        ("NM", "<1.2.3", "mg/dL", {"valueString": "<1.2.3 mg/dL"}),
        ("ST", "<10", "mg/dL", {"valueString": "<10 mg/dL"}),
        ("ST", "1,200", "^milligram", {"valueString": "1,200 milligram"}),
        ("ST", "10", "", {"valueString": "10"}),
        ("ST", "Negative", "ng/mL", {"valueString": "Negative"}),
        ("ST", "about 10", "mg/dL", {"valueString": "about 10"}),
    ],
)
def test_a_figure_has_its_unit_whatever_its_type(kind: str, written: str, unit: str, found: dict[str, object]) -> None:
    """Below what can be measured is a figure; one that is sent as words lost its unit."""
    observation = one(f"OBX|1|{kind}|2160-0^Creatinine^LN||{written}|{unit}|||||F")
    (name,) = found
    said = observation[name]
    if isinstance(said, dict):
        said = {key: each for key, each in said.items() if key not in {"system", "code"}}
    assert said == found[name]


def orders(*lines: str) -> Translation:
    header = ["MSH|^~\\&|LAB|LEI|||20260705||ORU^R01|M1|P|2.5.1", "PID|1||A1234BC^^^NOMIS^PI"]
    return translate("\r".join([*header, *lines]).encode())


def of(translation: Translation, kind: str) -> list[Json]:
    found = [entry["resource"] for entry in translation.bundle["entry"]]
    return [each for each in found if each["resourceType"] == kind]


FASTING = ("OBR|1||F1|1^Glucose^L|||20260705080000||||||||||||||||||F", "OBX|1|NM|2^Glucose^L||5.1|mmol/L|||||F")
AFTER_TWO_HOURS = (
    "OBR|2||F1|1^Glucose^L|||20260705100000||||||||||||||||||F",
    "OBX|1|NM|2^Glucose^L||9.8|mmol/L|||||F",
)


def test_two_orders_of_one_number_and_code_lose_no_result() -> None:
    """Both had the same ids, so that in the file the last replaced the first without a word."""
    translation = orders(*FASTING, *AFTER_TWO_HOURS)
    results, reports = of(translation, "Observation"), of(translation, "DiagnosticReport")
    assert [each["valueQuantity"]["value"] for each in results] == [Decimal("5.1"), Decimal("9.8")]
    assert len({each["id"] for each in results}) == len({each["id"] for each in reports}) == 2
    for report_of, result in zip(reports, results, strict=True):
        assert report_of["result"] == [{"reference": f"Observation/{result['id']}"}]
        assert report_of["effectiveDateTime"] == result["effectiveDateTime"]
    assert [(issue.code, issue.path) for issue in translation.issues] == [("duplicate", "OBR[2]-3")]
    alone = orders(*FASTING)
    assert [each["id"] for each in of(alone, "Observation")] == [results[0]["id"]], "the first keeps its name"
    assert not alone.issues


def test_what_corrects_an_order_of_the_same_message_replaces_it() -> None:
    """OBR-25 says so; a result that it does not name stays."""
    first = (*FASTING, "OBX|2|NM|3^Ketones^L||0.1|mmol/L|||||F")
    corrected = (AFTER_TWO_HOURS[0][:-1] + "C", AFTER_TWO_HOURS[1][:-1] + "C")
    translation = orders(*first, *corrected)
    assert [(each["code"]["text"], each["status"]) for each in of(translation, "Observation")] == [
        ("Glucose", "corrected"),
        ("Ketones", "final"),
    ]
    (made,) = of(translation, "DiagnosticReport")
    assert made["status"] == "corrected"
    assert len(made["result"]) == 2
    assert [issue.code for issue in translation.issues] == ["duplicate"]


def test_the_same_order_twice_is_one() -> None:
    again = (FASTING[0].replace("OBR|1", "OBR|2"), FASTING[1])
    translation = orders(*FASTING, *again)
    assert len(of(translation, "Observation")) == len(of(translation, "DiagnosticReport")) == 1
    fates = {field.source: field.fate for field in translation.fields}
    assert {fates["OBR[2]-3"], fates["OBX[2]-5"]} == {Fate.RESIDUAL}


def test_a_specimen_of_two_orders_is_one_and_keeps_the_mark_of_either() -> None:
    specimen = "SPM|1|S-9||BLD^Blood^L"
    lines = (
        f"ORC|RE||F1{'|' * 25}HIV",
        *FASTING,
        specimen,
        "ORC|RE||F2",
        AFTER_TWO_HOURS[0].replace("F1", "F2"),
        specimen,
    )
    (found,) = of(orders(*lines), "Specimen")
    assert "HIV" in [code["code"] for code in found["meta"]["security"]]
