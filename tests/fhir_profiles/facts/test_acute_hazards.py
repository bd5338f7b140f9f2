"""Acute hazards: every name and code that is one, nothing that is none, and never by a result that is not clearly positive."""

from typing import Any

import pytest

from fhir_profiles import systems
from fhir_profiles.acute_hazards import acute_hazards
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import drug_test, prescription

ONE = frozenset({"Observation/test"})


def assay(name: str = "", loinc: str = "", **more: Any) -> Json:
    coding = [{"system": systems.LOINC, "code": loinc}] if loinc else []
    return drug_test(code={"coding": coding, "text": name}, **more)


def found(*file: Json) -> bool:
    return acute_hazards(file, ONE) == ONE


@pytest.mark.parametrize(
    "name",
    [
        "Fentanyl", "fentaNYL [Presence] in Urine", "Norfentanyl screen", "Acetylfentanyl", "CARFENTANIL", "Nitazenes",
        "Isotonitazene", "N-pyrrolidino etonitazene", "Metonitazene confirmed", "Urine nitazene immunoassay",
    ],
)  # fmt: skip
def test_a_name_of_one(name: str) -> None:
    assert found(assay(name))


@pytest.mark.parametrize("loinc", ["101168-3", "74372-4", "59673-4", "43199-9"])
def test_a_code_of_one_whatever_it_is_called(loinc: str) -> None:
    """The third and fourth are known as assays by a row whose name says what they are of."""
    assert found(assay("", loinc))


@pytest.mark.parametrize(
    "name", ["", "Opiates", "Methadone", "Pregabalin", "Synthetic cannabinoids", "Benzodiazepines"]
)
def test_no_name_of_one(name: str) -> None:
    assert not found(assay(name))


@pytest.mark.parametrize("purpose", ["therapeutic", "compact", "mandatory", None])
@pytest.mark.parametrize("method", ["screening", "confirmatory", None])
def test_whatever_the_purpose_and_the_method(purpose: str | None, method: str | None) -> None:
    assert found(assay("Nitazenes", purpose=purpose, method=method))


@pytest.mark.parametrize("result", ["negative", "unknown", "see comment"])
def test_only_what_is_clearly_positive(result: str) -> None:
    assert not found(assay("Nitazenes", result=result))


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "registered"])
def test_what_is_not_done_or_taken_back_is_none(status: str) -> None:
    assert not found(assay("Nitazenes", status=status))


def test_one_of_several_components_is_enough() -> None:
    component = {
        "code": {"text": "Protonitazene"},
        "valueCodeableConcept": {"coding": [{"system": systems.TEST_RESULT, "code": "positive"}]},
    }
    assert found(drug_test(result="negative", component=[component]))


def test_a_test_that_is_no_test_of_the_message_is_not_looked_at() -> None:
    assert acute_hazards([assay("Nitazenes")], frozenset()) == frozenset()
    assert acute_hazards([assay("Nitazenes")], frozenset({"Observation/other"})) == frozenset()


def test_a_prescribed_one_explains_it_on_the_day_only() -> None:
    patch = "Fentanyl 25micrograms/hour transdermal patches"
    assert not found(assay("Fentanyl"), prescription(medicine=patch, start="2026-01-02", end="2026-01-12"))
    assert found(assay("Fentanyl"), prescription(medicine=patch, start="2026-01-02", end="2026-01-05"))
    assert found(assay("Fentanyl"), prescription(medicine="Methadone 1mg/ml oral solution"))
    assert found(assay("Fentanyl", taken=None), prescription(medicine=patch, start="2026-01-02", end="2026-01-12"))


@pytest.mark.parametrize("odd", [None, 7, [], "text", {"code": 7}, {"coding": "x"}])
def test_odd_content_is_no_exception(odd: Any) -> None:
    assert acute_hazards([drug_test(code=odd), {"resourceType": "Observation"}, odd], ONE) == frozenset()
