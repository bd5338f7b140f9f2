"""An old or temporary number, address or telephone is read as one, or not at all: text and HL7 v2 have no `use` that a reader would miss.

FHIR R4 marks `use` as a modifier: what was somebody's number is no number to find them by.
"""

from typing import Any

import pytest

from fhir_profiles import systems
from fhir_profiles.wires.readable import readable
from fhir_profiles.wires.v2_person import pid
from tests.fhir_profiles.letters.files import HEADING

Json = dict[str, Any]
PERSON: Json = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [
        {"use": "old", "system": systems.NHS_NUMBER, "value": "9990000018"},
        {"use": "official", "system": systems.NHS_NUMBER, "value": "9990000026"},
        {"use": "temp", "system": systems.PRISON_NUMBER, "value": "T0001TT"},
        {"system": systems.PRISON_NUMBER, "value": "A1234BC"},
    ],
    "telecom": [
        {"system": "phone", "use": "old", "value": "0113 496 0001"},
        {"system": "phone", "use": "temp", "value": "0113 496 0002"},
        {"system": "phone", "use": "mobile", "value": "07700 900003"},
    ],
    "address": [{"use": "old", "city": "Formertown"}, {"use": "home", "city": "Hometown"}],
    "active": False,
}


def lines(person: Json) -> list[str]:
    whole = readable(({"fullUrl": "urn:uuid:p", "resource": person},), HEADING, redacted=False)
    return [line for part in whole.parts if part.code == "person" for line in part.lines]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("9990000018", "NHS number (old): 9990000018"),
        ("9990000026", "NHS number: 9990000026"),
        ("T0001TT", "Prison number (temp): T0001TT"),
        ("A1234BC", "Prison number: A1234BC"),
        ("0113 496 0001", "Phone (old): 0113 496 0001"),
        ("0113 496 0002", "Phone (temp): 0113 496 0002"),
        ("07700 900003", "Phone: 07700 900003"),
        ("Formertown", "Address (old): Formertown"),
        ("Hometown", "Address: Hometown"),
    ],
)
def test_a_reader_of_the_text_sees_what_holds_no_more(value: str, said: str) -> None:
    assert [line for line in lines(PERSON) if value in line] == [said]


def test_a_record_out_of_use_says_so_in_words() -> None:
    assert "Record: not in use" in lines(PERSON)
    assert not any("Record" in line for line in lines({**PERSON, "active": True}))


def test_hl7v2_has_no_word_for_an_old_number_and_holds_none() -> None:
    written = pid(PERSON)
    fields = written.split("|")
    assert fields[3] == "9990000026^^^NHS^NH~A1234BC^^^NOMIS^PI"
    assert "0113 496 0001" not in written
    assert "VHN" in fields[13], "a temporary telephone has its code"
    assert "07700 900003" in fields[13]
    assert "Formertown" in fields[11], "a former address has its code"
    assert "BA" in fields[11].split("~")[0].split("^")
