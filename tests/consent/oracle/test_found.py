"""What the oracle found in the engine, each as a named case: a recorded dissent reaches what it names."""

import pytest

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
