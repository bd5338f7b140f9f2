"""What is odd about a Consent, whether it could widen, and a decision in sentences."""

from typing import Any

import pytest

from consent.explain import explain
from consent.lint import TEXTS, lint, widens
from consent.shapes import Outcome
from tests.consent.letters import letter
from tests.consent.made import (
    DIRECTORY,
    LABELS,
    REASON,
    actor,
    ask,
    fhir_consent,
    label,
    patient,
    provision,
    purpose,
    resource,
)

Json = dict[str, Any]
YES, NO = provision("permit"), provision("deny")


@pytest.mark.parametrize(
    ("consent", "answer"),
    [
        (fhir_consent(YES), True),
        (fhir_consent(NO), False),
        (fhir_consent(rule="OPTIN"), True),
        (fhir_consent(rule="OPTOUT"), False),
        (fhir_consent(provision("deny", provision=[YES])), True),
        (fhir_consent(provision("deny", provision=[provision("deny", provision=[YES])])), True),
        (fhir_consent(provision(provision=[provision(actor=[actor()])]), rule="OPTOUT"), True),
        (fhir_consent(YES, status="rejected"), False),
        (fhir_consent(YES, status="inactive"), False),
        (fhir_consent(YES, status="entered-in-error"), False),
        (fhir_consent(provision=["?"]), True),
        (fhir_consent(provision("deny", provision="?")), True),
        (fhir_consent(status="active"), False),
    ],
)
def test_could_it_permit_anything(consent: Json, *, answer: bool) -> None:
    assert widens(consent) is answer


@pytest.mark.parametrize(
    ("consent", "rule"),
    [
        (fhir_consent(YES, rule="OPTOUT"), "dialect-mixed"),
        (fhir_consent(provision(purpose=[purpose()])), "dialect-unknown"),
        (fhir_consent(provision("permit", provision=[provision(actor=[actor()])])), "type-missing"),
        (fhir_consent(provision("permit", provision=[YES])), "same-type"),
        (fhir_consent(provision("permit", provision=[provision("deny", provision=[YES])])), "too-deep"),
        (
            fhir_consent(
                provision(
                    "permit", purpose=[purpose("TREAT")], provision=[provision("deny", purpose=[purpose("HRESCH")])]
                )
            ),
            "unreachable",
        ),
        (
            fhir_consent(
                provision("permit", period={"end": "2025"}, provision=[provision("deny", period={"start": "2026"})])
            ),
            "unreachable",
        ),
        (
            fhir_consent(
                provision(
                    "permit", provision=[provision("permit", actor=[actor()]), provision("deny", actor=[actor()])]
                )
            ),
            "contradiction",
        ),
        (fhir_consent(provision("deny", actor=[{"reference": {"reference": "Organization/gone"}}])), "dangling-actor"),
        (fhir_consent(provision("deny", actor=[{"reference": {"reference": "#gone"}}])), "dangling-actor"),
        (fhir_consent(provision("permit", period={"end": "2027"})), "ends"),
        (fhir_consent(provision("permit", period={"start": "2027", "end": "2026"})), "never"),
        (fhir_consent(provision("permit", extension=[{"url": "urn:x"}])), "unsupported"),
        (fhir_consent(YES, implicitRules="urn:x"), "not-understood"),
        (fhir_consent(YES, verification=[{"verified": False}]), "unverified"),
    ],
)
def test_lint(consent: Json, rule: str) -> None:
    found = {remark.rule: remark.text for remark in lint(consent, DIRECTORY)}
    assert found[rule] == TEXTS[rule]


def test_a_plain_consent_has_no_remark() -> None:
    plain = fhir_consent(
        provision(
            "permit",
            purpose=[{"system": REASON, "code": "TREAT"}],
            actor=[actor(), {"reference": {"reference": "Organization/us"}}],
        )
    )
    assert lint(plain, DIRECTORY) == ()
    assert {remark.rule for remark in lint(plain)} == {"dangling-actor"}


def test_a_decision_in_sentences() -> None:
    denies = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("HIV")])]))
    decision = ask(
        denies, resources=(patient(), resource(), resource("Observation", "hiv", ["R", "HIV"])), table=LABELS
    )
    sentences = explain(decision)
    assert sentences[0] == "The handover was released to the community provider without some of its parts."
    assert (
        "Observation (1) stays back: a recorded consent denies it (consent c1 version 1 at provision.provision[0])."
        in sentences
    )
    assert decision.agreement_digest in sentences[-1]


@pytest.mark.parametrize(
    ("decision", "outcome", "word"),
    [
        (ask(), Outcome.RELEASE, "was released"),
        (ask(fhir_consent(status="rejected")), Outcome.WITHHOLD, "was withheld"),
        (
            ask(fhir_consent(provision("deny", actor=[{"reference": {"reference": "Organization/gone"}}]))),
            Outcome.HOLD,
            "is held",
        ),
        (ask(under="report"), Outcome.COUNTED, "was counted"),
        (ask(as_of="?"), Outcome.HOLD, "is held"),
    ],
)
def test_every_outcome_has_its_sentence(decision: Any, outcome: Outcome, word: str) -> None:
    assert decision.outcome is outcome
    assert word in explain(decision)[0]


def test_an_explanation_names_nobody() -> None:
    made = [entry["resource"] for entry in letter("handover")["entry"]]
    text = " ".join(explain(ask(resources=made)))
    for name in ("Gatewood", "9990000018", "A1234BC", "Patient/patient", "methadone"):
        assert name not in text
