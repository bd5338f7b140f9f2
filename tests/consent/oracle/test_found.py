"""What the oracle found in the engine, each as a named case: a recorded dissent reaches what it names."""

from dataclasses import replace
from typing import Literal

import pytest

from consent.shapes import Coding
from tests.consent import made


@pytest.mark.parametrize("nested", [False, True])
def test_refusing_a_permit_of_one_label_refuses_resources_that_carry_others_too(nested: bool) -> None:
    """A permit must cover all labels of a resource; its refusal denies, and for a deny one is enough (consent/README.md)."""
    about = made.provision(securityLabel=[made.label("SUD")])
    root = made.provision(provision=[{"type": "permit", **about}]) if nested else about
    refused = made.fhir_consent(root, rule=None if nested else "OPTIN", status="rejected")

    assert made.vote(made.ask(refused)) == "deny"
    assert made.vote(made.ask(refused, resources=[made.patient(), made.resource(labels=["N"])])) == "permit"


def test_refusing_a_permit_by_label_refuses_a_resource_without_labels() -> None:
    refused = made.fhir_consent(made.provision(securityLabel=[made.label("R")]), rule="OPTIN", status="rejected")

    assert made.vote(made.ask(refused, resources=[made.patient(), made.resource(labels=None)])) == "deny"


def test_refusing_a_permit_of_a_period_refuses_what_lies_partly_in_it() -> None:
    root = made.provision(dataPeriod={"end": "2026-01-01"})
    refused = made.fhir_consent(root, rule="OPTIN", status="rejected")
    partly = made.resource(effectiveDateTime="2025-12-30", issued="2026-01-10T09:00:00Z")

    assert made.vote(made.ask(refused, resources=[made.patient(), partly])) == "deny"


def test_a_refused_pcf_permit_denies_also_where_its_data_limit_cannot_be_read() -> None:
    """The answer is deny whichever way the unknown is resolved (consent.md 3.4b 8), so it is not a hold."""
    root = made.provision("permit", dataPeriod={"end": "2026-01-01"})
    refused = made.fhir_consent(root, status="rejected")

    assert made.vote(made.ask(refused)) == "deny"


def test_an_earlier_denial_that_is_unknown_is_not_lost_behind_an_older_version_that_says_nothing() -> None:
    """`entered-in-error` as the newest: an older deny stands (consent.md 3.4b 3), and one that only may be a deny holds."""
    author = {"meaning": "authoredby", "reference": {"reference": "Organization/them"}}
    elsewhere = made.fhir_consent(
        made.provision(actor=[made.actor(made.THEM)]), rule="OPTOUT", status="rejected", issued="2025-11-01"
    )
    maybe = made.fhir_consent(made.provision(data=[author]), rule="OPTOUT", version="2", issued="2025-12-01")
    error = made.fhir_consent(rule="OPTOUT", version="3", status="entered-in-error")

    assert made.vote(made.ask(maybe, error)) == "hold"
    assert made.vote(made.ask(elsewhere, maybe, error)) == "hold"


@pytest.mark.parametrize("denial", ["rejected", "active"])
def test_taking_a_consent_back_does_not_bring_back_what_a_source_that_may_only_narrow_had_passed_over(
    denial: str,
) -> None:
    """An earlier denial, then a permit from a source without authority, then the person takes all of it back: the denial still stands."""
    elsewhere = made.provision(actor=[made.actor(made.THEM)])
    first = made.fhir_consent(elsewhere, rule="OPTIN")
    denied = made.fhir_consent(
        made.provision(securityLabel=[made.label("SUD")]), rule="OPTOUT", version="2", status=denial
    )
    permitted = made.fhir_consent(elsewhere, rule="OPTIN", version="3")
    taken_back = made.fhir_consent(elsewhere, rule="OPTIN", version="4", status="inactive")
    before = (
        *made.registered(first),
        *made.registered(denied, authority=denial == "rejected"),
        *made.registered(permitted, authority=False),
    )

    assert made.vote(made.ask(*before)) == "deny"
    assert made.vote(made.ask(*before, *made.registered(taken_back, withdrawn=True))) == "deny"


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("v3-ActCode", "RESEARCH"),
        ("v3-ActCode", "RSDID"),
        ("v3-ActCode", "RSREID"),
        ("consentcategorycodes", "emrgonly"),
    ],
)
def test_a_consent_to_research_or_for_emergencies_only_permits_no_other_purpose(system: str, code: str) -> None:
    """R4 value set consent-category has the research codes of two code systems; `emrgonly` limits disclosure to emergency treatment."""
    category = [{"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}]
    permitted = made.fhir_consent(rule="OPTIN", category=category)

    assert made.vote(made.ask(permitted, under=made.ASKS_FIRST)) == "deny"


@pytest.mark.parametrize(("end", "vote"), [("2026-01-14", "deny"), ("2026-01-15", "permit")])
def test_a_team_whose_period_is_over_has_no_members(end: str, vote: str) -> None:
    team = {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "period": {"end": end},
        "participant": [{"member": {"reference": "Organization/us"}}],
    }
    named = {**made.actor(), "reference": {"reference": "CareTeam/team"}}
    permitted = made.fhir_consent(made.provision(actor=[named]), rule="OPTIN")

    decision = made.ask(permitted, under=made.ASKS_FIRST, directory=[*made.DIRECTORY, team])
    assert made.vote(decision) == vote


def test_of_a_group_that_is_kept_for_history_only_nobody_knows_who_is_in_it() -> None:
    group = {
        "resourceType": "Group",
        "id": "old",
        "active": False,
        "type": "practitioner",
        "actual": True,
        "member": [{"entity": {"reference": "Organization/us"}}],
    }
    root = made.provision(actor=[{**made.actor(), "reference": {"reference": "Group/old"}}])
    known = [*made.DIRECTORY, group]

    assert made.vote(made.ask(made.fhir_consent(root, rule="OPTIN"), under=made.ASKS_FIRST, directory=known)) == "deny"
    assert made.vote(made.ask(made.fhir_consent(root, rule="OPTOUT"), directory=known)) == "hold"


def test_a_document_lends_its_type_to_what_is_in_it_and_to_nothing_beside_it() -> None:
    """Consent.provision.class: a result that travels beside a document of that type is not of that class."""
    root = made.provision(class_=[made.code("1000")["coding"][0]])
    permitted = made.fhir_consent(root, rule="OPTIN")
    beside = made.resource("DocumentReference", "two", type=made.code("1000"))
    within = made.resource("Composition", "letter", type=made.code("1000"))

    for document, vote in ((beside, "deny"), (within, "permit")):
        decision = made.ask(permitted, under=made.ASKS_FIRST, resources=[made.patient(), made.resource(), document])
        assert made.vote(decision) == vote


def test_taking_back_a_consent_whose_rule_nobody_can_read_holds() -> None:
    """What it was about besides its nested provision is not known: before it was taken back it held, so it does after."""
    root = made.provision(provision=[made.provision("permit", dataPeriod={"end": "2026-01-01"})])
    unread = made.fhir_consent(root)
    taken_back = made.fhir_consent(root, version="2", status="inactive")
    result = made.resource(effectiveDateTime="2026-02")
    letter = [made.patient(), result]

    assert made.vote(made.ask(unread, resources=letter)) == "hold"
    assert (
        made.vote(made.ask(*made.registered(unread), *made.registered(taken_back, withdrawn=True), resources=letter))
        == "hold"
    )


SEVERAL = replace(made.ASKS_FIRST, purpose=(*made.CONTEXT_PURPOSE, Coding(system=made.REASON, code="HRESCH")))


@pytest.mark.parametrize("default", ["implied", "nothing"])
def test_a_denial_inside_a_permit_for_treatment_stands_also_where_research_is_asked_for_beside_it(
    default: Literal["implied", "nothing"],
) -> None:
    """One purpose more takes the permit away, and must not take the denial with it (consent/README.md: a deny needs one)."""
    denied = made.provision("deny", securityLabel=[made.label("HIV")])
    root = made.provision(purpose=[made.purpose("TREAT")], provision=[denied])
    letter = [made.patient(), made.resource(labels=["R", "HIV"])]
    under = replace(SEVERAL, without_consent=default)

    assert made.vote(made.ask(made.fhir_consent(root, rule="OPTIN"), resources=letter, under=under)) == "deny"


def test_a_permit_inside_a_denial_of_treatment_says_nothing_of_research() -> None:
    """What is nested in a provision about treatment is about treatment (consent.md 3.4b 2): both purposes need a permit."""
    root = made.provision(purpose=[made.purpose("TREAT")], provision=[made.provision("permit")])

    assert made.vote(made.ask(made.fhir_consent(root, rule="OPTOUT"), under=made.ASKS_FIRST)) == "permit"
    assert made.vote(made.ask(made.fhir_consent(root, rule="OPTOUT"), under=SEVERAL)) == "deny"


def test_a_consent_to_research_permits_nothing_where_treatment_is_asked_for_beside_it() -> None:
    category = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "RESEARCH"}]}]

    assert made.vote(made.ask(made.fhir_consent(rule="OPTIN", category=category), under=SEVERAL)) == "deny"


@pytest.mark.parametrize(
    ("limit", "less", "more"),
    [
        ({"securityLabel": [made.label("N")]}, {"labels": ["N"]}, {"labels": ["N", "SUD"]}),
        ({"securityLabel": [made.label("R")]}, {"labels": ["R"]}, {"labels": ["V"]}),
        ({"dataPeriod": {"end": "2025"}}, {"issued": "2025-05"}, {"issued": "2025-05", "effectiveDateTime": "2026-01"}),
        ({"code": [made.code("1000")]}, {"code": made.code("1000")}, {"component": [{"code": made.code("1000")}]}),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_what_a_permit_does_not_wholly_cover_does_not_escape_the_denial_inside_it(
    limit: made.Json, less: made.Json, more: made.Json, nested: bool
) -> None:
    """A label more never adds (consent.md 3.6): the permit no longer covers the resource, and the denial inside it still does."""
    denied = {**limit, "provision": [made.provision("deny", actor=[made.actor()])]}
    root = {"provision": [{"type": "permit", **denied}]} if nested else denied
    consent = made.fhir_consent(root, rule="OPTIN")

    for held in (less, more):
        assert made.vote(made.ask(consent, resources=[made.patient(), made.resource(**held)])) == "deny"


def test_a_denial_inside_a_permit_that_touches_nothing_of_the_resource_does_not_apply() -> None:
    """Nor is more withheld than was refused: a nested provision applies only where everything above it matches (consent.md 3.4b 2)."""
    denied = made.provision("deny", actor=[made.actor()])
    root = made.provision(dataPeriod={"end": "2024"}, provision=[denied])
    recent = made.resource(issued="2026-01-10T09:00:00Z")

    assert made.vote(made.ask(made.fhir_consent(root, rule="OPTIN"), resources=[made.patient(), recent])) == "permit"


def test_refusing_a_permit_up_to_a_level_refuses_a_resource_that_carries_a_topic_besides() -> None:
    """One label that the refused permit names is enough (consent/README.md): `N` is at or below `R`, whatever else is carried."""
    root = made.provision(securityLabel=[made.label("R")])
    refused = made.fhir_consent(root, rule="OPTIN", status="rejected")

    for labels in (["N"], ["N", "HIV"]):
        letter = [made.patient(), made.resource(labels=labels)]
        assert made.vote(made.ask(refused, resources=letter)) == "deny"


@pytest.mark.parametrize(("claimed", "vote"), [("1.0", "deny"), ("2.0", "permit"), ("", "deny")])
def test_a_permit_of_one_version_of_a_profile_is_none_of_another(claimed: str, vote: str) -> None:
    """A canonical with a version names that version (FHIR R4, canonical); of any other it is not known whether it is meant."""
    profile = "urn:example:profile" + (f"|{claimed}" if claimed else "")
    root = made.provision(class_=[{"system": "urn:ietf:rfc:3986", "code": "urn:example:profile|2.0"}])
    letter = [made.patient(), made.resource(meta={"profile": [profile]})]
    permitted, denied = (made.fhir_consent(root, rule=rule) for rule in ("OPTIN", "OPTOUT"))

    assert made.vote(made.ask(permitted, under=made.ASKS_FIRST, resources=letter)) == vote
    assert made.vote(made.ask(denied, resources=letter)) == ("deny" if vote == "permit" else "hold")


def test_an_opt_in_with_restrictions_that_states_none_permits_nothing() -> None:
    """v3-ActCode OPTINR: the restrictions are on paper, and nobody here knows them."""
    assert made.vote(made.ask(made.fhir_consent(rule="OPTINR"), under=made.ASKS_FIRST)) == "deny"
    assert made.vote(made.ask(made.fhir_consent(rule="OPTINR"))) == "hold"
    stated = made.provision(provision=[made.provision("deny", securityLabel=[made.label("HIV")])])
    assert made.vote(made.ask(made.fhir_consent(stated, rule="OPTINR"), under=made.ASKS_FIRST)) == "permit"
    refused = made.fhir_consent({"type": "deny"}, rule="OPTINR")
    assert made.vote(made.ask(refused)) == "hold"  # an opt-in that refuses everything says both
