"""An override lets go what consents keep, and nothing else: not more than its agreement names, not past its hours, not the other kind."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consent.decide import overriding
from consent.minimise import minimise
from consent.shapes import Agreement, Decision, Outcome, Override, OverrideKind
from tests.consent import made
from tests.consent.letters import letter

Json = dict[str, Any]
LATER = "2026-01-15T16:00:00Z"
CARE = Override(kind=OverrideKind.VITAL_INTEREST, until=LATER)
HARM = Override(kind=OverrideKind.HARM_TEST, until=LATER)
REFUSED = made.fhir_consent(status="rejected")
UNSURE = made.fhir_consent(
    made.provision("deny", actor=[{**made.actor(), "reference": {"reference": "Group/gone"}}]), name="c2"
)


def decided(given: Override | None, *consents: Json, **more: Any) -> Decision:
    return made.ask(*consents, override=given, noticed=False, **more)


@pytest.mark.parametrize("consents", [(REFUSED,), (UNSURE,), (REFUSED, UNSURE)])
def test_it_lets_go_what_consents_keep_and_says_that_it_was_no_consent(consents: tuple[Json, ...]) -> None:
    decision = decided(CARE, *consents)

    assert decision.outcome is Outcome.RELEASE
    assert {vote.rule for vote in decision.votes} == {"override-vital-interest"}
    assert all("no consent" in reason.text for reason in decision.reasons if reason.rule.startswith("override"))


def test_what_was_allowed_anyway_is_not_called_an_override() -> None:
    assert decided(CARE) == decided(None)


def test_it_never_lets_go_more_than_the_agreement_names() -> None:
    """The letter that leaves under an override is the letter that would have left had nobody refused."""
    composed = letter("handover")
    resources = [entry["resource"] for entry in composed["entry"]]
    under = decided(CARE, REFUSED, resources=resources)
    allowed = decided(None, resources=resources)

    assert under.permitted == allowed.permitted == made.agreement("handover").paths
    left, would = (json.dumps(minimise(composed, each, made.NAMING).bundle) for each in (under, allowed))
    assert left == would


@pytest.mark.parametrize(("as_of", "outcome"), [("2026-01-15T15:59:59Z", "release"), (LATER, "withhold")])
def test_it_ends_at_its_instant(as_of: str, outcome: str) -> None:
    assert decided(CARE, REFUSED, as_of=as_of).outcome == outcome


@pytest.mark.parametrize("until", ["", "2026-01-16", "soon"])
def test_one_without_an_end_that_can_be_read_is_none(until: str) -> None:
    assert decided(replace(CARE, until=until), REFUSED).outcome is Outcome.WITHHOLD


@pytest.mark.parametrize(
    ("given", "under", "outcome"),
    [
        (CARE, "handover", "release"),
        (HARM, "handover", "withhold"),
        (HARM, made.ASKS_FIRST, "release"),
        (CARE, made.ASKS_FIRST, "withhold"),
        (CARE, "report", "counted"),
        (HARM, "report", "counted"),
    ],
)
def test_each_kind_opens_its_own_and_nothing_opens_a_report_about_nobody(
    given: Override, under: str | Agreement, outcome: str
) -> None:
    assert decided(given, REFUSED, under=under).outcome == outcome


def test_no_act_is_one_for_a_report_about_nobody() -> None:
    """Asked alone: what is counted never asks, and whoever asks beside it is told none."""
    for given in (CARE, HARM):
        asked = {name: replace(made.request(made.agreement(name)), override=given) for name in ("report", "handover")}
        assert overriding(asked["report"], made.agreement("report")) is None
        assert (overriding(asked["handover"], made.agreement("handover")) is given) is (given is CARE)


def test_a_yes_on_terms_stops_it_no_more_than_a_no() -> None:
    """Two people's harm test is no consent: what it opens against a refusal it opens against a permit whose condition nobody keeps, and no field
    more than the agreement names. What the resource itself asks for binds them.
    """
    terms = made.provision("permit", securityLabel=[made.label(each) for each in ("R", "SUD", "NORDSCLCD")])
    noticed = made.notice()
    for said in (made.fhir_consent(terms), REFUSED):
        decision = decided(HARM, said, noticed, under=made.ASKS_FIRST)
        assert (decision.outcome, made.rule(decision)) == (Outcome.RELEASE, "override-harm-test")
        assert decision.permitted == made.ASKS_FIRST.paths
    assert decided(None, made.fhir_consent(terms), noticed, under=made.ASKS_FIRST).outcome is Outcome.WITHHOLD
    over = decided(HARM, made.fhir_consent(terms), noticed, under=made.ASKS_FIRST, as_of=LATER)
    assert over.outcome is Outcome.WITHHOLD
    bound = [made.patient(), made.resource(), made.resource("MedicationRequest", "bound", ("R", "SUD", "NORDSCLCD"))]
    decision = decided(HARM, REFUSED, noticed, under=made.ASKS_FIRST, resources=bound)
    assert (decision.outcome, made.rule(decision, "MedicationRequest/bound")) == (Outcome.REDUCE, "obligation")


def test_it_opens_nothing_that_another_layer_keeps() -> None:
    """What is not understood, what has no label, whose number may not be told, whose agreement has ended, and two people in one letter."""
    odd = made.resource("Observation", "odd", modifierExtension=[{"url": "urn:example:odd"}])
    bare = made.resource("Observation", "bare", labels=None)
    for extra, rule in ((odd, "not-understood"), (bare, "unlabelled")):
        decision = decided(HARM, REFUSED, under=made.ASKS_FIRST, resources=[made.patient(), made.resource(), extra])
        assert (decision.outcome, made.rule(decision, f"Observation/{extra['id']}")) == ("reduce", rule)

    flagged = {**made.patient(), "meta": {"security": [made.label("R")]}}
    letter_of = [flagged, made.resource()]
    assert decided(HARM, REFUSED, under=made.ASKS_FIRST, resources=letter_of).outcome is Outcome.WITHHOLD
    sensitive = decided(CARE, REFUSED, resources=letter_of)
    assert sensitive.outcome is Outcome.RELEASE
    assert not [path for path in sensitive.permitted if path.startswith(("Patient.address", "Patient.telecom"))]

    ended = replace(made.agreement("handover"), text={"ends": "2025-12-31"})
    assert decided(CARE, REFUSED, under=ended).outcome is Outcome.HOLD
    two = [made.patient(), made.resource(), made.resource(name="two", subject={"reference": "Patient/other"})]
    assert decided(CARE, REFUSED, resources=two).outcome is Outcome.HOLD
