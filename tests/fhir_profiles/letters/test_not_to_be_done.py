"""An order not to give or do something: no letter may read as the order to do it, whatever its recipient gets of it."""

from dataclasses import replace
from typing import Final

import pytest

from fhir_profiles import systems
from fhir_profiles.elements import name_of
from fhir_profiles.label import label_resource
from fhir_profiles.letters.parts.notice import NOT_TO_BE_DONE
from fhir_profiles.referrals import is_referral
from fhir_profiles.render import render
from fhir_profiles.shapes import Json
from tests.fhir_profiles.letters.files import CONTEXT, HEADING, patient, prescription
from tests.fhir_profiles.letters.test_through_the_gate import minimised

FOR_CARE: Final = (
    "handover",
    "transfer",
    "gp-copy",
    "referral",
    "prescription-copy",
    "community-record",
    "care-plan-update",
)
NEVER_SAYS: Final = ("probation-summary", "persons-handover", "acct-contribution", "reception-notice")
SAID: Final = NOT_TO_BE_DONE.removesuffix(".")
"""A line of text ends without its full stop."""
PLANNED: Final = {"status": "not-started", "code": {"text": "Naltrexone implant"}}


def plan(*details: Json) -> Json:
    return {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/patient"},
        "title": "Substance misuse plan",
        "category": [{"coding": [{"system": systems.SNOMED, "code": "1365691000000109"}]}],
        "activity": [{"detail": each} for each in details],
    }


def texts(letter: str, *file: Json) -> list[str]:
    """What each wire of a letter says, as its shipped agreement leaves it."""
    labelled = [label_resource(each) for each in file]
    left = minimised(letter, labelled, replace(CONTEXT, focus=tuple(map(name_of, labelled))))
    wires = ("fhir-document",) if letter.startswith("persons") else ("fhir-collection", "hl7v2")
    return [render(left, wire, HEADING).body.decode() for wire in (*wires,)]


@pytest.mark.parametrize("letter", FOR_CARE)
def test_a_medicine_that_is_not_to_be_given_is_in_no_letter_and_every_reader_is_told_to_ask(letter: str) -> None:
    """Agreements let `doNotPerform` go to nobody but the person: what was left of the order read as the order to give it."""
    ordered = prescription(medicine="Methadone 1mg/ml oral solution")
    for text in texts(letter, patient(), ordered | {"doNotPerform": True}):
        assert "40 ml once a day" not in text
        assert SAID in text
    for text in texts(letter, patient(), ordered | {"doNotPerform": False}):
        assert SAID not in text


@pytest.mark.parametrize("letter", ["handover", "transfer", "gp-copy", "referral", "care-plan-update"])
def test_an_activity_that_is_not_to_be_done_is_in_no_plan(letter: str) -> None:
    other = {"status": "not-started", "code": {"text": "Group work weekly"}}
    for text in texts(letter, patient(), plan(PLANNED | {"doNotPerform": True}, other)):
        assert "Naltrexone implant" not in text
        assert "Group work weekly" in text
        assert SAID in text
    for text in texts(letter, patient(), plan(PLANNED, other)):
        assert "Naltrexone implant" in text
        assert SAID not in text


@pytest.mark.parametrize("letter", NEVER_SAYS)
def test_no_other_letter_tells_that_there_is_such_an_order(letter: str) -> None:
    for text in texts(letter, patient(), prescription(doNotPerform=True), plan(PLANNED | {"doNotPerform": True})):
        assert SAID not in text
        assert "Naltrexone implant" not in text


def test_a_copy_says_it_only_of_what_caused_it() -> None:
    """A pharmacy learns nothing of an order that its copy is not about."""
    file = [label_resource(each) for each in (patient(), prescription(), prescription("other", doNotPerform=True))]
    left = minimised("prescription-copy", file, CONTEXT)
    assert SAID not in render(left, "hl7v2", HEADING).body.decode()


def test_a_request_not_to_refer_is_no_referral() -> None:
    request = {
        "resourceType": "ServiceRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": systems.BARS_SERVICE, "code": "referral"}]}],
        "subject": {"reference": "Patient/patient"},
    }
    assert is_referral(request)
    assert not is_referral(request | {"doNotPerform": True})
