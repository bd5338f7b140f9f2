"""The layers of a decision, and the whole letter (consent.md 3.3, 3.4b 11)."""

import time
from dataclasses import replace
from typing import Any

import pytest

from consent.decide import RULES, decide
from consent.shapes import Coding, Facts, Outcome, Vote
from tests.consent.made import (
    ASKS_FIRST,
    DISCLOSE,
    LABELS,
    actor,
    agreement,
    ask,
    facts_about,
    fhir_consent,
    label,
    patient,
    provision,
    registered,
    request,
    resource,
)

DENY_HIV = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("HIV")])]))
HIV = resource("Observation", "hiv", ["R", "HIV"])
UNKNOWN = fhir_consent(provision("deny", actor=[{"reference": {"reference": "Organization/nobody-knows"}}]))


def rules(decision: Any) -> set[str]:
    return {reason.rule for reason in decision.reasons}


def test_nothing_denied_is_a_release_with_the_paths_of_the_agreement() -> None:
    decision = ask()
    assert decision.outcome is Outcome.RELEASE
    assert decision.permitted == tuple(item.path for item in agreement("handover").fields)
    assert decision.agreement_digest == agreement("handover").digest
    assert not decision.withheld_marker


def test_some_denied_is_a_reduction_and_is_marked() -> None:
    decision = ask(DENY_HIV, resources=(patient(), resource(), HIV))
    assert decision.outcome is Outcome.REDUCE
    assert decision.withheld_marker
    assert {vote.resource for vote in decision.votes if vote.vote is Vote.DENY} == {"Observation/hiv"}


@pytest.mark.parametrize("frame", ["Composition", "Organization", "Practitioner", "Communication", "Provenance"])
def test_a_bare_frame_does_not_leave(frame: str) -> None:
    framed = resource(frame, "frame", ["N"])
    decision = ask(DENY_HIV, resources=(patient(), framed, HIV))
    assert decision.outcome is Outcome.WITHHOLD
    assert "nothing-left" in rules(decision)
    assert not decision.permitted


def test_a_communication_is_the_content_of_a_correction() -> None:
    decision = ask(resources=(patient(), resource("Communication")), under="correction")
    assert decision.outcome is Outcome.RELEASE


def test_without_its_person_a_letter_does_not_leave() -> None:
    nobody = fhir_consent(
        provision(
            "permit",
            provision=[provision("deny", class_=[{"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}])],
        )
    )
    decision = ask(nobody)
    assert decision.outcome is Outcome.WITHHOLD
    assert "subject-denied" in rules(decision)


def test_hold_over_deny_over_permit() -> None:
    """One resource undecidable, one denied: the letter waits, each resource keeps its own vote."""
    held = fhir_consent(
        provision(
            "permit",
            provision=[
                provision("deny", securityLabel=[label("HIV")]),
                provision("deny", data=[{"meaning": "authoredby", "reference": {"reference": "Practitioner/x"}}]),
            ],
        )
    )
    decision = ask(held, resources=(patient(), resource(), HIV))
    assert decision.outcome is Outcome.HOLD
    assert {vote.vote for vote in decision.votes} == {Vote.HOLD, Vote.DENY}
    assert not decision.permitted


def test_undecidable_is_held_or_withheld_as_the_agreement_says() -> None:
    assert ask(UNKNOWN).outcome is Outcome.HOLD
    withholds = replace(agreement("handover"), undecidable="withhold")
    assert ask(UNKNOWN, under=withholds).outcome is Outcome.WITHHOLD


def test_a_person_resolves_an_unknown_and_never_a_dissent() -> None:
    assert ask(UNKNOWN, released=True).outcome is Outcome.RELEASE
    assert ask(fhir_consent(status="rejected"), released=True).outcome is Outcome.WITHHOLD
    assert ask(UNKNOWN, fhir_consent(status="rejected", name="other"), released=True).outcome is Outcome.WITHHOLD


@pytest.mark.parametrize(
    "change",
    [
        {"letter": "prescription-copy"},
        {"action": Coding(system=DISCLOSE.system, code="collect")},
        {"purpose": ()},
        {"purpose": (Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActReason", code="HRESCH"),)},
    ],
)
def test_a_request_outside_the_agreement_gets_nothing(change: dict[str, Any]) -> None:
    agreed = agreement("handover")
    asked = replace(request(agreed), **change)
    decision = decide(asked, facts_about(noticed=False), agreed)
    assert (decision.outcome, rules(decision)) == (Outcome.WITHHOLD, {"agreement-mismatch"})


def test_another_class_of_recipient_gets_nothing() -> None:
    agreed = agreement("handover")
    asked = request(agreement("report"))
    decision = decide(
        replace(asked, letter="handover", purpose=agreed.purpose),
        facts_about(noticed=False),
        agreed,
    )
    assert decision.outcome is Outcome.WITHHOLD


def test_an_agreement_that_ended_is_held_for_care_and_withheld_otherwise() -> None:
    last_day = replace(agreement("handover"), text={"ends": "2026-01-15"})
    assert ask(under=last_day).outcome is Outcome.RELEASE
    assert ask(under=last_day, as_of="2026-01-16T00:00:00Z").outcome is Outcome.HOLD
    over = replace(ASKS_FIRST, text={"ends": "2026-01-14"})
    assert ask(fhir_consent(provision("permit")), under=over).outcome is Outcome.WITHHOLD


def test_a_letter_about_two_people_is_held() -> None:
    other = resource("Observation", "two", subject={"reference": "Patient/somebody-else"})
    decision = ask(resources=(patient(), resource(), other))
    assert (decision.outcome, rules(decision)) == (Outcome.HOLD, {"several-people"})


def test_another_persons_consent_never_decides() -> None:
    """Known to be another: silent. Not known: can hold, cannot permit (consent.md 1.3, group 2)."""
    nhs = "https://fhir.nhs.uk/Id/nhs-number"
    me = patient(identifier=[{"system": nhs, "value": "9990000018"}])
    other: dict[str, Any] = {"patient": {"identifier": {"system": nhs, "value": "9990000026"}}}
    assert ask(fhir_consent(provision("deny"), **other), resources=(me, resource())).outcome is Outcome.RELEASE
    assert (
        ask(fhir_consent(provision("permit"), **other), resources=(me, resource()), under=ASKS_FIRST).outcome
        is Outcome.WITHHOLD
    )
    unclear: dict[str, Any] = {"patient": {"reference": "Patient/who-knows"}}
    assert ask(fhir_consent(provision("deny"), **unclear), resources=(me, resource())).outcome is Outcome.HOLD
    assert (
        ask(fhir_consent(provision("permit"), **unclear), resources=(me, resource()), under=ASKS_FIRST).outcome
        is Outcome.WITHHOLD
    )


def test_what_we_do_not_understand_stays_back_and_the_rest_goes() -> None:
    odd = resource("MedicationRequest", "odd", dosageInstruction=[{"modifierExtension": [{"url": "urn:x"}]}])
    decision = ask(resources=(patient(), resource(), odd))
    assert decision.outcome is Outcome.REDUCE
    assert [vote.rule for vote in decision.votes if vote.vote is Vote.DENY] == ["not-understood"]
    assert ask(resources=(patient(implicitRules="urn:x"), resource())).outcome is Outcome.HOLD
    assert ask(resources=(patient(), odd)).outcome is Outcome.HOLD


def test_a_person_flagged_sensitive_waits_and_the_address_stays() -> None:
    restricted = {**patient(), "meta": {"security": [label("R")]}}
    decision = ask(resources=(restricted, resource()))
    assert (decision.outcome, "sensitive-person" in rules(decision)) == (Outcome.HOLD, True)
    assert ask(resources=(restricted, resource()), released=True).outcome is Outcome.HOLD
    after = ask(resources=(restricted, resource()), released=True, named=True)
    assert after.outcome is Outcome.RELEASE
    assert not any(
        path.startswith(("Patient.address", "Patient.telecom", "Patient.generalPractitioner"))
        for path in after.permitted
    )
    assert any(path.startswith("Patient.name") for path in after.permitted)


def test_what_is_anonymous_is_counted_and_consent_is_not_asked() -> None:
    for consents in ((), (fhir_consent(provision("permit")),), (fhir_consent(status="rejected"),)):
        decision = ask(*consents, under="report")
        assert (decision.outcome, decision.permitted, decision.votes) == (Outcome.COUNTED, (), ())


REPORT: dict[str, Any] = {
    "resourceType": "MeasureReport",
    "id": "report",
    "meta": {"security": [label("N")]},
    "status": "complete",
}


@pytest.mark.parametrize(
    ("resources", "outcome"),
    [
        ((REPORT, {"resourceType": "Organization", "id": "e"}), Outcome.RELEASE),
        ((), Outcome.COUNTED),
        ((REPORT, patient()), Outcome.COUNTED),
        (({**REPORT, "subject": {"reference": "Patient/patient"}},), Outcome.COUNTED),
        (({**REPORT, "reporter": {"reference": "Patient/patient"}},), Outcome.COUNTED),
        (({**REPORT, "contained": [patient()]},), Outcome.COUNTED),
        (({**REPORT, "evaluatedResource": [{"reference": "Observation/x"}]},), Outcome.COUNTED),
        ((resource(),), Outcome.COUNTED),
    ],
)
def test_only_a_report_about_nobody_leaves_under_an_anonymous_agreement(
    resources: tuple[Any, ...], outcome: Outcome
) -> None:
    assert ask(resources=resources, under="report").outcome is outcome


NONSENSE: list[Any] = [
    {},
    {"resourceType": 7},
    {"resourceType": "Observation", "id": ["x"]},
    {"meta": "x"},
    {"subject": 3},
    {"extension": {"a": [None]}},
]


@pytest.mark.parametrize("thing", NONSENSE)
def test_nonsense_never_raises(thing: Any) -> None:
    for under in ("handover", "prescription-copy", "report", ASKS_FIRST):
        ask(resources=(thing,), under=under)
        ask(registered({**thing, "status": "active", "provision": thing})[0], under=under)


@pytest.mark.parametrize("as_of", ["", "yesterday", "2026-01-15", "2026-01-15T12:00:00", "2026-13-45T00:00:00Z"])
def test_an_error_releases_nothing(as_of: str) -> None:
    decision = ask(as_of=as_of)
    assert (decision.outcome, rules(decision), decision.permitted) == (Outcome.HOLD, {"error"}, ())
    assert ask(as_of=as_of, under=ASKS_FIRST).outcome is Outcome.WITHHOLD


def test_depth_without_end_is_an_error_not_a_release() -> None:
    deep: dict[str, Any] = {"type": "permit"}
    for _ in range(5000):
        deep = {"type": "permit", "provision": [deep]}
    assert ask(fhir_consent(deep), under=ASKS_FIRST).outcome is Outcome.WITHHOLD


def test_the_same_question_gives_the_same_decision() -> None:
    assert ask(DENY_HIV, UNKNOWN) == ask(DENY_HIV, UNKNOWN)


def test_every_rule_has_a_sentence() -> None:
    for consents in ((), (DENY_HIV,), (UNKNOWN,), (fhir_consent(status="rejected"),)):
        for vote in ask(*consents, resources=(patient(), resource(), HIV)).votes:
            assert vote.rule in RULES


def test_a_decision_about_one_resource_is_fast() -> None:
    """Well under a millisecond, so that consent is never the reason to cache a permit."""
    agreed = agreement("handover")
    consent = fhir_consent(
        provision("permit", actor=[actor()], provision=[provision("deny", securityLabel=[label("HIV")])])
    )
    facts = Facts(resources=(resource(),), consents=registered(consent), subsumes=LABELS)
    asked = request(agreed)
    best = min(_seconds(lambda: decide(asked, facts, agreed)) for _ in range(200))
    assert best < 0.001


def _seconds(act: Any) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start
