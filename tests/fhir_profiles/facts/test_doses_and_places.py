"""The last dose, substitute medication, and who the pharmacy, the practice and the postcode are."""

from decimal import Decimal

import pytest

from fhir_profiles import systems
from fhir_profiles.facts import (
    doses_in_doubt,
    gp_practice,
    last_dose,
    nominated_pharmacy,
    on_substitute_medication,
    prescription_for_supply,
    release_postcode,
    supervised,
)
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import AS_OF, dose, patient, prescription


def test_the_last_dose_is_the_latest_given_before_now() -> None:
    file = [
        dose("later", given="2026-01-16T08:00:00+00:00"),
        dose("last", given="2026-01-15T09:00:00+01:00", amount=Decimal("40.50")),
        dose("earlier", given="2026-01-15T07:59:00+00:00"),
        dose("not-given", given="2026-01-15T10:00:00+00:00", status="not-done"),
        dose("other", given="2026-01-15T11:00:00+00:00", medicine="Paracetamol 500mg tablets"),
    ]
    found = last_dose(file, AS_OF)
    assert found is not None
    assert found.administration == "MedicationAdministration/last"
    assert (found.given, str(found.amount), found.unit, found.supervised) == (
        "2026-01-15T09:00:00+01:00",
        "40.50",
        "ml",
        True,
    )


@pytest.mark.parametrize(
    ("code", "answer"), [("supervised", True), ("unsupervised", False), (None, None), ("perhaps", None)]
)
def test_supervision_is_three_valued(code: str | None, answer: bool | None) -> None:
    found = last_dose([dose(supervised=code)], AS_OF)
    assert found is not None
    assert found.supervised is answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("40 mg, supervised", True),
        ("unsupervised", False),
        ("given, not supervised", False),
        ("supervised on Monday, unsupervised on Sunday", None),
        ("40 mg", None),
    ],
)
def test_supervision_in_words(text: str, answer: bool | None) -> None:
    assert supervised({**dose(supervised=None), "dosage": {"text": text}}) is answer


def test_there_may_be_no_dose_or_no_amount() -> None:
    assert last_dose([patient(), prescription()], AS_OF) is None
    found = last_dose([dose(amount=None)], AS_OF)
    assert found is not None
    assert (found.amount, found.unit, found.text) == (None, "", "")


@pytest.mark.parametrize(
    ("file", "answer"),
    [
        ([], False),
        ([prescription()], True),
        ([prescription(authored=None)], True),
        ([prescription(status="on-hold")], True),
        ([prescription(status="stopped")], False),
        ([prescription(status="stopped", start="2026-01-02", end="2026-01-15")], True),
        ([prescription(status="stopped", start="2026-01-02", end="2026-01-14")], False),
        ([prescription(start="2026-01-02", end="2026-01-10")], False),
        ([prescription(authored="2026-02-01")], False),
        ([prescription(medicine="Sertraline 50mg tablets")], False),
        ([prescription(medicine="Buprenorphine 5microgram/hour patches")], False),
        ([dose(given="2026-01-12T08:00:00Z")], True),
        ([dose(given="2026-01-11T08:00:00Z")], False),
    ],
)
def test_on_substitute_medication(file: list[Json], answer: bool) -> None:
    assert on_substitute_medication(file, AS_OF) is answer


def _nominating(*codes: str) -> Json:
    return patient(
        extension=[
            {
                "url": systems.UK_CORE_NOMINATED_PHARMACY,
                "valueReference": {"identifier": {"system": systems.ODS, "value": code}},
            }
            for code in codes
        ]
    )


def test_the_pharmacy_is_one_or_none() -> None:
    assert nominated_pharmacy([_nominating("fa001")]) == "FA001"
    assert nominated_pharmacy([_nominating("FA001", "FA001")]) == "FA001"
    assert nominated_pharmacy([_nominating("FA001", "FA002")]) is None
    assert nominated_pharmacy([patient()]) is None
    assert nominated_pharmacy([]) is None


def test_the_pharmacy_can_be_an_organisation_of_the_file() -> None:
    person = _nominating("x")
    person["extension"][0]["valueReference"] = {"reference": "Organization/pharmacy"}
    shop = {"resourceType": "Organization", "id": "pharmacy", "identifier": [{"system": systems.ODS, "value": "FA001"}]}
    assert nominated_pharmacy([person, shop]) == "FA001"
    assert nominated_pharmacy([person]) is None


def test_the_practice_is_one_or_none() -> None:
    ended = {"identifier": {"system": systems.ODS, "value": "Y2", "period": {"end": "2020-01-01"}}}
    one = {"identifier": {"system": systems.ODS, "value": "Y1"}}
    other = {"identifier": {"system": systems.ODS, "value": "Y2"}}
    assert gp_practice([patient(generalPractitioner=[one, ended])]) == "Y1"
    assert gp_practice([patient(generalPractitioner=[one, other])]) is None
    assert gp_practice([patient(generalPractitioner=[])]) is None


def test_the_postcode_is_that_of_the_release_address() -> None:
    home = {"use": "home", "postalCode": "ls1  1zz"}
    assert release_postcode([patient(address=[home, {"use": "work", "postalCode": "M1 1AA"}])]) == "LS1 1ZZ"
    assert release_postcode([patient(address=[home, {"use": "home", "postalCode": "M1 1AA"}])]) is None
    assert (
        release_postcode([patient(address=[{"use": "home", "postalCode": "M1 1AA", "period": {"end": "2020"}}])])
        is None
    )
    assert release_postcode([patient(address=[{"use": "temp", "postalCode": "M1 1AA"}])]) is None


@pytest.mark.parametrize(
    ("code", "answer"), [("inpatient", False), ("community", True), ("discharge", True), (None, True)]
)
def test_an_inpatient_prescription_is_not_for_supply(code: str | None, answer: bool) -> None:
    category = [{"coding": [{"system": systems.MEDICATION_REQUEST_CATEGORY, "code": code}]}] if code else []
    assert prescription_for_supply(prescription(category=category)) is answer


@pytest.mark.parametrize("nothing", [0, Decimal("0.0")])
def test_a_dose_of_nothing_is_no_last_dose_and_is_in_doubt(nothing: int | Decimal) -> None:
    """A record that is completed with 0 mg was read as the last dose: whoever gives the next gave it too low."""
    zero = dose("zero", given="2026-01-15T09:30:00+00:00")
    zero["dosage"]["dose"]["value"] = nothing
    file = [dose("last", given="2026-01-14T09:00:00+00:00"), zero]
    found = last_dose(file, AS_OF)
    assert found is not None
    assert found.administration == "MedicationAdministration/last"
    assert [each["id"] for each in doses_in_doubt(file, AS_OF)] == ["zero"]
