"""Which version of a consent counts: the very one that permits, also where a sender gives its versions no number (nothing asks for one)."""

from typing import Any

import pytest

from consent.decide import OBLIGATION
from consent.fhir_consent import permitting
from tests.consent.made import (
    ASKS_FIRST,
    agreement,
    ask,
    facts_about,
    fhir_consent,
    label,
    provision,
    request,
    rule,
)

Json = dict[str, Any]


def word(*codes: str, issued: str, status: str = "active", version: str = "") -> Json:
    root = provision("permit", securityLabel=[label(code) for code in ("R", "SUD", *codes)])
    made = fhir_consent(root, issued=issued, status=status, version=version)
    return made if version else {key: held for key, held in made.items() if key != "meta"}


@pytest.mark.parametrize("version", ["", "1"])
def test_a_condition_that_was_taken_back_binds_nobody(version: str) -> None:
    old = word("NODSCLCD", issued="2026-01-01", version=version)
    new = word(issued="2026-01-05", version=version)
    assert ask(old, new).outcome == "release"
    assert ask(new, old).outcome == "release"
    assert ask(old).outcome == "hold"


def test_where_only_two_together_permit_the_condition_of_either_counts() -> None:
    bound, free = word("NODSCLCD", issued="2026-01-01"), word(issued="2026-01-01")
    for said in ((bound, free), (free, bound)):
        assert rule(ask(*said, under=ASKS_FIRST)) == OBLIGATION


def test_only_the_version_that_permits_is_told_of() -> None:
    refused, older = word(issued="2026-01-01", status="rejected"), word(issued="2026-01-03")
    stands = word(issued="2026-01-05")
    asked = (refused, older, stands)
    facts = facts_about(*asked)
    decision = ask(*asked)
    assert {each.rule for each in decision.votes} == {"consent-permit"}
    found = permitting(request(agreement("handover")), facts, decision)
    assert [each is stands for each in found] == [True]
    assert permitting(request(agreement("handover")), facts, ask()) == (), "care that asked no consent names none"
