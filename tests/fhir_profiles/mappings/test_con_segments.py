"""CON segments: a yes is a permit only where nothing stands beside it; a no counts; what is unknown permits nothing and is asked about."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.lint import widens
from fhir_profiles.shapes import Event, Fate, HoldCode, Translation
from fhir_profiles.validate import invalid, validate
from tests.fhir_profiles.mappings.golden_pairs import translate

Json = dict[str, Any]
PID = "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI||Example^Sam||19850713|M"
GIVEN = "425691002^Consent given for electronic record sharing^SCT"
DECLINED = "320011000000108^Declined consent to share patient data with specified third party^SCT"


def message(kind: str, *lines: str) -> Translation:
    header = f"MSH|^~\\&|PRISON-EHR|LEI|TG|HUB|20260401110000||{kind}|ID-1|P|2.5.1"
    return translate("\r".join((header, *lines)).encode())


def con(**fields: str) -> str:
    known = {"f1": "1", "f2": GIVEN, "f4": "F-1", "f11": "A", "f13": "20260401", **fields}
    values = {int(name[1:]): value for name, value in known.items()}
    return "|".join(["CON", *(values.get(number, "") for number in range(1, max(values) + 1))])


def said(**fields: str) -> Translation:
    return message("ADT^A31", "EVN|A31|20260401", PID, con(**fields))


def consents(translation: Translation) -> list[Json]:
    assert not invalid(validate(translation.bundle))
    found = [entry["resource"] for entry in translation.bundle["entry"]]
    return [each for each in found if each["resourceType"] == "Consent"]


@pytest.mark.parametrize(
    ("fields", "status", "asked"),
    [
        ({}, "active", False),
        ({"f16": "Y", "f21": "F", "f25": "SEL"}, "active", False),
        ({"f11": "R"}, "rejected", False),
        ({"f11": "X"}, "rejected", False),
        ({"f11": "R", "f9": "only the doctor", "f16": "N", "f14": "never"}, "rejected", False),
        ({"f2": DECLINED}, "rejected", False),
        ({"f2": DECLINED, "f11": "L"}, "rejected", False),
        ({"f2": DECLINED, "f11": "X"}, None, True),
        ({"f11": "L"}, None, True),
        ({"f11": "P"}, None, True),
        ({"f11": "B"}, None, True),
        ({"f11": ""}, None, True),
        ({"f9": "only the doctor"}, None, True),
        ({"f16": "N"}, None, True),
        ({"f21": "P"}, None, True),
        ({"f23": "MNR"}, None, True),
        ({"f25": "GRD"}, None, True),
        ({"f15": "20261301"}, None, True),
        ({"f14": "20260401", "f15": "20250401"}, None, True),
        ({"f2": "002^Medical procedure^HL70496"}, None, False),
        ({"f2": "002^Medical procedure^HL70496", "f11": "R"}, None, True),
    ],
)
def test_what_a_consent_segment_says(fields: dict[str, str], status: str | None, *, asked: bool) -> None:
    translation = said(**fields)
    assert [each["status"] for each in consents(translation)] == ([status] if status is not None else [])
    assert (Event.CONSENT in translation.events) == (status is not None)
    assert [task.code for task in translation.tasks] == (["consent-unclear"] if asked else [])


def test_a_yes_holds_for_its_time_and_a_no_has_no_end() -> None:
    times = {"f14": "20260401", "f15": "20270401"}
    assert consents(said(**times))[0]["provision"]["period"] == {"start": "2026-04-01", "end": "2027-04-01"}
    assert "period" not in consents(said(**times, f11="R"))[0]["provision"]


def test_a_yes_could_widen_and_a_no_never_does() -> None:
    """So a yes waits for a person unless its sender is a consent authority, and a no counts at once."""
    assert widens(consents(said())[0])
    assert not widens(consents(said(f11="R"))[0])


def test_what_was_given_and_is_rescinded_is_one_lineage() -> None:
    yes, no = consents(said())[0], consents(said(f11="X"))[0]
    assert yes["id"] == no["id"]
    assert yes["identifier"] == no["identifier"]


@pytest.mark.parametrize(
    "lines",
    [
        ("ORU^R01", "OBR|1||L-1|HCV^HCV^L"),
        ("RDE^O11", "ORC|NW|RX-1", "RXE||^Methadone|40||ml"),
        ("MDM^T02", "EVN|T02|20260401", "TXA|1|CN", "OBX|1|TX|N||text"),
        ("PPR^PC1", "PRB|AD|20260401|^Asthma"),
        ("ADT^A03", "EVN|A03|20260401", "PV1|1|I"),
    ],
)
def test_a_refusal_counts_in_whatever_message_it_stands(lines: tuple[str, ...]) -> None:
    translation = message(lines[0], PID, *lines[1:], con(f11="R"))
    assert [each["status"] for each in consents(translation)] == ["rejected"]


def test_a_consent_in_a_message_about_two_people_is_nobodys() -> None:
    other = PID.replace("9990000018", "9990000026").replace("A1234BC", "A9999AA")
    translation = message("ADT^A31", "EVN|A31|20260401", PID, other, con(f11="R"))
    assert translation.hold is not None
    assert translation.hold.code is HoldCode.TWO_PEOPLE
    assert not consents(translation)
    assert {field.fate for field in translation.fields if field.source.startswith("CON")} == {Fate.MINIMISED}


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from([f"f{number}" for number in range(1, 26)]), st.text("AFLNRXY0^~&1234 -", max_size=6)
    ),
    st.sampled_from(["f9", "f16", "f21", "f23", "f25"]),
)
def test_no_doubt_ever_widens(fields: dict[str, str], doubt: str) -> None:
    """Whatever stands in a CON: with a doubt beside it, it permits nothing."""
    doubted = {**fields, doubt: "N" if doubt == "f16" else "P"}
    assert not any(widens(each) for each in consents(said(**{"f2": GIVEN, **doubted})))
