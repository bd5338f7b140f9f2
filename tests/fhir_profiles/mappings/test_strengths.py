"""What turns a strength, a rate or a route into another one stays with it in the words of the dosage: 10 mg in 5 mL is no 10 mg in 1 mL."""

from typing import Any

import pytest

from tests.fhir_profiles.mappings.test_moves_and_doses import PID, message, of

Json = dict[str, Any]
DRUG = "M1^Methadone oral solution^L"


def segment(name: str, fields: dict[int, str]) -> str:
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def words(kind: str, resource: str, *lines: str) -> str:
    (found,) = of(message(kind, PID, *lines), resource)
    dosage: Any = found.get("dosageInstruction", found.get("dosage"))
    text: str = (dosage[0] if isinstance(dosage, list) else dosage)["text"]
    return text


def rxe(**more: str) -> str:
    return segment("RXE", {2: DRUG, 3: "30", 5: "mg"} | {int(name[1:]): value for name, value in more.items()})


@pytest.mark.parametrize(
    ("kind", "resource", "line", "strength"),
    [
        ("RDE^O11", "MedicationRequest", rxe(f25="10", f26="mg", f33="5", f34="mL"), "strength as written: 10 mg, in a volume as written: 5 mL"),
        ("OMP^O09", "MedicationRequest", segment("RXO", {1: DRUG, 2: "30", 4: "mg", 18: "10", 19: "mg", 25: "5", 26: "mL"}),
         "strength as written: 10 mg, in a volume as written: 5 mL"),
        ("RDS^O13", "MedicationDispense", segment("RXD", {1: "1", 2: DRUG, 3: "20260401", 4: "1", 16: "10", 17: "mg", 28: "5", 29: "mL"}),
         "strength as written: 10 mg, in a volume as written: 5 mL"),
        ("RAS^O17", "MedicationAdministration",
         segment("RXA", {1: "0", 2: "1", 3: "20260401081500", 5: DRUG, 6: "30", 7: "mg", 13: "10", 14: "mg", 20: "CP", 23: "5", 24: "mL"}),
         "strength as written: 10 mg, in a volume as written: 5 mL"),
    ],
)  # fmt: skip
def test_a_strength_has_the_volume_that_it_is_of(kind: str, resource: str, line: str, strength: str) -> None:
    assert words(kind, resource, "ORC|RE|RX-1", line) == strength


def test_a_component_has_the_volume_of_its_strength() -> None:
    rxc = segment("RXC", {1: "A", 2: "^Potassium chloride", 3: "20", 4: "mmol", 5: "1", 6: "mmol", 8: "1", 9: "mL"})
    said = words("RDE^O11", "MedicationRequest", "ORC|NW|RX-1", rxe(), rxc)
    assert "strength as written: 1 mmol, in a volume as written: 1 mL" in said


def test_what_limits_a_dose_is_in_its_words() -> None:
    said = words(
        "RDE^O11", "MedicationRequest", "ORC|NW|RX-1", rxe(f19="60^mg", f22="H1", f23="75", f24="mL"),
        "TQ1|1||BID||30^min||||||||15^min", "RXR|IV||||3^Through the blue line", "RXR|PO",
    )  # fmt: skip
    for part in (
        "total daily dose as written: 60 mg",
        "rate as written: 75 mL; per unit of time as written: H1",
        "relative time as written: 30 min",
        "duration of each as written: 15 min",
        "routing as written: Through the blue line",
        "another route as written: PO",
    ):
        assert part in said


def test_what_the_laboratory_was_told_is_carried_and_is_no_purpose() -> None:
    obr = f"OBR|1|O-1||26604007^FBC^SCT{'|' * 9}^On methadone"
    obx = "OBX|1|NM|718-7^Hb^LN||140|g/L|||||F"
    (report,) = of(message("ORU^R01", PID, "ORC|RE|O-1", obr, obx), "DiagnosticReport")
    assert "clinical information, as written: On methadone" in str(report["extension"])
    (order,) = of(message("OML^O21", PID, "ORC|NW|O-1", obr), "ServiceRequest")
    assert order["note"] == [{"text": "clinical information, as written: On methadone"}]
    told = message("ORU^R01", PID, "ORC|RE|O-1", obr.replace("^On methadone", "mandatory"), obx)
    assert "clinical information" not in str(of(told, "DiagnosticReport"))


@pytest.mark.parametrize(("said", "labels"), [("Y", ["R"]), ("N", []), ("", []), ("?", [])])
def test_a_protected_stay_is_restricted(said: str, labels: list[str]) -> None:
    """PV2-22, which HL7's map puts into the stay's labels."""
    lines = ("EVN|A08|20260401105500", PID, "PV1|1|I|B1^^^LEI", f"PV2{'|' * 22}{said}")
    translation = message("ADT^A08", *lines)
    (stay,) = of(translation, "Encounter")
    assert [each["code"] for each in stay["meta"].get("security", ())] == labels
    assert bool(translation.issues) == (said == "?")


@pytest.mark.parametrize(
    ("edges", "period"),
    [
        ("20200101|20251231", {"start": "2020-01-01", "end": "2025-12-31"}),
        ("|20251231", {"end": "2025-12-31"}),
        ("20251231|20200101", None),
        ("|", None),
    ],
)
def test_a_contact_has_the_time_for_which_it_is_one(edges: str, period: Json | None) -> None:
    """Who is no next of kin any more was told as one."""
    lines = ("EVN|A08|20260401105500", PID, f"NK1|1|Other^Sam|SPO||||C|{edges}", "PV1|1|I|B1^^^LEI")
    translation = message("ADT^A08", *lines)
    (patient,) = of(translation, "Patient")
    assert patient["contact"][0].get("period") == period
    mapped = {field.source: field.path for field in translation.fields if field.path}
    assert mapped.get("NK1-9") == ("Patient.contact.period.end" if period else None)


def test_the_time_of_a_provider_is_said_where_it_is() -> None:
    """Both dates were said to be the end, and to be carried where they were not."""
    ends = {}
    for edges in ("20200101|20300101", "20300101|20200101"):
        prd = f"PRD|RP|Example^Pat|||||C1|{edges}"
        translation = message("REF^I12", PID, prd, "RF1|P")
        (role,) = of(translation, "PractitionerRole")
        paths = {field.source: field.path for field in translation.fields if field.source in {"PRD-8", "PRD-9"}}
        ends[edges] = (role.get("period"), paths)
    assert ends["20200101|20300101"] == (
        {"start": "2020-01-01", "end": "2030-01-01"},
        {"PRD-8": "PractitionerRole.period.start", "PRD-9": "PractitionerRole.period.end"},
    )
    assert ends["20300101|20200101"] == (None, {"PRD-8": "", "PRD-9": ""})
