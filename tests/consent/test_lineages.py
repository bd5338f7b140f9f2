"""Versions of a consent, dissent, and who may widen (consent.md 3.4 a, c, f and 3.4b 3, 10)."""

from dataclasses import replace
from typing import Any

import pytest

from consent.explain import for_officer
from consent.shapes import RegisteredConsent
from tests.consent.made import (
    ASKS_FIRST,
    THEM,
    actor,
    agreement,
    ask,
    fhir_consent,
    label,
    patient,
    provision,
    purpose,
    registered,
    resource,
    rule,
    vote,
)

P, D, H = "permit", "deny", "hold"
Json = dict[str, Any]
YES = provision("permit")
NO = provision("deny")
US_YES = provision("permit", actor=[actor()])
THEM_YES = provision("permit", actor=[actor(THEM)])


def made(
    root: Json | None,
    place: int,
    *,
    status: str = "active",
    authority: bool = True,
    withdrawn: bool = False,
    **more: Any,
) -> RegisteredConsent:
    """Version `place` of one lineage, each a day later."""
    consent = fhir_consent(root, name=f"c{place}", issued=f"2026-01-{place:02}", lineage="L", status=status, **more)
    return registered(consent, authority=authority, withdrawn=withdrawn)[0]


CASES: list[tuple[str, list[RegisteredConsent], str, str]] = [
    ("nothing on record", [], P, D),
    ("a permit", [made(YES, 1)], P, P),
    ("a denial", [made(NO, 1)], D, D),
    ("the newest wins: permit, then denial", [made(YES, 1), made(NO, 2)], D, D),
    ("the newest wins: denial, then permit", [made(NO, 1), made(YES, 2)], P, P),
    ("refused", [made(None, 1, status="rejected")], D, D),
    ("refused for another recipient", [made(THEM_YES, 1, status="rejected")], P, D),
    ("refused for us", [made(US_YES, 1, status="rejected")], D, D),
    ("permit, then refused", [made(US_YES, 1), made(None, 2, status="rejected")], D, D),
    ("permit to another, then refused", [made(THEM_YES, 1), made(None, 2, status="rejected")], P, D),
    ("permit to another, then a refusal that names us", [made(THEM_YES, 1), made(US_YES, 2, status="rejected")], D, D),
    ("permit, then inactive by the office", [made(YES, 1), made(YES, 2, status="inactive")], P, D),
    ("permit, then withdrawn by the person", [made(YES, 1), made(YES, 2, status="inactive", withdrawn=True)], D, D),
    (
        "permit to another, then withdrawn by the person",
        [made(THEM_YES, 1), made(THEM_YES, 2, status="inactive", withdrawn=True)],
        P,
        D,
    ),
    ("denial, then inactive by the office", [made(NO, 1), made(NO, 2, status="inactive")], P, D),
    ("permit, then entered in error", [made(YES, 1), made(YES, 2, status="entered-in-error")], P, D),
    ("denial, then entered in error", [made(NO, 1), made(YES, 2, status="entered-in-error")], D, D),
    (
        "denial, permit, then the permit entered in error",
        [made(NO, 1), made(YES, 2), made(YES, 3, status="entered-in-error")],
        P,
        D,
    ),
    ("a proposal says nothing yet", [made(NO, 1), made(YES, 2, status="proposed")], D, D),
    ("a draft says nothing yet", [made(YES, 1), made(NO, 2, status="draft")], P, P),
    (
        "a status that nobody knows ends the permit and may be a refusal",
        [made(YES, 1), made(YES, 2, status="odd")],
        H,
        D,
    ),
    ("issued after the question", [made(YES, 1), made(NO, 20)], P, P),
    ("a lone permit without authority", [made(YES, 1, authority=False)], P, D),
    ("a denial without authority", [made(NO, 1, authority=False)], D, D),
    ("a refusal without authority", [made(None, 1, status="rejected", authority=False)], D, D),
    ("authority denies, a later permit without authority", [made(NO, 1), made(YES, 2, authority=False)], D, D),
    ("authority permits, a later denial without authority", [made(YES, 1), made(NO, 2, authority=False)], D, D),
    (
        "authority permits all, a later permit without authority for another only",
        [made(YES, 1), made(THEM_YES, 2, authority=False)],
        P,
        D,
    ),
    (
        "authority permits, later inactive without authority",
        [made(YES, 1), made(YES, 2, status="inactive", authority=False)],
        P,
        D,
    ),
    (
        "authority denies, later entered in error without authority",
        [made(NO, 1), made(NO, 2, status="entered-in-error", authority=False)],
        D,
        D,
    ),
    (
        "a denial without authority, taken back without authority",
        [made(NO, 1, authority=False), made(NO, 2, status="inactive", authority=False)],
        D,
        D,
    ),
    (
        "a denial without authority, then of somebody else without authority",
        [made(NO, 1, authority=False), made(THEM_YES, 2, authority=False)],
        D,
        D,
    ),
    (
        "a denial without authority, taken back by an authority",
        [made(NO, 1, authority=False), made(NO, 2, status="inactive")],
        P,
        D,
    ),
    ("an older word without authority is superseded", [made(NO, 1, authority=False), made(YES, 2)], P, P),
]


@pytest.mark.parametrize(("situation", "consents", "implied", "nothing"), CASES, ids=[case[0] for case in CASES])
def test_a_lineage(situation: str, consents: list[RegisteredConsent], implied: str, nothing: str) -> None:
    assert (vote(ask(*consents)), vote(ask(*consents, under=ASKS_FIRST))) == (implied, nothing)
    backwards = consents[::-1]
    assert (vote(ask(*backwards)), vote(ask(*backwards, under=ASKS_FIRST))) == (implied, nothing)


def test_the_error_of_one_resource_uncovers_the_denial_before_it() -> None:
    """c2 was entered in error: what c1 denied before it stands."""
    first = fhir_consent(NO, name="c1", issued="2026-01-01", lineage="L")
    wrong = fhir_consent(YES, name="c2", version="1", issued="2026-01-02", lineage="L")
    error = fhir_consent(YES, name="c2", version="2", issued="2026-01-02", lineage="L", status="entered-in-error")
    decision = ask(first, wrong, error)
    assert vote(decision) == D
    assert any(reason.rule == "entered-in-error" for reason in decision.reasons)


def test_of_several_purposes_the_conflict_in_one_is_listed_once() -> None:
    """One consent permits; another denies for research alone, or for both of what is asked."""
    handover = agreement("handover")
    both = replace(handover, purpose=(*handover.purpose, replace(handover.purpose[0], code="HRESCH")))
    yes = fhir_consent(YES, name="a", lineage="A", issued="2026-01-09")
    for denied in ([purpose("HRESCH")], [purpose("TREAT"), purpose("HRESCH")]):
        no = fhir_consent(provision("deny", purpose=denied), name="b", lineage="B", issued="2025-01-01")
        found = [each for each in ask(yes, no, under=both).conflicts if each.resource == "Observation/one"]
        assert [(each.permits.consent, each.denies.consent) for each in found] == [("a", "b")]
    assert not ask(yes, under=both).conflicts


def test_between_lineages_a_denial_overrides_and_is_listed() -> None:
    decision = ask(
        fhir_consent(YES, name="a", lineage="A", issued="2026-01-09"),
        fhir_consent(NO, name="b", lineage="B", issued="2025-01-01"),
    )
    assert vote(decision) == D
    assert any(reason.rule == "conflict" for reason in decision.reasons)
    assert {(each.permits.consent, each.denies.consent) for each in decision.conflicts} == {("a", "b")}
    assert all(each.resource and each.denies.provision for each in decision.conflicts)
    told = [sentence for sentence in for_officer(decision, ()) if "another denies it" in sentence]
    assert told
    assert all("(consent a" in sentence and "(consent b" in sentence for sentence in told)
    alone = ask(fhir_consent(NO, name="b", lineage="B", issued="2025-01-01"))
    assert alone.conflicts == ()
    assert not any("another denies it" in sentence for sentence in for_officer(alone, ()))


def test_a_shared_policy_does_not_make_a_lineage() -> None:
    """IHE's own examples all name one policy: the newer of two about different recipients must not silence the older."""
    policy = [{"uri": "http://example.org/policies/base"}]
    older = fhir_consent(provision("deny", actor=[actor()]), name="a", issued="2026-01-01", policy=policy)
    newer = fhir_consent(provision("permit", actor=[actor(THEM)]), name="b", issued="2026-01-05", policy=policy)
    assert vote(ask(older, newer)) == D


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_a_tie_denies(names: tuple[str, str]) -> None:
    yes = fhir_consent(YES, name=names[0], lineage="L", issued="2026-01-01T10:00:00Z")
    no = fhir_consent(NO, name=names[1], lineage="L", issued="2026-01-01T10:00:00Z")
    assert vote(ask(yes, no)) == D
    silent = fhir_consent(THEM_YES, name=names[1], lineage="L", issued="2026-01-01T10:00:00Z")
    assert vote(ask(yes, silent, under=ASKS_FIRST)) == D


def test_an_imprecise_date_that_may_be_newer_ties() -> None:
    january = fhir_consent(NO, name="a", lineage="L", issued="2026-01")
    tenth = fhir_consent(YES, name="b", lineage="L", issued="2026-01-10")
    assert vote(ask(january, tenth)) == D


def test_versions_of_one_resource_go_by_version_number() -> None:
    first = fhir_consent(YES, name="a", version="9", issued="2026-01-01")
    second = fhir_consent(NO, name="a", version="10", issued="2026-01-01")
    assert vote(ask(first, second)) == D
    assert vote(ask(fhir_consent(NO, name="a", version="9"), fhir_consent(YES, name="a", version="10"))) == P


def test_a_refusal_denies_what_the_last_active_version_was_about_also_after_its_period() -> None:
    over = provision("permit", actor=[actor()], period={"end": "2026-01-02"})
    assert vote(ask(made(over, 1))) == P
    assert vote(ask(made(over, 1), made(None, 2, status="rejected"))) == D


def test_a_refusal_covers_the_data_it_states() -> None:
    refusal = made(provision("permit", securityLabel=[label("R"), label("HIV")]), 1, status="rejected")
    things = (patient(), resource(), resource("Observation", "hiv", ["R", "HIV"]))
    decision = ask(refusal, resources=things)
    assert vote(decision, "Observation/hiv") == D
    assert rule(decision, "Observation/hiv") == "dissent"


def test_a_refusal_of_a_permit_with_a_modifier_is_still_a_refusal() -> None:
    odd = made({**US_YES, "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, 1)
    assert vote(ask(odd, made(None, 2, status="rejected"))) == D


def test_a_coded_withdrawal_needs_no_flag() -> None:
    coded: dict[str, Any] = {"category": [{"coding": [{"system": "http://read.info/ctv3", "code": "XaNwU"}]}]}
    assert vote(ask(made(YES, 1), made(YES, 2, status="inactive", **coded))) == D


@pytest.mark.parametrize(
    ("category", "blocks"),
    [
        ({"system": "https://throughgate.example/code/consent-category", "code": "ndtms"}, False),
        ({"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "research"}, False),
        ({"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "dnr"}, False),
        ({"system": "http://loinc.org", "code": "59284-0"}, True),
    ],
)
def test_refusing_one_thing_never_blocks_another(category: dict[str, str], blocks: bool) -> None:
    """Requirements trap 7: refusing NDTMS is not refusing a referral."""
    refusal = fhir_consent(status="rejected", category=[{"coding": [category]}])
    assert vote(ask(refusal)) == (D if blocks else P)


def test_scope_other_than_privacy_does_not_speak() -> None:
    for scope, expected in (("treatment", P), ("research", P), ("patient-privacy", D), ("unheard-of", H)):
        coded = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": scope}]}
        assert vote(ask(fhir_consent(NO, scope=coded))) == expected, scope
