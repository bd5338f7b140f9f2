"""What stands beside an order is of the person: allergies in a prescription, observations of nobody's order; and a note belongs to what it follows."""

from typing import Any

import pytest

from fhir_profiles.shapes import Event
from tests.fhir_profiles.mappings.test_moves_and_doses import PID, adt, message, of

Json = dict[str, Any]
DRUG = "36120711000001104^Methadone 1mg/ml oral solution^SCT"
WEIGHT = "OBX|1|NM|29463-7^Body weight^LN||71.5|kg|||||F"
ORDERS = [
    ("RDE^O11", "MedicationRequest", "note", f"RXE||{DRUG}|30||mg"),
    ("OMP^O09", "MedicationRequest", "note", f"RXO|{DRUG}|30||mg"),
    ("RDS^O13", "MedicationDispense", "note", f"RXD|1|{DRUG}|20260401|10"),
    ("RAS^O17", "MedicationAdministration", "note", f"RXA|0|1|20260401081500||{DRUG}|30|mg{'|' * 13}CP"),
]


@pytest.mark.parametrize(("kind", "resource", "place", "line"), ORDERS)
def test_an_allergy_beside_an_order_is_not_lost(kind: str, resource: str, place: str, line: str) -> None:
    """HL7 v2.5.1 has AL1 in each of these messages; none was read."""
    translation = message(kind, PID, "AL1|1|DA|^Penicillin|SV|Anaphylaxis", "ORC|RE|RX-1", line)
    (allergy,) = of(translation, "AllergyIntolerance")
    assert allergy["code"] == {"text": "Penicillin"}
    assert len(of(translation, resource)) == 1
    assert place not in of(translation, resource)[0]


@pytest.mark.parametrize(("kind", "resource", "place", "line"), ORDERS)
def test_an_observation_beside_an_order_keeps_its_note(kind: str, resource: str, place: str, line: str) -> None:
    """The note was told as one of the medicine, and the observation was lost."""
    lines = ("ORC|RE|RX-1", line, "NTE|1||Do not crush", WEIGHT, "NTE|1||Clothed")
    translation = message(kind, PID, *lines)
    (medicine,) = of(translation, resource)
    (weight,) = of(translation, "Observation")
    assert [each["text"] for each in medicine[place]] == ["Do not crush"]
    assert (weight["note"], str(weight["valueQuantity"]["value"])) == ([{"text": "Clothed"}], "71.5")


def test_what_is_observed_of_the_person_before_every_order_is_no_result() -> None:
    """HL7 v2.7 has it after the PID of an ORU: it was left in the message without a word."""
    order = ("ORC|RE|O-1", "OBR|1|O-1||26604007^FBC^SCT", "OBX|1|NM|718-7^Hb^LN||140|g/L|||||F")
    translation = message("ORU^R01", PID, WEIGHT, "NTE|1||Clothed", *order)
    weight, haemoglobin = of(translation, "Observation")
    (report,) = of(translation, "DiagnosticReport")
    assert [each["reference"] for each in report["result"]] == [f"Observation/{haemoglobin['id']}"]
    assert (weight["code"]["text"], weight["note"]) == ("Body weight", [{"text": "Clothed"}])
    assert "category" not in weight


def test_a_drug_test_of_no_order_has_no_purpose_and_a_person_is_asked() -> None:
    order = ("ORC|RE|O-1", "OBR|1|O-1||26604007^FBC^SCT", "OBX|1|NM|718-7^Hb^LN||140|g/L|||||F")
    translation = message("ORU^R01", PID, "OBX|1|CE|19295-5^Opiates^LN||POS^Positive^L||||||F", *order)
    assert "purpose-unknown" in [task.code for task in translation.tasks]


@pytest.mark.parametrize(("said", "labels"), [("", []), ("V", ["V"])])
def test_an_observation_beside_a_confidential_order_is_as_confidential(said: str, labels: list[str]) -> None:
    orc = f"ORC|NW|RX-1{'|' * 26}{said}"
    (weight,) = of(message("RDE^O11", PID, orc, f"RXE||{DRUG}|30||mg", WEIGHT), "Observation")
    assert [each["code"] for each in weight["meta"].get("security", ())] == labels


@pytest.mark.parametrize(
    ("written", "display"),
    [
        ("LEI", "LEI"),
        ("LEI^20260401", "LEI"),
        ("LEI&HMP Leeds&NOMIS^20260401", "HMP Leeds"),
        ("AP^Approved premises", "Approved premises"),
    ],
)
def test_where_a_person_goes_is_no_date(written: str, display: str) -> None:
    """PV1-37 is a DLD: its second component is when, and was told as where."""
    (stay,) = of(adt("A03", f"PV1|1|I|B1^^^LEI{'|' * 33}CR|{written}"), "Encounter")
    assert stay["hospitalization"]["destination"] == {"display": display}


def test_an_event_that_contradicts_the_message_is_an_issue() -> None:
    """MSH-9 counts; a discharge in EVN-1 that nobody hears of would be a release without a handover."""
    lines = (PID, "PV1|1|I|B1^^^LEI")
    said = message("ADT^A08", "EVN|A03|20260401105500", *lines)
    assert (said.events, [issue.path for issue in said.issues]) == ((Event.RECORD,), ["EVN-1"])
    for evn in ("EVN|A08|20260401105500", "EVN||20260401105500"):
        assert not message("ADT^A08", evn, *lines).issues


@pytest.mark.parametrize(
    ("sent", "given", "moment"),
    [
        ("20260701110000", "20260701081500", "2026-07-01T08:15:00+01:00"),
        ("20260701110000+0100", "20260701081500", "2026-07-01T08:15:00+01:00"),
        ("20260701110000+0100", "20260115081500", "2026-01-15T08:15:00+00:00"),
        ("20260115110000+0000", "20260701081500", "2026-07-01T08:15:00+01:00"),
        ("20260701100000+0000", "20260701081500", "2026-07-01T08:15:00+00:00"),
        ("20260701100000+0000", "20260701081500+0100", "2026-07-01T08:15:00+01:00"),
        ("20260701", "20260701081500", "2026-07-01T08:15:00+01:00"),
    ],
)
def test_a_dose_is_timed_by_the_clock_of_its_message(sent: str, given: str, moment: str) -> None:
    """HL7 v2.5.1 2.15.9.7: the offset of MSH-7 is that of every time without one. A sender on London's clock is on it in winter and summer."""
    translation = message("RAS^O17", PID, "ORC|RE|RX-1", f"RXA|0|1|{given}||{DRUG}|30|mg{'|' * 13}CP", sent=sent)
    (dose,) = of(translation, "MedicationAdministration")
    assert dose["effectiveDateTime"] == moment
    assert ("MSH-7" in [issue.path for issue in translation.issues]) == (sent == "20260701100000+0000")


def test_a_duration_that_the_period_contradicts_is_told() -> None:
    """The duration was said to be carried, and was not."""
    lines = ("ORC|NW|RX-1", f"RXE||{DRUG}|30||mg", "TQ1|1||QD|||7^d|20260401|20260414")
    (request,) = of(message("RDE^O11", PID, *lines), "MedicationRequest")
    assert "for 7 days" in request["dosageInstruction"][0]["text"]


@pytest.mark.parametrize(
    "lines",
    [
        ("ADT^A08", "EVN|A08|20260401105500", PID, "NTE|1||Deaf", "PV1|1|I|B1^^^LEI"),
        ("RDE^O11", PID, "NTE|1||Deaf", "ORC|NW|RX-1", f"RXE||{DRUG}|30||mg", "NTE|1||Do not crush"),
        ("ORU^R01", PID, "NTE|1||Deaf", "ORC|RE|O-1", "OBR|1|O-1||26604007^FBC^SCT", WEIGHT, "NTE|1||Clothed"),
    ],
)
def test_a_note_of_nothing_that_is_carried_is_an_issue(lines: tuple[str, ...]) -> None:
    """A note about the person has no place in HL7's map: whoever sent it is told that nobody reads it."""
    translation = message(*lines)
    assert [issue.path for issue in translation.issues if issue.path.startswith("NTE")] == ["NTE-3"]


@pytest.mark.parametrize(
    ("second", "status", "asked"),
    [("ORC|XO|RX-1", "active", True), ("ORC|DC|RX-1", "stopped", True), ("ORC|NW|RX-2", "active", False)],
)
def test_two_orders_of_one_number_are_one_and_a_person_is_asked(second: str, status: str, asked: bool) -> None:
    """Both were in the bundle under one name, and the last replaced the first in the file without a word."""
    lines = ("ORC|NW|RX-1", f"RXE||{DRUG}|30||mg", second, f"RXE||{DRUG}|40||mg")
    translation = message("RDE^O11", PID, *lines)
    requests = of(translation, "MedicationRequest")
    assert len({each["id"] for each in requests}) == len(requests) == (1 if asked else 2)
    assert requests[-1]["status"] == status
    assert requests[-1]["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] == 40
    assert ("order-control-unclear" in [task.code for task in translation.tasks]) == asked
    fates = {field.source: field.fate.value for field in translation.fields}
    assert (fates["RXE-3"] == "residual") == asked


def test_the_same_order_twice_is_one() -> None:
    order = ("ORC|NW|RX-1", f"RXE||{DRUG}|30||mg")
    translation = message("RDE^O11", PID, *order, *order)
    assert len(of(translation, "MedicationRequest")) == 1
    assert not translation.tasks
