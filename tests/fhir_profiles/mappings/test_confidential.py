"""ORC-28: an order that its sender calls confidential is labelled so, with all that is made of it, and no label is lowered."""

import pytest

from fhir_profiles import systems
from fhir_profiles.shapes import Channel, Fate
from fhir_profiles.translate import translate
from fhir_profiles.validate import invalid, validate

CHANNEL = Channel(name="confidential", format="hl7v2")
HEAD = (
    "MSH|^~\\&|EHR|ZFG|TG|GATE|20260115100000+0000||{kind}|M-1|P|2.5.1\rPID|1||9990000018^^^NHS^NH||Birkett-Test^Alex\r"
)
ORC = f"ORC|NW|O-1{'|' * 26}@\r"
DRUG = "36120711000001104^Methadone 1mg/ml oral solution^SCT"
OBR, OBX = "OBR|1|O-1||26604007^FBC^SCT\r", "OBX|1|NM|718-7^Hb^LN||140|g/L|||||F\r"
MESSAGES = {
    "ORU^R01^ORU_R01": (ORC + OBR + OBX, {"DiagnosticReport", "Observation"}),
    "OML^O21^OML_O21": (ORC + OBR + OBX, {"ServiceRequest", "Observation"}),
    "RDE^O11^RDE_O11": (ORC + f"RXE||{DRUG}|30||mg^mg\r", {"MedicationRequest"}),
    "OMP^O09^OMP_O09": (ORC + f"RXO|{DRUG}|30||mg^mg\r", {"MedicationRequest"}),
    "RAS^O17^RAS_O17": (ORC + f"RXA|0|1|20260115090000+0000||{DRUG}|30|mg^mg\r", {"MedicationAdministration"}),
    "RDS^O13^RDS_O13": (ORC + f"RXD|1|{DRUG}|20260115090000+0000|30|mg^mg\r", {"MedicationDispense"}),
}


def labels(kind: str, code: str) -> tuple[dict[str, set[tuple[str, str]]], Fate | None]:
    """The labels of each type that is made of the message, and what became of ORC-28."""
    lines, _ = MESSAGES[kind]
    found = translate(CHANNEL, (HEAD.format(kind=kind) + lines.replace("@", code)).encode())
    assert not invalid(validate(found.bundle))
    made = [entry["resource"] for entry in found.bundle["entry"]]
    said = {
        each["resourceType"]: {(one["system"], one["code"]) for one in each.get("meta", {}).get("security", ())}
        for each in made
    }
    return said, next((field.fate for field in found.fields if field.source == "ORC-28"), None)


@pytest.mark.parametrize("kind", MESSAGES)
def test_all_that_is_made_of_the_order_is_labelled(kind: str) -> None:
    """Beside the labels that it has by its content; sabotage: without the code it has none of it."""
    usual, nothing = labels(kind, "")
    assert nothing is None
    for code, label in (
        ("V", (systems.CONFIDENTIALITY, "V")),
        ("hiv", (systems.ACT_CODE, "HIV")),
        ("AID", (systems.ACT_CODE, "HIV")),
        ("PSY", (systems.ACT_CODE, "PSY")),
        ("ETH", (systems.ACT_CODE, "ETH")),
    ):
        said, fate = labels(kind, code)
        assert fate is Fate.MAPPED
        for each in MESSAGES[kind][1]:
            assert label in said[each], (each, code)
            assert label not in usual[each], (each, code)
            kept = {one for one in usual[each] if one[0] != systems.CONFIDENTIALITY}
            assert kept <= said[each]
            assert len([one for one in said[each] if one[0] == systems.CONFIDENTIALITY]) <= 1


def marked(kind: str, *lines: str) -> list[tuple[str, list[str]]]:
    """Each resource that is made of the order, with the codes that ORC-28 gave it."""
    head = HEAD.format(kind=kind).replace("\rPID", "\rEVN||20260115\rPID" if kind.startswith("MDM") else "\rPID")
    found = translate(CHANNEL, (head + "\r".join(lines) + "\r").encode())
    assert not invalid(validate(found.bundle))
    of_order = {"DiagnosticReport", "Observation", "Specimen", "ServiceRequest", "DocumentReference"}
    made = [entry["resource"] for entry in found.bundle["entry"] if entry["resource"]["resourceType"] in of_order]
    return [
        (
            each["resourceType"],
            [one["code"] for one in each.get("meta", {}).get("security", ()) if one["code"] in GIVEN],
        )
        for each in made
    ]


GIVEN = {"V", "HIV", "PSY"}
SPECIMEN = "SPM|1|S-9||LOC9^Swab^L"


def test_the_number_of_an_order_carries_its_mark() -> None:
    """A second OBR of the order, with its own ORC or without; one that nothing names; and no order beside it. The specimen too."""
    mark, empty = f"ORC|RE|O-1|F-1{'|' * 25}HIV", "ORC|RE|O-1|F-2"
    first = (mark, "OBR|1|O-1||LOC1^A^L", SPECIMEN, "OBX|1|ST|LOC2^B^L||x||||||F")
    for second, labelled in (
        (("OBR|2|O-1||LOC3^C^L",), True),
        (("OBR|2||F-1|LOC3^C^L",), True),
        ((empty, "OBR|2|||LOC3^C^L"), True),
        (("OBR|2|||LOC3^C^L",), True),
        (("OBR|2|O-2|F-2|LOC3^C^L",), False),
        (("ORC|RE|O-2", "OBR|2|O-2||LOC3^C^L"), False),
    ):
        for lines in ((*first, *second), (*second, *first) if second[0].startswith("ORC") else (*first, *second)):
            made = marked("ORU^R01^ORU_R01", *lines)
            assert len([kind for kind, _ in made if kind == "DiagnosticReport"]) == 2
            without = [kind for kind, codes in made if codes != ["HIV"]]
            assert without == ([] if labelled else ["DiagnosticReport"]), (lines, made)
    shared = marked("OML^O21^OML_O21", *first[:3], "ORC|NW|O-2", "OBR|2|O-2||LOC3^C^L", SPECIMEN)
    assert sorted(shared) == [("ServiceRequest", []), ("ServiceRequest", ["HIV"]), ("Specimen", ["HIV"])]


def test_two_marks_of_one_order_are_both_kept_and_the_higher_level_counts() -> None:
    lines = (f"ORC|RE|O-1{'|' * 26}{code}\rOBR|1|O-1||LOC{number}^A^L" for number, code in enumerate(("R", "V", "PSY")))
    assert [sorted(codes) for _, codes in marked("ORU^R01^ORU_R01", *lines)] == [["PSY", "V"]] * 3


@pytest.mark.parametrize(
    "written", ["^HIV(+) patient", "^AIDS Patient^HL70177", "^^^HIV", "^^^^^^^^hiv(+) patient", "HIV^x^L"]
)
def test_a_mark_in_words_counts(written: str) -> None:
    lines = (f"ORC|RE|O-1{'|' * 26}{written}", "OBR|1|O-1||LOC1^A^L")
    assert marked("ORU^R01^ORU_R01", *lines) == [("DiagnosticReport", ["HIV"])]


def test_a_document_of_a_confidential_order_is_labelled() -> None:
    document = ("TXA|1|CN^Letter^L|TX|20260101||||||||D-1|||||AU", "OBX|1|TX|1^x^L||Words||||||F")
    order = (f"ORC|RE|O-1{'|' * 26}HIV", "OBR|1|O-1||LOC1^A^L")
    assert marked("MDM^T02^MDM_T02", *order, *document) == [("DocumentReference", ["HIV"])]
    assert marked("MDM^T02^MDM_T02", *document) == [("DocumentReference", [])]


@pytest.mark.parametrize("code", ["U", "EMP", "UWM", "VIP", "unknown"])
def test_what_keeps_nothing_back_changes_nothing(code: str) -> None:
    assert labels("ORU^R01^ORU_R01", code) == (labels("ORU^R01^ORU_R01", "")[0], Fate.RESIDUAL)
