"""A missing privacy notice bars what leaves by consent alone, and never care, a duty to tell, a harm test, or a report about nobody."""

from typing import Any

import pytest

from consent.decide import NO_NOTICE, asks_for_notice
from consent.privacy_notice import is_notice
from consent.shapes import Override, OverrideKind, RegisteredConsent
from tests.consent.made import (
    ACT,
    AGREEMENTS,
    ASKS_FIRST,
    actor,
    agreement,
    ask,
    fhir_consent,
    notice,
    provision,
    registered,
    rule,
)

Json = dict[str, Any]
YES = fhir_consent(provision("permit"))
NO = fhir_consent(provision("permit", actor=[actor()]), status="rejected", name="no")


def asked(*notices: Json | RegisteredConsent, said: Json = YES, as_of: str = "2026-01-15T12:00:00Z") -> str:
    """The outcome of a flow by consent alone."""
    return str(ask(said, *notices, under=ASKS_FIRST, noticed=False, as_of=as_of).outcome)


def test_without_a_notice_nothing_leaves_by_consent_and_with_one_it_does() -> None:
    barred = ask(YES, under=ASKS_FIRST, noticed=False)
    assert (barred.outcome, rule(barred)) == ("withhold", NO_NOTICE)
    assert barred.permitted == ()
    assert asked(notice()) == "release"


def test_a_notice_is_no_consent_and_a_refusal_is_told_as_one() -> None:
    assert asked(said=notice()) == "withhold"
    assert rule(ask(notice(), under=ASKS_FIRST, noticed=False)) == "no-consent"
    assert rule(ask(NO, under=ASKS_FIRST, noticed=False)) == "dissent"
    assert rule(ask(notice(status="rejected"), under="handover", noticed=False)) == "implied", "nor is its absence a no"


@pytest.mark.parametrize("name", sorted(each.stem for each in AGREEMENTS.glob("*.toml")))
def test_only_what_leaves_by_consent_alone_asks_for_a_notice(name: str) -> None:
    agreed = agreement(name)
    assert asks_for_notice(agreed) is (name in ("evaluation-extract", "probation-summary"))
    if not asks_for_notice(agreed):
        assert ask(under=name, noticed=False) == ask(under=name), "it is decided as if one were on record"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ((notice(issued="2026-01-16"),), "withhold"),
        ((notice(issued="2026-01"),), "release"),
        ((notice(status="proposed"),), "withhold"),
        ((notice(status="entered-in-error", version="2"),), "withhold"),
        ((notice(), notice(status="entered-in-error", version="2", issued="2020-01-01")), "withhold"),
        ((notice(), notice("other", status="rejected", issued="2020-01-01")), "withhold"),
        ((notice(), notice("other", status="inactive", issued="2019-12-31")), "release"),
        ((notice(), notice("other", status="rejected", issued="2021"), notice("third", issued="2022")), "release"),
        ((notice(), registered(notice("other", status="rejected", issued="2021"), authority=False)[0]), "withhold"),
        ((registered(notice(), authority=False)[0],), "withhold"),
        ((notice(patient={"reference": "Patient/unclear"}),), "withhold"),
        ((notice(), notice("other", status="rejected", issued="2021", patient={"reference": "Patient/x"})), "withhold"),
        ((notice(implicitRules="urn:odd"),), "withhold"),
        ((notice(verification=[{"verified": False}]),), "withhold"),
        ((notice(category=[*notice()["category"], {"coding": [{"system": ACT, "code": "INFA"}]}]),), "withhold"),
        ((notice(category=[]),), "withhold"),
    ],
)
def test_whose_word_counts_is_the_newest_of_who_may_say_so(said: tuple[Json, ...], outcome: str) -> None:
    assert asked(*said) == outcome
    assert asked(*reversed(said)) == outcome


def test_a_notice_that_is_about_a_purpose_too_is_a_consent() -> None:
    research = {"system": notice()["category"][0]["coding"][0]["system"], "code": "research"}
    both = notice(category=[{"coding": [research, *notice()["category"][0]["coding"]]}])
    assert not is_notice(both)
    assert is_notice(notice())


def test_two_people_let_it_go_without_a_notice_and_one_clinician_does_not() -> None:
    until = "2026-01-16T12:00:00Z"
    for kind, outcome in ((OverrideKind.HARM_TEST, "release"), (OverrideKind.VITAL_INTEREST, "withhold")):
        given = Override(kind=kind, until=until)
        assert ask(YES, under=ASKS_FIRST, noticed=False, override=given).outcome == outcome
