"""Was a positive explained? The table of the three answers, and the rule of confirmation."""

from decimal import Decimal
from typing import Any

import pytest

from fhir_profiles import facts
from fhir_profiles.facts import SUBSTANCE_GROUPS, Purpose, expected
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import care_plan, dose, drug_test, patient, prescription, report_of

DAY = "2026-01-10T09:00:00+00:00"

HEROIN_MARKER = drug_test(code={"coding": [{"system": "http://loinc.org", "code": "19322-7"}]})
TABLE: list[tuple[str, Json, list[Json], bool | None]] = [
    ("no medicine at all", drug_test(), [], False),
    ("a medicine that explains it", drug_test(), [prescription(medicine="Codeine 30mg tablets")], True),
    ("a medicine that explains another group", drug_test(), [prescription()], False),
    ("methadone explains methadone, by code", drug_test(group="methadone"), [prescription()], True),
    ("a VTM reference by display", drug_test(group="buprenorphine"), [prescription(medicine="Espranor 8mg")], True),
    ("buprenorphine with naloxone", drug_test(group="buprenorphine"), [prescription(medicine="Suboxone 8mg/2mg tablets")], True),
    ("a patch explains the test", drug_test(group="buprenorphine"), [prescription(medicine="Butrans 5 patches")], True),
    ("chlordiazepoxide explains benzodiazepines", drug_test(group="benzodiazepines"), [prescription(medicine="Chlordiazepoxide 10mg")], True),
    ("it began that day", drug_test(), [prescription(medicine="Codeine 30mg", authored="2026-01-10")], True),
    ("it began the day after", drug_test(), [prescription(medicine="Codeine 30mg", authored="2026-01-11")], False),
    ("it ended the day before", drug_test(), [prescription(medicine="Codeine", start="2026-01-01", end="2026-01-09", status="completed")], False),
    ("it ended that day", drug_test(), [prescription(medicine="Codeine", start="2026-01-01", end="2026-01-10", status="completed")], True),
    ("its bounds begin before it was written", drug_test(), [prescription(medicine="Codeine", authored="2026-01-14", start="2026-01-08")], True),
    ("its bounds begin after it was written", drug_test(), [prescription(medicine="Codeine", authored="2026-01-01", start="2026-01-12")], False),
    ("stopped on a day nobody wrote down", drug_test(), [prescription(medicine="Codeine", status="stopped")], None),
    ("stopped, and begun after the test", drug_test(), [prescription(medicine="Codeine", status="stopped", authored="2026-02-01")], False),
    ("without a beginning", drug_test(), [prescription(medicine="Codeine", authored=None)], None),
    ("a beginning known to the month only", drug_test(), [prescription(medicine="Codeine", authored="2026-01")], None),
    ("on hold", drug_test(), [prescription(medicine="Codeine", status="on-hold")], None),
    ("cancelled before any dose", drug_test(), [prescription(medicine="Codeine", status="cancelled")], False),
    ("a draft", drug_test(), [prescription(medicine="Codeine", status="draft")], False),
    ("entered in error", drug_test(), [prescription(medicine="Codeine", status="entered-in-error")], False),
    ("a medicine that no row knows", drug_test(), [prescription(medicine="Xylopranol 5mg")], None),
    ("a medicine without a name", drug_test(), [prescription(medicine={})], None),
    ("an unknown medicine, ended before", drug_test(), [prescription(medicine="Xylopranol", start="2025-01-01", end="2025-02-01")], False),
    ("a harmless medicine", drug_test(), [prescription(medicine="Paracetamol 500mg tablets")], False),
    ("a medicine that may explain it", drug_test(), [prescription(medicine="Tramadol 50mg capsules")], None),
    ("explained, whatever else is unknown", drug_test(), [prescription(medicine="Codeine"), prescription("x", medicine="Xylopranol")], True),
    ("a dose given that day", drug_test(group="methadone"), [dose(given="2026-01-10T07:00:00Z")], True),
    ("a dose given the day before", drug_test(group="methadone"), [dose(given="2026-01-09T07:00:00Z")], False),
    ("a dose not given", drug_test(group="methadone"), [dose(given="2026-01-10T07:00:00Z", status="not-done")], False),
    ("heroin marker is not explained by codeine", HEROIN_MARKER, [prescription(medicine="Codeine")], False),
    ("heroin marker is explained by diamorphine", HEROIN_MARKER, [prescription(medicine="Diamorphine 10mg")], True),
    ("no result", drug_test(result="unknown"), [], None),
    ("no day", drug_test(taken=None), [], None),
    ("negative without a prescription", drug_test(result="negative"), [], True),
    ("negative on substitute medication", drug_test(group="methadone", result="negative"), [prescription()], False),
    ("negative on a pain killer", drug_test(result="negative"), [prescription(medicine="Codeine")], True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("observation", "medicines", "answer"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_expected(observation: Json, medicines: list[Json], answer: bool | None) -> None:
    assert expected(observation, [patient(), observation, *medicines]) is answer


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_unexpected_is_a_positive_that_is_not_explained(row: tuple[str, Json, list[Json], bool | None]) -> None:
    _name, observation, medicines, answer = row
    found = facts.tests([observation, *medicines])
    if row[0] == "no day":
        assert found == ()
        return
    result = found[0].result
    wanted = {"positive": None if answer is None else not answer, "negative": False, "unknown": None}[result]
    assert found[0].unexpected is wanted


def test_a_prescription_that_arrives_late_turns_unexpected_into_expected() -> None:
    file = [drug_test()]
    assert facts.tests(file)[0].unexpected is True
    late = prescription(medicine="Codeine 30mg tablets", authored="2026-01-09")
    assert facts.tests([*file, late])[0].unexpected is False


def test_bounds_duration_ends_a_prescription() -> None:
    codeine = prescription(medicine="Codeine", authored="2026-01-01")
    for value, unit, answer in ((9, "d", False), (10, "d", True), (1, "wk", False), (Decimal(2), "wk", True)):
        codeine["dosageInstruction"] = [{"timing": {"repeat": {"boundsDuration": {"value": value, "code": unit}}}}]
        assert expected(drug_test(), [codeine]) is answer


def test_a_confirmatory_result_replaces_the_screen_of_its_day() -> None:
    screen = drug_test("screen")
    confirmed = drug_test("confirmed", method="confirmatory", result="negative", taken="2026-01-10T15:00:00+00:00")
    assert [test.observation for test in facts.tests([screen, confirmed])] == ["Observation/confirmed"]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"taken": "2026-01-11T09:00:00+00:00"}, 2),
        ({"group": "cocaine"}, 2),
        ({"result": "unknown"}, 2),
        ({"method": "screening"}, 2),
        ({}, 1),
    ],
)
def test_only_a_confirmation_of_the_same_group_and_day_replaces(changes: dict[str, Any], kept: int) -> None:
    confirmed = drug_test("confirmed", **{"method": "confirmatory", "result": "negative", **changes})
    assert len(facts.tests([drug_test("screen"), confirmed])) == kept


def test_specimens_decide_before_the_day() -> None:
    screen = drug_test("screen", specimen="Specimen/one")
    other = drug_test("confirmed", method="confirmatory", specimen="Specimen/two")
    same = drug_test("confirmed", method="confirmatory", specimen="Specimen/one", taken="2026-01-11")
    assert len(facts.tests([screen, other])) == 2
    assert [test.confirmatory for test in facts.tests([screen, same])] == [True]


def test_what_a_test_carries() -> None:
    (test,) = facts.tests([drug_test(taken="2026-07-31T23:30:00+00:00"), care_plan(period={"start": "2026-07-01"})])
    assert (test.taken, test.month) == ("2026-08-01", "2026-08")  # the day in London, in summer
    assert (test.group, test.purpose, test.result, test.establishment) == (
        "opiates",
        Purpose.THERAPEUTIC,
        "positive",
        "LEI",
    )
    assert (test.in_intervention, test.confirmatory) == (True, False)


@pytest.mark.parametrize(
    ("own", "of_report", "purpose"),
    [
        ("therapeutic", None, Purpose.THERAPEUTIC),
        (None, "compact", Purpose.COMPACT),
        (None, "mandatory", Purpose.MANDATORY),
        (None, None, Purpose.UNKNOWN),
        ("therapeutic", "therapeutic", Purpose.THERAPEUTIC),
        ("therapeutic", "mandatory", Purpose.UNKNOWN),
        ("something", None, Purpose.UNKNOWN),
    ],
)
def test_purpose(own: str | None, of_report: str | None, purpose: Purpose) -> None:
    assert facts.tests([drug_test(purpose=own), report_of("panel", "test", purpose=of_report)])[0].purpose is purpose


@pytest.mark.parametrize(
    ("file", "answer"),
    [
        ([], False),
        ([prescription()], True),
        ([prescription(status="completed", start="2026-01-02", end="2026-01-09")], False),
        ([prescription(status="completed", start="2026-01-02", end="2026-01-20")], True),
        ([prescription(status="stopped")], False),
        ([prescription(medicine="Pregabalin 75mg capsules")], False),
        ([prescription(medicine="Paracetamol")], False),
        ([prescription(medicine="Chlordiazepoxide 10mg capsules")], True),
        ([prescription(medicine="Buprenorphine 5microgram/hour transdermal patches")], False),
        ([care_plan()], True),
        ([care_plan(period={"start": "2026-01-11"})], False),
        ([care_plan(status="completed", period={"start": "2026-01-02", "end": "2026-01-12"})], True),
        ([care_plan(status="completed", period={"start": "2026-01-02", "end": "2026-01-09"})], False),
        ([care_plan(status="revoked")], False),
        ([care_plan(title="Diabetes plan")], False),
    ],
)
def test_in_a_clinical_intervention_on_the_day(file: list[Json], answer: bool) -> None:
    assert facts.tests([drug_test(), *file])[0].in_intervention is answer


def test_components_are_tests_of_their_own() -> None:
    panel = drug_test("panel")
    panel["component"] = [
        {"code": drug_test(group=group)["code"], "valueCodeableConcept": {"text": result}}
        for group, result in (("opiates", "Positive"), ("cocaine", "Not detected"), ("methadone", "see note"))
    ]
    assert [(t.group, t.result) for t in facts.tests([panel])] == [
        ("opiates", "positive"),
        ("cocaine", "negative"),
        ("methadone", "unknown"),
    ]


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "registered"])
def test_what_was_not_done_is_no_test(status: str) -> None:
    assert facts.tests([{**drug_test(), "status": status}]) == ()


def test_social_history_about_a_substance_is_no_test() -> None:
    said = drug_test(
        purpose=None, method=None, code={"text": "Cannabis"}, category=[{"coding": [{"code": "social-history"}]}]
    )
    assert facts.tests([said]) == ()


def test_the_form_has_ten_groups() -> None:
    assert len(set(SUBSTANCE_GROUPS)) == len(SUBSTANCE_GROUPS) == 10
