"""What has to be done with a resource, and nobody would do, keeps it back; in care it waits for a person. What is done anyway keeps back nothing."""

from typing import Any

import pytest

from consent import obligations
from consent.decide import OBLIGATION
from consent.shapes import Override, OverrideKind
from tests.consent.made import (
    ASKS_FIRST,
    actor,
    ask,
    fhir_consent,
    label,
    patient,
    provision,
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
    somebody = [{"reference": {"reference": "Organization/nobody-knows"}, "role": actor()["role"]}]
    perhaps = on_condition("NORDSCLCD", name="c2")
    perhaps["provision"]["actor"] = somebody
    assert rule(ask(YES, perhaps, under=ASKS_FIRST)) == "consent-permit", (
        "what nobody knows permits nothing, nor on terms"
    )
    denial = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("NORDSCLCD")])]))
    assert ask(denial, table=subsumes(SUD=[], NORDSCLCD=[])).outcome == "release", (
        "what a denial is about is no condition"
    )


@pytest.mark.parametrize("root", [provision("permit"), provision()])
def test_a_yes_that_says_nothing_but_its_terms_is_no_yes_without_them(root: Json) -> None:
    """Its labels pick no resource: it was silent for all that does not carry them, and care went on as if nobody had said a word."""
    said = fhir_consent({**root, "securityLabel": [label("NORDSCLCD")]}, rule=None if root else "OPTIN")
    done = fhir_consent({**root, "securityLabel": [label("AUDIT")]}, rule=None if root else "OPTIN")
    for labels in (("R", "SUD"), None):
        asked = (patient(), resource(labels=labels))
        care = ask(said, resources=asked)
        assert (care.outcome, rule(care)) == ("hold", OBLIGATION)
        assert rule(ask(done, resources=asked)) == "consent-permit"
    assert rule(ask(said, under=ASKS_FIRST)) == OBLIGATION


def test_inside_and_around_it_a_denial_stays_one() -> None:
    terms = [label("NORDSCLCD")]
    inside = provision("permit", securityLabel=terms, provision=[provision("deny", securityLabel=[label("SUD")])])
    assert rule(ask(fhir_consent(inside))) == "consent-deny"
    about = provision("deny", securityLabel=terms)
    known = subsumes(SUD=[], NORDSCLCD=[])
    assert ask(fhir_consent(about), table=known).outcome == "release", (
        "it denies what carries the label, and that alone"
    )


@pytest.mark.parametrize("kind", ["pcf", "core"])
def test_what_a_denial_is_about_is_no_condition_of_what_is_permitted_in_it(kind: str) -> None:
    inside = [provision("permit", securityLabel=[label("R"), label("SUD")])]
    about = {"securityLabel": [label("NORDSCLCD"), label("SUD")], "provision": inside}
    said = fhir_consent(provision("deny", **about)) if kind == "pcf" else fhir_consent(about, rule="OPTOUT")
    assert rule(ask(said, under=ASKS_FIRST)) == "consent-permit"


def test_what_a_resource_contains_binds_it_too() -> None:
    inner = {"resourceType": "Medication", "id": "inner", "meta": {"security": [label("NORDSCLCD")]}}
    assert rule(ask(resources=(patient(), resource(contained=[inner])))) == OBLIGATION


def test_a_clinician_for_a_life_stands_above_it_and_two_people_elsewhere_do_not() -> None:
    life, harm = (Override(kind=kind, until="2026-01-16T12:00:00Z") for kind in OverrideKind)
    refused = fhir_consent(None, status="rejected")
    for under, given, outcome in (("handover", life, "release"), (ASKS_FIRST, harm, "reduce")):
        assert ask(YES, under=under, resources=bound("NORDSCLCD"), override=given).outcome == outcome
    assert ask(refused, resources=bound("NORDSCLCD"), override=life).outcome == "release"


@pytest.mark.parametrize("under", ["notice-of-withdrawal", "harm-disclosure"])
def test_what_asks_no_consent_is_stopped_by_no_condition_of_one(under: str) -> None:
    """INVARIANT: a permit on a condition keeps back nothing that a refusal does not; what the resource itself asks for binds everybody."""
    note, bound_note = (resource("Communication", "note", ("R", "SUD", *more)) for more in ((), ("NODSCLCD",)))
    for said in ((), (fhir_consent(provision("deny")),), (on_condition("NODSCLCD"),)):
        assert ask(*said, under=under, resources=(patient(), note)).outcome == "release"
    assert ask(under=under, resources=(patient(), bound_note)).outcome != "release"
