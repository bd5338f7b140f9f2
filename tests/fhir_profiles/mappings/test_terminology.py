"""The lists: every row has a source and a confidence, no code is ambiguous, and what no row knows is never guessed."""

import csv
from pathlib import Path

import pytest

from fhir_profiles import systems, terminology
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import SUBSTANCE_GROUPS
from fhir_profiles.terminology.checking import KEYS

FOLDER = Path(terminology.__file__).parent
FILES = sorted(FOLDER.glob("*.csv"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_row_says_where_it_comes_from(path: Path) -> None:
    """A file that nobody wrote down here, or a row twice, fails."""
    found = rows(path)
    assert found
    for row in found:
        assert None not in row
        assert None not in row.values()
        assert row["source"].strip(), row
        assert row["confidence"] in {"A", "B", "C", "U"}, row
    keys = [tuple(row[column] for column in KEYS[path.stem]) for row in found]
    assert len(set(keys)) == len(keys)


def verhoeff(number: str) -> bool:
    """The check digit of SNOMED CT ids (SNOMED CT release file specification, SCTID)."""
    d5 = [[(i + j) % 5 + (5 if (i >= 5) != (j >= 5) else 0) for j in range(10)] for i in range(10)]
    multiply = [
        [(i + j) % 5 if i < 5 and j < 5 else (i + (j - 5)) % 5 + 5 if i < 5 else
         (i - 5 - j) % 5 + 5 if j < 5 else (i - j) % 5 for j in range(10)]
        for i in range(10)
    ]  # fmt: skip
    assert len(d5) == len(multiply)
    permute = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    for _ in range(6):
        permute.append([permute[1][digit] for digit in permute[-1]])
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = multiply[check][permute[place % 8][int(digit)]]
    return check == 0


def test_every_snomed_id_is_well_formed() -> None:
    ids = {row["code"] for path in FILES for row in rows(path) if row.get("system") == systems.SNOMED}
    ids |= {
        code
        for row in rows(FOLDER / "formulary.csv")
        for code in (row["code"], row["earlier"], row["brand_code"])
        if code
    }
    ids |= {row["code"] for name in ("routes", "dose_units") for row in rows(FOLDER / f"{name}.csv")}
    assert len(ids) > 80
    assert [code for code in sorted(ids) if not verhoeff(code)] == []
    assert not verhoeff("36120711000001105")


def test_groups_and_substances_are_of_the_closed_lists() -> None:
    for name in ("assays", "assay_names"):
        for row in rows(FOLDER / f"{name}.csv"):
            assert row["group"] in {*SUBSTANCE_GROUPS, ""} if name == "assays" else row["group"] in SUBSTANCE_GROUPS
    known = {row["substance"]: row["explains"].split() for row in rows(FOLDER / "substances.csv")}
    assert all(group in SUBSTANCE_GROUPS for groups in known.values() for group in groups)
    assert {row["substance"] for row in rows(FOLDER / "formulary.csv")} <= set(known)


def test_every_group_can_be_recognised_by_name() -> None:
    named = {row["group"] for row in rows(FOLDER / "assay_names.csv")}
    assert named == set(SUBSTANCE_GROUPS)


@pytest.mark.parametrize(
    ("concept", "groups", "substitute", "treats"),
    [
        ("Methadone 1mg/ml oral solution", {"methadone"}, True, True),
        ({"coding": [{"system": systems.SNOMED, "code": "322496005"}]}, {"buprenorphine"}, True, True),
        ({"system": systems.DMD, "code": "42009111000001108"}, {"buprenorphine"}, True, True),
        ("Suboxone 8mg/2mg tablets", {"buprenorphine"}, True, True),
        ("Butrans 5 patches", {"buprenorphine"}, False, False),
        ("Buprenorphine 5micrograms/hour transdermal patches", {"buprenorphine"}, False, False),
        ("Diazepam 10mg tablets", {"benzodiazepines"}, False, True),
        ("Pregabalin 75mg capsules", {"pregabalinoids"}, False, False),
        ("Naltrexone 50mg tablets", set(), False, True),
        ("Thiamine 100mg tablets", set(), False, False),
        ("Co-codamol 30mg/500mg tablets", {"opiates"}, False, False),
        ("Paracetamol", set(), False, False),
        ({}, set(), False, False),
        ("", set(), False, False),
    ],
)
def test_medicines(concept: terminology.Concept, groups: set[str], substitute: bool, treats: bool) -> None:
    assert terminology.explained_groups(concept) == groups
    assert terminology.is_substitute_medication(concept) is substitute
    assert terminology.is_substance_misuse_medication(concept) is treats


def test_care_plans_and_consents() -> None:
    category = {"coding": [{"system": systems.SNOMED, "code": "1365691000000109"}]}
    assert terminology.is_substance_misuse_care_plan(category)
    assert terminology.is_substance_misuse_care_plan([{"coding": []}, category])
    assert terminology.is_substance_misuse_care_plan({}, "Substance misuse  care plan")
    assert not terminology.is_substance_misuse_care_plan({}, "Diabetes care plan")
    assert not terminology.is_substance_misuse_care_plan({"coding": [{"code": "1365691000000109"}]})
    assert terminology.consent_state({"system": systems.SNOMED, "code": "320011000000108"}) == "declined"
    assert terminology.consent_state({"system": systems.SNOMED, "code": "1"}) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"coding": None},
        {"coding": [1]},
        {"coding": [{"code": 5}]},
        [{}, {"text": 4}],
        {"coding": {}},
        {"system": 1, "code": "x"},
    ],
)
def test_malformed_concepts_are_unknown_and_no_error(broken: terminology.Concept) -> None:
    assert terminology.substance_group(broken) is None
    assert terminology.test_purpose(broken) is None
    assert terminology.drug_result(broken) == "unknown"
    assert terminology.product(broken) is None
    assert not terminology.is_substance_misuse_care_plan(broken)


NEGATIVE = {"system": systems.SNOMED, "code": "260385009", "display": "Negative"}
FLAG = {"coding": [{"system": systems.INTERPRETATION, "code": "NEG"}]}


@pytest.mark.parametrize(
    "said",
    ["Refused", "Declined to give a sample", "Sample insufficient", "Not tested", "Not done", "Invalid", "Sample leaked in transit", "Unable to provide"],
)  # fmt: skip
@pytest.mark.parametrize("beside", [NEGATIVE, FLAG])
def test_a_sample_from_which_nothing_was_found_out_is_no_negative(said: str, beside: Json) -> None:
    """Whatever code or flag a laboratory system leaves beside the words."""
    assert terminology.drug_result([{"text": said}, beside]) == "unknown"


@pytest.mark.parametrize(
    ("concept", "result"),
    [
        ({"coding": [{"system": systems.INTERPRETATION, "code": "ND"}]}, "negative"),
        ({"coding": [{"code": "ND"}], "text": "Not done"}, "unknown"),
        ({"coding": [{"system": systems.LOCAL_CODE + "l", "code": "ND"}]}, "unknown"),
        ("ND", "unknown"),
        ("N.D.", "unknown"),
        ("Not detected", "negative"),
    ],
)
def test_nd_is_not_detected_only_as_a_flag_of_hl7(concept: Json | str, result: str) -> None:
    assert terminology.drug_result(concept) == result
