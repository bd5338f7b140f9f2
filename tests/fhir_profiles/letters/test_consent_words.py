"""What a handover says of the consent under which it leaves: these consents and no other, once."""

from typing import Any

import pytest

from fhir_profiles.compose import compose, with_consents
from fhir_profiles.consent_words import NONE, UNSAID, consent_sentence
from fhir_profiles.shapes import Json
from fhir_profiles.validate import validate
from tests.fhir_profiles.letters.files import AS_OF, REPORTS, case

SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"


def consent(scope: str = "patient-privacy", **more: Any) -> Json:
    made = {"resourceType": "Consent", "status": "active", "scope": {"coding": [{"system": SCOPE, "code": scope}]}}
    return {**made, "dateTime": "2026-01-02T09:00:00+00:00", **more}


@pytest.mark.parametrize(
    ("consents", "said"),
    [
        ([consent()], "consent to the sharing of information, active, 2026-01-02"),
        ([consent("treatment", dateTime="2026-01")], "consent to treatment, active, 2026-01"),
        ([consent("research")], "consent, active, 2026-01-02"),
        ([consent() | {"scope": {"text": "in words"}}], "consent, active, 2026-01-02"),
        ([consent(dateTime="")], "consent to the sharing of information, active, on a day that is not stated"),
        ([consent(), consent()], "On record: consent to the sharing of information, active, 2026-01-02. Ask"),
        (
            [consent(), consent("treatment")],
            "consent to the sharing of information, active, 2026-01-02; consent to treatment, active, 2026-01-02",
        ),
    ],
)
def test_kind_state_and_day_are_said_and_nothing_else(consents: list[Json], said: str) -> None:
    named = [
        {**each, "provision": {"type": "permit", "actor": [{"reference": {"display": "Somebody"}}]}}
        for each in consents
    ]
    sentence = consent_sentence(named)
    assert said in sentence
    assert "Somebody" not in sentence


def test_none_is_said_as_none() -> None:
    assert consent_sentence([]) == NONE
    assert consent_sentence(None) == UNSAID
    assert not [each for each in ("refus", "agreed to this", "none") if each in UNSAID]


def test_it_stands_in_the_notice_once_and_a_report_has_none() -> None:
    plain = compose("handover", *case("handover"), AS_OF)
    told = with_consents(plain, [consent()])
    assert "consent to the sharing" not in str(plain.bundle)
    assert str(told.bundle).count(consent_sentence([consent()])) == 1
    assert validate(told.bundle) == validate(plain.bundle)
    assert REPORTS
