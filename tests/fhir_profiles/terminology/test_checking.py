"""`throughgate terminology check`: the shipped lists have no fault, each kind of fault is found where it is planted, and every national code is listed."""

import copy
import json
import random
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from fhir_profiles import systems
from fhir_profiles.terminology import checking
from fhir_profiles.terminology.checking import KEYS, Rule, check, read_tables, verhoeff_holds
from gateway.__main__ import app
from tests.fhir_profiles.mappings.test_terminology import verhoeff

Tables = dict[str, list[dict[str, str]]]


def tables() -> Tables:
    return {name: [dict(row) for row in rows] for name, rows in read_tables().items()}


def _row(file: str, number: int, **changed: str) -> Callable[[Tables], None]:
    return lambda found: found[file][number].update(changed)


def _twice(found: Tables) -> None:
    found["result_words"].insert(2, {**found["result_words"][0], "word": " POSITIVE. "})


PLANTED: list[tuple[str, Rule, str, int, Callable[[Tables], None]]] = [
    ("a check digit of SNOMED CT", Rule.FORM, "care_plans", 2, _row("care_plans", 0, code="1365691000000108")),
    ("a partition of SNOMED CT", Rule.FORM, "care_plans", 2, _row("care_plans", 0, code="1365691000000118")),
    ("too short for SNOMED CT", Rule.FORM, "routes", 2, _row("routes", 0, code="26")),
    ("a check digit of dm+d", Rule.FORM, "formulary", 2, _row("formulary", 0, code="36120711000001105")),
    ("a check digit of a brand", Rule.FORM, "formulary", 3, _row("formulary", 1, brand_code="797411000001107")),
    ("an earlier code that is none", Rule.FORM, "formulary", 2, _row("formulary", 0, earlier="12x")),
    ("a check digit of LOINC", Rule.FORM, "assays", 2, _row("assays", 0, code="3879-5")),
    ("an ethnic category", Rule.FORM, "ethnic_categories", 2, _row("ethnic_categories", 0, code="AA")),
    ("a row twice", Rule.DUPLICATE, "assays", 4, lambda found: found["assays"].insert(2, found["assays"][0])),
    ("a name twice in another spelling", Rule.DUPLICATE, "result_words", 4, _twice),
    ("a retired code in use", Rule.RETIRED, "formulary", 2, _row("formulary", 0, code="322496005")),
    ("a retired code in another file", Rule.RETIRED, "care_plans", 2, _row("care_plans", 0, system=systems.DMD, code="322496005")),
    ("an unverified national code", Rule.UNVERIFIED, "assays", 2, _row("assays", 0, confidence="U")),
    ("no source", Rule.PROVENANCE, "timings", 3, _row("timings", 1, source=" ")),
    ("no confidence", Rule.PROVENANCE, "timings", 3, _row("timings", 1, confidence="sure")),
    ("a file that is not known", Rule.FORM, "more", 1, lambda found: found.update(more=[])),
]  # fmt: skip


def test_the_shipped_lists_have_no_fault_and_say_what_is_known() -> None:
    found = tables()
    report = check(found)
    assert report.faults == ()
    assert report.rows == sum(map(len, found.values())) > 500
    assert {place.code for place in report.retired} >= {"322496005", "322497001"}
    assert all(found[place.file][place.line - 2]["confidence"] == "U" for place in report.unverified)
    assert report.unverified
    assert set(found) <= set(KEYS)


def test_every_national_code_is_listed_for_a_terminology_server() -> None:
    listed = {each.code: each for each in check(tables()).needs_server}
    for file, rows in tables().items():
        for row in rows:
            if row.get("system", "") in (systems.SNOMED, systems.LOINC) or file in (
                "formulary",
                "routes",
                "dose_units",
            ):
                assert file in listed[row["code"]].files
                assert listed[row["code"]].display
    assert not [each for each in listed.values() if each.system.startswith("https://throughgate.example/")]


@pytest.mark.parametrize(("fault", "rule", "file", "line", "change"), PLANTED, ids=[row[0] for row in PLANTED])
def test_a_planted_fault_is_found_where_it_is(
    fault: str, rule: Rule, file: str, line: int, change: Callable[[Tables], None]
) -> None:
    found = tables()
    change(found)
    faults = check(found).faults
    assert (rule, file, line) in {(each.rule, each.place.file, each.place.line) for each in faults}, fault
    assert all(each.text for each in faults)


def test_the_check_digit_agrees_with_another_and_finds_every_slip_of_one_digit() -> None:
    chance = random.Random(5)
    for _ in range(300):
        number = str(chance.randrange(10**6, 10**17))
        assert verhoeff_holds(number) == verhoeff(number)
    good = "36120711000001104"
    for place in range(len(good)):
        for digit in "0123456789":
            slipped = good[:place] + digit + good[place + 1 :]
            assert verhoeff_holds(slipped) == (slipped == good)


def test_it_never_fails_on_what_a_file_may_hold() -> None:
    odd = {"assays": [{}, {"system": systems.LOINC}, {"system": systems.LOINC, "code": "x y -"}], "": [{"code": "1"}]}
    assert len(check(copy.deepcopy(odd)).faults) > 4


def test_the_command_says_it_as_text_and_as_json_and_ends_by_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["terminology", "check"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    assert " 0 faults" in done.output
    told = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert told["faults"] == []
    assert told["needs_server"][0]["system"] == systems.LOINC
    broken = tables()
    _row("formulary", 0, code="36120711000001105")(broken)
    monkeypatch.setattr(checking, "read_tables", lambda: broken)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "formulary.csv:2: form: 36120711000001105" in done.output
    told = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert told["faults"][0]["place"] == {"file": "formulary", "line": 2, "code": "36120711000001105"}
