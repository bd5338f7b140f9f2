"""A03 by PV1-36: only a release is a release, silence is never one, and a merge never is."""

import csv
from pathlib import Path

import pytest

from fhir_profiles import systems
from fhir_profiles.shapes import Channel, Event, Fate, Json, Translation
from fhir_profiles.terminology import Disposition, disposition
from tests.builders import adt_a03, adt_a13
from tests.fhir_profiles.mappings.golden_pairs import translate

TABLE = Path(__file__).parents[3] / "fhir_profiles" / "terminology" / "dispositions.csv"


def discharged(code: str, **overrides: str) -> Translation:
    return translate(adt_a03(disposition=code), Channel(name="test", format="hl7v2", dispositions=overrides))


def stay(translation: Translation) -> Json:
    return next(
        entry["resource"] for entry in translation.bundle["entry"] if entry["resource"]["resourceType"] == "Encounter"
    )


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("CR", Event.RELEASE),
        ("cr", Event.RELEASE),
        ("NCS", Event.RELEASE),
        ("HR", Event.RELEASE),
        ("CE", Event.RELEASE),
        ("HP", Event.RELEASE),
        ("NOTR", Event.TRANSFER),
        ("TRNCRT", Event.TRANSFER),
        ("INT", Event.TRANSFER),
        ("CRT", Event.COURT),
        ("SENT", Event.COURT),
        ("C5", Event.TEMPORARY_ABSENCE),
        ("YRDR", Event.TEMPORARY_ABSENCE),
        ("ESCP", Event.ESCAPE),
        ("UAL", Event.ESCAPE),
        ("DEC", Event.DEATH),
        ("MRG", Event.MERGE),
        ("transfer", Event.TRANSFER),
        ("Temporary Absence", Event.TEMPORARY_ABSENCE),
        ("", Event.RELEASE_UNCLEAR),
        ("ZZZ", Event.RELEASE_UNCLEAR),
        ("1", Event.RELEASE_UNCLEAR),
        ("99", Event.RELEASE_UNCLEAR),
        ("I", Event.RELEASE_UNCLEAR),
    ],
)
def test_each_disposition(code: str, event: Event) -> None:
    assert discharged(code).events == (event,)


def test_no_merge_is_ever_a_release() -> None:
    assert discharged("MRG").tasks[0].code == "discharge-by-merge"


def test_a_channel_overrides_the_table() -> None:
    """By its own words; a word that names no disposition is unclear, never a silent release."""
    assert discharged("X1", X1="court").events == (Event.COURT,)
    assert discharged("CR", CR="transfer").events == (Event.TRANSFER,)
    assert discharged("CR", CR="nonsense").events == (Event.RELEASE_UNCLEAR,)


def test_unclear_is_said_to_a_person() -> None:
    unknown = discharged("ZZZ")
    assert [task.code for task in unknown.tasks] == ["release-unclear"]
    assert [issue.path for issue in unknown.issues] == ["PV1-36"]
    assert [task.code for task in discharged("").tasks] == ["release-unclear"]
    assert discharged("CR").tasks == ()


def test_the_stay_keeps_the_source_code() -> None:
    codings = stay(discharged("CR"))["hospitalization"]["dischargeDisposition"]["coding"]
    assert codings[0]["code"] == "CR"
    assert codings[1] == {"system": systems.DISPOSITION, "code": "release"}


def test_every_row_of_the_table_names_a_disposition() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["disposition"] for row in rows} == {each.value for each in Disposition}
    assert len({row["code"] for row in rows}) == len(rows)
    for row in rows:
        assert disposition(row["code"], {}).value == row["disposition"]
        assert row["source"]
        assert row["confidence"] in "ABCU"
    assert {row["code"] for row in rows if row["disposition"] == "merge"} == {"MRG"}


def test_a_cancelled_discharge_goes_on_with_the_same_stay() -> None:
    """The Encounter of an A13 supersedes the A03's: in progress, without an end."""
    cancelled = translate(adt_a13())
    assert cancelled.events == (Event.RELEASE_CANCELLED,)
    assert stay(cancelled)["id"] == stay(discharged("CR"))["id"]
    assert stay(cancelled)["status"] == "in-progress"
    assert "end" not in stay(cancelled).get("period", {})


def test_a_wrong_clock_does_not_hold_a_release() -> None:
    """An end before the start, or no real time at all, is left out with an issue; the release counts."""
    for admitted, left in ((b"20270101", b"20260101"), (b"20260101", b"99999999")):
        body = adt_a03().replace(b"|||||||||20260115120000+0000\r", b"||||||||" + admitted + b"|" + left + b"\r")
        translation = translate(body)
        assert translation.events == (Event.RELEASE,)
        assert translation.hold is None
        assert "end" not in stay(translation)["period"]
        assert next(each.fate for each in translation.fields if each.source == "PV1-45") is Fate.UNSUPPORTED
        assert [issue.path for issue in translation.issues] == ["PV1-45"]
