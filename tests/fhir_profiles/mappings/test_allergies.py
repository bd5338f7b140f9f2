"""AL1 and IAM: to what, how bad, how sure; what is deleted, doubted, said twice, or said in words that nobody knows."""

from typing import Any

import pytest

from fhir_profiles.shapes import Fate, Translation
from tests.fhir_profiles.mappings.test_moves_and_doses import adt, of

Json = dict[str, Any]
STAY = "PV1|1|I|B1^^^LEI"
PENICILLIN = "91936005^Allergy to penicillin^SCT"


def said(*lines: str) -> tuple[Translation, list[Json]]:
    translation = adt("A08", STAY, *lines)
    return translation, of(translation, "AllergyIntolerance")


def iam(**fields: str) -> str:
    values = {int(name[1:]): value for name, value in {"f1": "1", "f3": PENICILLIN, **fields}.items()}
    return "|".join(["IAM", *(values.get(number, "") for number in range(1, max(values) + 1))])


def code_of(allergy: Json, name: str) -> str | None:
    found: str | None = allergy.get(name, {}).get("coding", [{}])[0].get("code")
    return found


def test_an_iam_says_what_an_al1_says_and_more() -> None:
    translation, (allergy,) = said(
        iam(f2="DA^Drug allergy^HL70127", f4="SV^Severe^HL70128", f5="Rash~Wheeze", f6="A", f7="ALG-1^EHR", f10="PEN^Penicillins",
            f11="20190501", f13="20200101", f17="C^Confirmed^HL70438", f27="764146007^Penicillin^SCT")
    )  # fmt: skip
    assert (allergy["type"], allergy["category"], allergy["criticality"]) == ("allergy", ["medication"], "high")
    assert [each["code"] for each in allergy["code"]["coding"]] == ["91936005", "764146007"]
    assert (code_of(allergy, "clinicalStatus"), code_of(allergy, "verificationStatus")) == ("active", "confirmed")
    assert allergy["identifier"][0]["value"] == "ALG-1"
    assert (allergy["onsetDateTime"], allergy["recordedDate"]) == ("2019-05-01", "2020-01-01")
    assert allergy["reaction"] == [{"manifestation": [{"text": "Rash"}, {"text": "Wheeze"}], "severity": "severe"}]
    assert allergy["note"] == [{"text": "group, as written: Penicillins"}]
    left = {
        field.source for field in translation.fields if field.source.startswith("IAM") and field.fate is not Fate.MAPPED
    }
    assert left == {"IAM-6", "IAM-10.1"}


@pytest.mark.parametrize(
    ("fields", "clinical", "sure"),
    [
        ({}, "active", None),
        ({"f6": "A"}, "active", None),
        ({"f6": "U"}, "active", None),
        ({"f6": "X"}, "active", None),
        ({"f6": "D"}, None, "entered-in-error"),
        ({"f6": "D", "f17": "C"}, None, "entered-in-error"),
        ({"f17": "C"}, "active", "confirmed"),
        ({"f17": "I"}, "inactive", "confirmed"),
        ({"f17": "E"}, None, "entered-in-error"),
        ({"f17": "U"}, "active", "unconfirmed"),
        ({"f17": "P"}, "active", "unconfirmed"),
        ({"f17": "S"}, "active", "unconfirmed"),
        ({"f17": "D"}, "active", "unconfirmed"),
        ({"f17": "Z^Historic"}, "active", None),
    ],
)
def test_how_an_allergy_stands(fields: dict[str, str], clinical: str | None, sure: str | None) -> None:
    """What is deleted was never so; what is doubted is not refuted; a word that nobody knows ends nothing."""
    translation, (allergy,) = said(iam(**fields))
    assert (code_of(allergy, "clinicalStatus"), code_of(allergy, "verificationStatus")) == (clinical, sure)
    unknown = fields.get("f17", "").startswith("Z")
    assert ("note" in allergy) == unknown == bool(translation.issues)


@pytest.mark.parametrize(
    ("word", "kind"), [("AL", "allergy"), ("IN", "intolerance"), ("CT", "intolerance"), ("SE^Side effect", None)]
)
def test_a_side_effect_is_no_allergy(word: str, kind: str | None) -> None:
    _, (allergy,) = said(iam(f2="DA", f9=word))
    assert allergy.get("type") == kind
    assert ("note" in allergy) == (kind is None)


def test_an_allergy_keeps_its_number_when_what_it_is_to_is_corrected() -> None:
    _, (before,) = said(iam(f7="ALG-1^EHR"))
    _, (after,) = said(iam(f7="ALG-1^EHR", f3="^Amoxicillin", f6="U"))
    _, (other,) = said(iam(f7="ALG-2^EHR"))
    assert before["id"] == after["id"] != other["id"]


def test_an_allergy_in_both_segments_is_one() -> None:
    translation, (allergy,) = said(f"AL1|1|DA|{PENICILLIN}|MI|Itch", iam(f4="SV", f5="Anaphylaxis", f7="ALG-1"))
    assert allergy["reaction"][0]["manifestation"] == [{"text": "Anaphylaxis"}]
    assert {field.fate for field in translation.fields if field.source.startswith("AL1")} == {Fate.MINIMISED}


def test_an_allergy_named_twice_keeps_the_graver_and_every_reaction() -> None:
    """The second said an anaphylaxis, and was lost: the first counted."""
    _, (allergy,) = said(f"AL1|1|DA|{PENICILLIN}|MI|Itch", f"AL1|2|DA|{PENICILLIN}|SV|Anaphylaxis")
    assert [each["manifestation"][0]["text"] for each in allergy["reaction"]] == ["Itch", "Anaphylaxis"]
    assert allergy["criticality"] == "high"


@pytest.mark.parametrize(
    ("written", "severity", "note"),
    [
        ("SV", "severe", None),
        ("^Severe", "severe", None),
        ("severe", "severe", None),
        ("U", None, None),
        ("^Life threatening", None, "severity, as written: Life threatening"),
        ("9^Life threatening^L", None, "severity, as written: Life threatening"),
    ],
)
def test_a_severity_in_words_is_not_lost(written: str, severity: str | None, note: str | None) -> None:
    for line in (f"AL1|1|DA|{PENICILLIN}|{written}|Rash", iam(f4=written, f5="Rash")):
        _, (allergy,) = said(line)
        assert allergy["reaction"][0].get("severity") == severity
        assert [each["text"] for each in allergy.get("note", ())] == ([note] if note else [])


def test_a_reaction_in_words_has_no_code() -> None:
    """AL1-5 is words (ST): a code without a system means nothing to anybody."""
    _, (allergy,) = said(f"AL1|1|DA|{PENICILLIN}||Rash~271807003^Eruption^SCT")
    first, second = allergy["reaction"][0]["manifestation"]
    assert (first, second["coding"][0]["code"]) == ({"text": "Rash"}, "271807003")


def test_an_iam_that_does_not_say_to_what_is_an_issue() -> None:
    translation, allergies = said(iam(f3=""))
    assert (allergies, [issue.path for issue in translation.issues]) == ([], ["IAM-3"])
