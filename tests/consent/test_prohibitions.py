"""What a statute forbids to tell stays back from everybody, whoever agreed or let it go; where the law asks the person, only their very word opens it."""

from dataclasses import replace
from typing import Any

import pytest

from consent.explain import for_officer, for_person, for_recipient, what_leaves
from consent.outcomes import kept_back, path_outcomes
from consent.prohibitions import FORBIDDEN, SYSTEM, marks
from consent.shapes import Decision, Override, OverrideKind
from fhir_profiles.terminology import laws_opened_by_agreement
from fhir_profiles.terminology.tables import table
from tests.consent.made import (
    ASKS_FIRST,
    THEM,
    US,
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
)

Json = dict[str, Any]
NAME = "Condition/history"
OPENED = frozenset({"gender-recognition"})


def law(code: str) -> Json:
    return {"system": SYSTEM, "code": code}


def marked(code: str = "gender-recognition") -> Json:
    return resource("Condition", "history", None, meta={"security": [label("R"), law(code)]})


def asked(*consents: Json, about: Json | None = None, authority: bool = True, **more: Any) -> Decision:
    """Of a letter with something in it that a law protects."""
    resources = (patient(), resource(), about or marked())
    return ask(*registered(*consents, authority=authority), resources=resources, **{"opened": OPENED, **more})


def fate(decision: Decision) -> tuple[str, str]:
    return next((str(each.vote), each.rule) for each in decision.votes if each.resource == NAME)


def agreed_to(*codes: str, to: str = US, **more: Any) -> Json:
    labels = [label("R"), label("SUD"), *map(law, codes)]
    return fhir_consent(provision("permit", actor=[actor(to)], securityLabel=labels, **more))


STAYS = ("deny", FORBIDDEN)


def test_it_stays_back_in_every_flow_and_the_rest_goes() -> None:
    care = asked()
    assert (care.outcome, fate(care)) == ("reduce", STAYS)
    assert care.withheld_marker, "the agreed generic marker, as for anything that is left out"
    assert {each.rule for each in care.votes} == {"implied", FORBIDDEN}
    for under in ("gp-copy", "transfer", "acct-contribution", "notice-of-withdrawal", "harm-disclosure"):
        assert fate(asked(under=agreement(under))) == STAYS, under
    assert fate(asked(fhir_consent(provision("permit")), under=ASKS_FIRST)) == STAYS


def test_nobody_stands_above_it() -> None:
    until = "2026-01-16T12:00:00Z"
    for under, kind in (("handover", OverrideKind.VITAL_INTEREST), ("harm-disclosure", OverrideKind.HARM_TEST)):
        given = Override(kind=kind, until=until)
        assert fate(asked(under=under, override=given)) == STAYS, kind
    assert fate(asked(released=True, named=True)) == STAYS
    unclear = agreed_to("gender-recognition")
    unclear["provision"]["actor"] = [{"reference": {"reference": "Organization/nobody-knows"}}]
    assert fate(asked(unclear, released=True)) == STAYS, "that a person looked is not that the person agreed"


@pytest.mark.parametrize("code", ["fertility-treatment", "protected-person", "a code that nobody knows", ""])
def test_what_no_agreement_opens_is_told_to_nobody(code: str) -> None:
    assert fate(asked(agreed_to(code), about=marked(code))) == STAYS
    assert fate(asked(agreed_to("gender-recognition"), opened=frozenset())) == STAYS, "who has no table opens nothing"


def test_the_persons_very_word_opens_what_the_law_leaves_to_them() -> None:
    yes = agreed_to("gender-recognition")
    assert fate(asked(yes)) == ("permit", "consent-permit")
    assert fate(asked(yes, under=ASKS_FIRST)) == ("permit", "consent-permit")
    general = fhir_consent(provision("permit"), name="c2")
    assert fate(asked(general, yes)) == fate(asked(yes, general)) == ("permit", "consent-permit")
    beside = yes | {"provision": {"type": "permit", "provision": [provision("permit"), yes["provision"]]}}
    assert fate(asked(beside)) == ("permit", "consent-permit"), "in whatever order they stand"
    assert fate(asked(yes, fhir_consent(None, name="c2", status="rejected"))) == STAYS


@pytest.mark.parametrize(
    "said",
    [
        fhir_consent(provision("permit")),
        fhir_consent(rule="OPTIN"),
        fhir_consent(provision("permit", actor=[actor()])),
        fhir_consent(provision("permit", securityLabel=[label("R"), law("gender-recognition")])),
        fhir_consent(
            provision("permit", actor=[actor()], provision=[provision("permit", securityLabel=[label("R"), law("gender-recognition")])])
        ),
        agreed_to("gender-recognition", to=THEM),
        agreed_to("gender-recognition", purpose=[purpose("HRESCH")]),
        agreed_to("gender-recognition", period={"end": "2026-01-14"}),
        agreed_to("fertility-treatment"),
        agreed_to("gender-recognition") | {"status": "inactive"},
    ],
)  # fmt: skip
def test_nothing_less_does(said: Json) -> None:
    assert fate(asked(said)) == STAYS


def test_a_stranger_cannot_say_so_and_no_one_is_told_who_does_not_treat() -> None:
    yes = agreed_to("gender-recognition")
    assert fate(asked(yes, authority=False)) == STAYS
    for under in ("acct-contribution", "probation-summary", "harm-disclosure"):
        assert fate(asked(yes, under=agreement(under))) == STAYS, under
    both = resource("Condition", "history", None, meta={"security": [label("R"), law("gender-recognition"), law("x")]})
    assert fate(asked(yes, about=both)) == STAYS, "every law, not one of them"


def test_a_mark_inside_counts_and_on_the_person_ends_the_letter() -> None:
    inside = {**resource("Condition", "history"), "contained": [marked()]}
    assert marks(inside) == {"gender-recognition"}
    assert fate(asked(about=inside)) == STAYS
    person = patient(meta={"security": [label("N"), law("gender-recognition")]})
    whole = ask(resources=(person, resource()))
    assert whole.outcome == "withhold"
    assert {FORBIDDEN, "subject-denied"} <= {each.rule for each in whole.reasons}


def test_a_report_about_nobody_bears_no_mark() -> None:
    report = {"resourceType": "MeasureReport", "id": "r", "meta": {"security": [label("N"), law("protected-person")]}}
    for each, outcome in ((report, "counted"), ({**report, "meta": {"security": [label("N")]}}, "release")):
        assert ask(under="indicators", resources=(each,)).outcome == outcome


def test_each_view_says_it_in_its_words_and_none_says_which_law() -> None:
    composed = {"entry": [{"resource": each} for each in (patient(), resource(), marked())]}
    decision, plain = asked(), asked(about=resource("Condition", "history", ["R"]))
    groups = path_outcomes(composed, decision, ())
    officer = "\n".join(for_officer(decision, groups))
    assert "a law forbids to tell it" in officer
    left = what_leaves(decision, composed)
    person = for_person(decision, left, kept_back(groups), arrived=True)
    assert "The law does not let us share some of it." in person
    assert "Our rules do not let us share this." not in person
    with_it = what_leaves(plain, composed)
    without = {kind: names for kind, names in with_it.items() if kind != "Condition"}
    recipient = for_recipient(decision, left, agreement("handover"))
    assert recipient == for_recipient(replace(plain, outcome=decision.outcome), without, agreement("handover"))
    for words in (officer, *person, *recipient):
        assert "gender" not in words.lower()


def test_the_table_says_what_each_code_is_by_which_section_and_from_where() -> None:
    rows = table("prohibitions").rows
    assert all(row["statute"] and row["provision"] and row["exception"] and row["source"] for row in rows)
    assert {row["opened_by"] for row in rows} == {"agreement", "nothing"}
    assert laws_opened_by_agreement() == OPENED
