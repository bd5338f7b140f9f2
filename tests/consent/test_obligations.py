"""What has to be done with a resource, and nobody would do, keeps it back; in care it waits for a person. What is done anyway keeps back nothing."""

from dataclasses import replace
from typing import Any

import pytest

from consent import obligations
from consent.decide import OBLIGATION, decide
from consent.shapes import Facts, Override, OverrideKind
from tests.consent.made import (
    ASKS_FIRST,
    DIRECTORY,
    LABELS,
    NOTICED,
    agreement,
    ask,
    fhir_consent,
    label,
    patient,
    provision,
    registered,
    request,
    resource,
    rule,
    subsumes,
    vote,
)

Json = dict[str, Any]
YES = fhir_consent(provision("permit"))


def on_condition(*codes: str, **more: Any) -> Json:
    return fhir_consent(provision("permit", securityLabel=[label(code) for code in ("R", "SUD", *codes)]), **more)


def bound(code: str) -> tuple[Json, Json, Json]:
    return patient(), resource(), resource("MedicationRequest", "script", ("R", "SUD", code))


@pytest.mark.parametrize("code", ["NORDSCLCD", "DELAU", "MASK", "HUAPRV", "ENCRYPTU", "RefrainPolicy"])
def test_what_nobody_would_do_waits_in_care_and_stays_elsewhere(code: str) -> None:
    care = ask(resources=bound(code))
    assert (care.outcome, rule(care, "MedicationRequest/script"), rule(care)) == ("hold", OBLIGATION, "implied")
    assert care.permitted == ()
    elsewhere = ask(YES, resources=bound(code), under=ASKS_FIRST)
    assert (elsewhere.outcome, vote(elsewhere, "MedicationRequest/script")) == ("reduce", "deny")
    assert ask(resources=bound(code), released=True).outcome == "release", "a person has spoken with the recipient"


@pytest.mark.parametrize("code", sorted(obligations.PERFORMED))
def test_what_happens_to_every_letter_keeps_nothing_back(code: str) -> None:
    assert ask(resources=bound(code)).outcome == "release"
    assert rule(ask(on_condition(code), under=ASKS_FIRST)) == "consent-permit"


def test_a_yes_on_a_condition_that_nobody_keeps_is_no_yes() -> None:
    assert rule(ask(on_condition("NORDSCLCD"), under=ASKS_FIRST)) == OBLIGATION
    assert ask(on_condition("NORDSCLCD")).outcome == "hold"
    assert rule(ask(on_condition(), under=ASKS_FIRST)) == "consent-permit"


def test_a_condition_counts_where_its_consent_permits_and_while_it_is_the_newest() -> None:
    newer = fhir_consent(provision("permit"), version="2", issued="2026-01-05")
    assert ask(on_condition("NORDSCLCD"), newer).outcome == "release"
    research = on_condition("DEID", name="c9")
    research["provision"]["purpose"] = [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
    ]
    assert ask(research).outcome == "release", "what is said of research is no condition of care"
    apart = on_condition("NORDSCLCD", name="c2")
    assert ask(YES, apart, under=ASKS_FIRST).outcome == "withhold", "the obligations of all that permit, not of one"
    denial = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("NORDSCLCD")])]))
    assert ask(denial, table=subsumes(SUD=[], NORDSCLCD=[])).outcome == "release", (
        "what a denial is about is no condition"
    )


def test_a_clinician_for_a_life_stands_above_it_and_two_people_elsewhere_do_not() -> None:
    until = "2026-01-16T12:00:00Z"
    facts = Facts(
        resources=bound("NORDSCLCD"), consents=(*registered(YES), *NOTICED), directory=DIRECTORY, subsumes=LABELS
    )
    for agreed, kind, outcome in (
        (agreement("handover"), OverrideKind.VITAL_INTEREST, "release"),
        (ASKS_FIRST, OverrideKind.HARM_TEST, "reduce"),
    ):
        overridden = replace(request(agreed), override=Override(kind=kind, until=until))
        assert decide(overridden, facts, agreed).outcome == outcome
    refused = replace(facts, consents=registered(fhir_consent(None, status="rejected")))
    saved = replace(request(agreement("handover")), override=Override(kind=OverrideKind.VITAL_INTEREST, until=until))
    assert decide(saved, refused, agreement("handover")).outcome == "release"


@pytest.mark.parametrize("under", ["notice-of-withdrawal", "harm-disclosure"])
def test_what_asks_no_consent_is_stopped_by_no_condition_of_one(under: str) -> None:
    """INVARIANT: a permit on a condition keeps back nothing that a refusal does not; what the resource itself asks for binds everybody."""
    note, bound_note = (resource("Communication", "note", ("R", "SUD", *more)) for more in ((), ("NODSCLCD",)))
    for said in ((), (fhir_consent(provision("deny")),), (on_condition("NODSCLCD"),)):
        assert ask(*said, under=under, resources=(patient(), note)).outcome == "release"
    assert ask(under=under, resources=(patient(), bound_note)).outcome != "release"
