"""ROL and PRT in place of the fields that HL7 v2.7 withdrew: the general practice, who prescribed, who gave a dose."""

from typing import Any

import pytest

from tests.fhir_profiles.mappings.test_moves_and_doses import PID, message, of

Json = dict[str, Any]
STAY = "PV1|1|I|B1^^^LEI"
GP = "G1234567^Example^Pat^^^Dr^^^GMP"
EVN = "EVN|A08|20260401105500"


def practices(*lines: str) -> list[Json]:
    (patient,) = of(message("ADT^A08", EVN, PID, *lines, STAY), "Patient")
    found: list[Json] = patient.get("generalPractitioner", [])
    return found


@pytest.mark.parametrize(
    "line",
    [
        f"ROL|1^EHR|AD|PP^Primary care provider^HL70443|{GP}||||||||||Example Surgery^^B86001",
        f"ROL|1^EHR|UP|PP|{GP}|20200101|20300101||||||||Example Surgery^^B86001",
        f"PRT|1^EHR|AD||PP^Primary care provider^HL70912|{GP}|||Example Surgery^^^^^^^^^B86001",
    ],
)
def test_the_general_practice_may_stand_in_a_role(line: str) -> None:
    """HL7 v2.7 withdrew PD1-4: a copy to the practice found nobody to go to."""
    person, practice = practices(line)
    assert (person["identifier"]["value"], person["display"]) == ("G1234567", "Dr Pat Example")
    assert practice["identifier"]["value"] == "B86001"
    assert practices("PD1||||B86001^Example Surgery", line)[0]["identifier"]["value"] == "B86001"


@pytest.mark.parametrize(
    "lines",
    [
        (f"ROL|1|DE|PP^^HL70443|{GP}",),
        (f"ROL|1|AD|PP^^HL70443|{GP}|20200101|20250101",),
        (f"ROL|1|AD|AT^^HL70443|{GP}",),
        (f"ROL|1|AD|PP^^LOCAL|{GP}",),
        (f"PRT|1|D||PP^^HL70912|{GP}",),
        (f"PRT|1|AD||PP^^HL70912|{GP}||||||20200101|20250101",),
        ("PR1|1", f"ROL|1|AD|PP^^HL70443|{GP}"),
    ],
)
def test_a_part_that_is_over_or_another_names_no_practice(lines: tuple[str, ...]) -> None:
    assert practices(*lines) == []


def test_who_ordered_and_who_gave_may_stand_in_a_part() -> None:
    drug = "36120711000001104^Methadone 1mg/ml oral solution^SCT"
    ordered = "PRT|1|AD||OP^Ordering provider^HL70912|C7654321^Example^Pat^^^Dr^^^GMC"
    given = "PRT|1|AD||AP^Administering provider^HL70912|N1^Example^Kim"
    (request,) = of(message("RDE^O11", PID, "ORC|NW|RX-1", ordered, f"RXE||{drug}|30||mg"), "MedicationRequest")
    assert request["requester"]["display"] == "Dr Pat Example"
    (order,) = of(message("OML^O21", PID, "ORC|NW|O-1", ordered, "OBR|1|O-1||26604007^FBC^SCT"), "ServiceRequest")
    assert order["requester"]["identifier"]["value"] == "C7654321"
    rxa = f"RXA|0|1|20260401081500||{drug}|30|mg{'|' * 13}CP"
    (dose,) = of(message("RAS^O17", PID, "ORC|RE|RX-1", rxa, given), "MedicationAdministration")
    assert dose["performer"] == [
        {
            "actor": {
                "type": "Practitioner",
                "identifier": dose["performer"][0]["actor"]["identifier"],
                "display": "Kim Example",
            }
        }
    ]


def test_the_field_counts_before_the_part() -> None:
    ordered = "PRT|1|AD||OP^^HL70912|C1^Other^Sam"
    orc = f"ORC|NW|RX-1{'|' * 10}C7654321^Example^Pat"
    (request,) = of(message("RDE^O11", PID, orc, ordered, "RXE||D1^Methadone|30||mg"), "MedicationRequest")
    assert request["requester"]["display"] == "Pat Example"
