"""Documents and dispenses: what each is, and what it must not be taken for."""

from base64 import b64decode
from typing import Any

import pytest

from fhir_profiles import facts
from fhir_profiles.shapes import Channel, Event, Translation
from fhir_profiles.translate import translate as whole_translation
from tests.fhir_profiles.mappings.golden_pairs import CHANNEL, sources, translate

Json = dict[str, Any]
PID = "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI||Example^Sam||19850713|M"


def message(kind: str, *lines: str, channel: Channel = CHANNEL) -> Translation:
    header = f"MSH|^~\\&|PRISON-EHR|LEI|TG|HUB|20260401110000||{kind}|ID-1|P|2.5.1"
    return translate("\r".join((header, *lines)).encode(), channel)


def of(translation: Translation, kind: str) -> list[Json]:
    found = [entry["resource"] for entry in translation.bundle["entry"]]
    return [each for each in found if each["resourceType"] == kind]


def dispense(control: str, amount: str) -> Translation:
    rxd = f"RXD|1|36120711000001104^Methadone 1mg/ml oral solution^SCT|20260401|{amount}|ml"
    return message("RDS^O13", PID, f"ORC|{control}|RX-1", rxd)


@pytest.mark.parametrize(
    ("control", "amount", "status"),
    [
        ("RE", "40", "completed"),
        ("NW", "40", "completed"),
        ("RE", "", "unknown"),
        ("RE", "0", "unknown"),
        ("RE", "-1", "unknown"),
        ("RE", "plenty", "unknown"),
        *((control, "40", "declined") for control in ("UD", "UA", "UF", "DF")),
        *((control, "40", "unknown") for control in ("RP", "UC", "UH", "UM", "UR", "UX")),
        *((control, "40", "stopped") for control in ("RU", "RQ")),
        ("UN", "40", "completed"),
        ("RE|RX-1|||CA", "40", "unknown"),
        ("RE|RX-1|||ER", "40", "unknown"),
        ("RE|RX-1|||DC", "40", "completed"),
        ("CA", "40", "cancelled"),
        ("DC", "40", "stopped"),
        ("HD", "40", "on-hold"),
    ],
)
def test_a_dispense_was_made_only_where_it_says_so(control: str, amount: str, status: str) -> None:
    assert [each["status"] for each in of(dispense(control, amount), "MedicationDispense")] == [status]


def test_a_dispense_is_no_dose_and_no_prescription() -> None:
    """What was handed out may not have been taken: it is no last dose, and it starts no letter."""
    translation = dispense("RE", "40")
    assert translation.events == (Event.RECORD,)
    resources = [entry["resource"] for entry in translation.bundle["entry"]]
    assert facts.last_dose(resources, "2026-04-02T00:00:00Z") is None
    assert not facts.on_substitute_medication(resources, "2026-04-02T00:00:00Z")


def test_a_second_dispense_of_an_order_is_another_one() -> None:
    lines = [
        f"RXD|{number}|^Methadone|{day}|40|ml" for number, day in ((1, "20260401"), (1, "20260402"), (2, "20260402"))
    ]
    translation = message("RDS^O13", PID, "ORC|RE|RX-1", *lines)
    assert len({each["id"] for each in of(translation, "MedicationDispense")}) == 3


def document(txa: str, *obx: str) -> Json:
    translation = message("MDM^T02", "EVN|T02|20260401", PID, txa, *obx)
    assert translation.events == (Event.RECORD,)
    return of(translation, "DocumentReference")[0]


def test_the_lines_of_a_document_are_one_text_in_their_order() -> None:
    found = document(
        "TXA|1|CN|TX", "OBX|1|TX|N^Note||one\\T\\two~three||||||F", "OBX|2|FT|N^Note||four\\.br\\five||||||F"
    )
    text = b64decode(found["content"][0]["attachment"]["data"]).decode()
    assert text == "one&two\nthree\nfour\nfive"
    assert found["category"] == [{"coding": [{"code": "N", "display": "Note"}], "text": "Note"}]


@pytest.mark.parametrize(
    ("completion", "result", "status"),
    [("AU", "P", "final"), ("DI", "F", "preliminary"), ("", "F", "final"), ("", "C", "amended"), ("", "", None)],
)
def test_how_complete_a_document_is(completion: str, result: str, status: str | None) -> None:
    found = document(f"TXA|1|CN{'|' * 15}{completion}", f"OBX|1|TX|N||text||||||{result}")
    assert found.get("docStatus") == status


@pytest.mark.parametrize(
    ("availability", "status"), [("AV", "current"), ("", "current"), ("CA", "entered-in-error"), ("OB", "superseded")]
)
def test_a_document_that_was_taken_back_says_so(availability: str, status: str) -> None:
    assert document(f"TXA|1|CN{'|' * 17}{availability}", "OBX|1|TX|N||text")["status"] == status


def test_a_document_counts_as_carrying_every_label() -> None:
    """Nobody read what is in it: without a label a direct-care recipient may get it, nobody else can."""
    source = next(each for each in sources() if each.stem == "mdm_t02")
    finished = whole_translation(CHANNEL, source.read_bytes())
    found = of(finished, "DocumentReference")[0]
    assert "security" not in found.get("meta", {})


def test_a_document_of_a_second_person_is_not_filed() -> None:
    other = PID.replace("9990000018", "9990000026").replace("A1234BC", "A9999AA")
    translation = message("MDM^T02", "EVN|T02|20260401", PID, other, "TXA|1|CN", "OBX|1|TX|N||text")
    assert translation.hold is not None
    assert not of(translation, "DocumentReference")
