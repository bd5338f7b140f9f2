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


@pytest.mark.parametrize("code", ["U", "EMP", "UWM", "VIP", "unknown"])
def test_what_keeps_nothing_back_changes_nothing(code: str) -> None:
    assert labels("ORU^R01^ORU_R01", code) == (labels("ORU^R01^ORU_R01", "")[0], Fate.RESIDUAL)
