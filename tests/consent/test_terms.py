"""What the recipient must know leaves with every letter; and only that, word for word, goes by this rule."""

from dataclasses import replace
from typing import Any

import pytest

from consent.codes import pairs_asked
from consent.decide import TERMS
from consent.minimise import minimise
from consent.shapes import Agreement, Decision
from fhir_profiles.compose import LETTERS, NOTICE, compose, with_caveats, with_caveats_apart
from fhir_profiles.render import WIRES, render
from fhir_profiles.shapes import Composed
from fhir_profiles.subsumption import subsumes
from fhir_profiles.wires.fhir_document import document
from fhir_profiles.wires.narrative import escaped
from tests.consent import made
from tests.fhir_profiles.letters.files import AS_OF, HEADING, REPORTS, case

Json = dict[str, Any]
WORDS = made.ASKS_FIRST.text["caveats"]
REFUSED = made.fhir_consent(status="rejected")
NO_COMMUNICATION = made.provision("deny", class_=[{"system": made.TYPES, "code": "Communication"}])


def terms(**more: Any) -> Json:
    said = {"resourceType": "Communication", "id": "terms", "status": "completed", **more}
    return {"payload": [{"contentString": WORDS}], **said}


def test_no_consent_covers_them_and_they_are_no_letter() -> None:
    both = made.fhir_consent(made.provision("permit", provision=[NO_COMMUNICATION]))
    decision = made.ask(both, under=made.ASKS_FIRST, resources=(made.patient(), made.resource(), terms()))
    assert (decision.outcome, made.rule(decision, "Communication/terms")) == ("release", TERMS)
    for said in (
        REFUSED,
        made.fhir_consent(
            made.provision(
                "permit", provision=[made.provision("deny", class_=[{"system": made.TYPES, "code": "Observation"}])]
            )
        ),
    ):
        alone = made.ask(said, under=made.ASKS_FIRST, resources=(made.patient(), made.resource(), terms()))
        assert alone.outcome == "withhold", "a letter of nothing but its terms would say that there is one"
    frame = made.ask(REFUSED, resources=(made.patient(), made.resource("Communication", "note"), terms()))
    assert frame.outcome == "withhold"


@pytest.mark.parametrize(
    "changed",
    [
        {"subject": {"reference": "Patient/patient"}},
        {"payload": [{"contentString": f"{WORDS} "}]},
        {"payload": [{"contentString": WORDS}, {"contentString": WORDS}]},
        {"status": "in-progress"},
        {"note": [{"text": "more"}]},
    ],
)
def test_whatever_says_another_word_is_decided_like_the_rest(changed: Json) -> None:
    decision = made.ask(REFUSED, resources=(made.patient(), made.resource(), terms(**changed)))
    assert made.rule(decision, "Communication/terms") == "dissent"


def test_an_agreement_without_words_has_no_terms() -> None:
    silent = replace(made.ASKS_FIRST, text={**made.ASKS_FIRST.text, "caveats": ""})
    empty = terms(payload=[{"contentString": ""}])
    assert (
        made.rule(made.ask(REFUSED, under=silent, resources=(made.patient(), empty)), "Communication/terms")
        == "dissent"
    )


def _about_people() -> list[Agreement]:
    every = [made.agreement(path.stem) for path in sorted(made.AGREEMENTS.glob("*.toml"))]
    return [
        each for each in every if each.text.get("caveats") and each.letter in LETTERS and each.letter not in REPORTS
    ]


@pytest.mark.parametrize("agreed", _about_people(), ids=lambda each: each.name)
def test_each_agreement_lets_its_own_words_leave(agreed: Agreement) -> None:
    """In the notice, and beside it where a consent keeps that back."""
    words = agreed.text["caveats"]
    assert "Communication.payload.contentString" in agreed.paths
    composed = with_caveats(compose(agreed.letter, *case(agreed.letter), AS_OF), words)
    apart = with_caveats_apart(composed, words)
    assert with_caveats_apart(apart, words) == apart, "made again it is the same letter"
    assert NOTICE in {
        f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in composed.bundle["entry"]
    }
    assert made.rule(_without_its_notice(agreed, apart), "Communication/terms") == TERMS


def _without_its_notice(agreed: Agreement, letter: Composed) -> Decision:
    """The person lets everything go but what is said about the letter."""
    resources = [each["resource"] for each in letter.bundle["entry"]]
    whose = next(each["id"] for each in resources if each["resourceType"] == "Patient")
    said = made.provision("permit", provision=[NO_COMMUNICATION])
    consent = made.fhir_consent(said, patient={"reference": f"Patient/{whose}"})
    table = subsumes(pairs_asked(made.registered(consent), resources))
    return made.ask(consent, under=agreed, resources=resources, table=table)


NOT_WITHOUT_IT = {"correction", "harm-disclosure"}
"""Letters of which nothing leaves where their notice does not."""


@pytest.mark.parametrize("agreed", _about_people(), ids=lambda each: each.name)
def test_they_are_read_on_each_wire_where_the_notice_does_not_leave(agreed: Agreement) -> None:
    words = agreed.text["caveats"]
    letter = with_caveats_apart(with_caveats(compose(agreed.letter, *case(agreed.letter), AS_OF), words), words)
    decision = _without_its_notice(agreed, letter)
    if agreed.letter in NOT_WITHOUT_IT:
        assert decision.outcome == "withhold"
        return
    left = minimise(letter.bundle, decision, made.NAMING).bundle
    is_document = any(each["resource"]["resourceType"] == "Composition" for each in left["entry"])
    said = {wire: render(left, wire, HEADING).text.decode() for wire in WIRES if is_document or wire != "fhir-document"}
    # a line of text has no full stop at its end
    assert {wire: words.removesuffix(".") in text for wire, text in said.items()} == dict.fromkeys(said, True)
    if is_document:
        (told,) = (each["fullUrl"] for each in left["entry"] if each["resource"].get("payload"))
        sections = document(left, HEADING)["entry"][0]["resource"]["section"]
        (held,) = (each for each in sections if {"reference": told} in each.get("entry", ()))
        assert escaped(words.removesuffix(".")) in held["text"]["div"]
