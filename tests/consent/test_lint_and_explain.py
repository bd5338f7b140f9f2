"""What is odd about a Consent, whether it could widen, and a decision in sentences."""

import re
from dataclasses import replace
from typing import Any

import pytest

from consent.codes import MOST_ASKED, pairs_asked
from consent.decide import RULES
from consent.explain import NOTHING_SENT, for_officer, for_person, for_recipient, what_leaves
from consent.lint import NEVER_WIDENS, TEXTS, lint, widens
from consent.minimise import minimise
from consent.nesting import pairs_nested
from consent.outcomes import path_outcomes
from consent.shapes import Outcome, Reason, Withheld
from tests.consent.letters import letter
from tests.consent.made import (
    ACTION,
    DIRECTORY,
    LABELS,
    NAMING,
    REASON,
    SNOMED,
    THEM,
    TYPES,
    US,
    actor,
    ask,
    code,
    fhir_consent,
    label,
    organization,
    patient,
    provision,
    purpose,
    registered,
    resource,
    subsumes,
)

Json = dict[str, Any]
YES, NO = provision("permit"), provision("deny")


@pytest.mark.parametrize(
    ("consent", "answer"),
    [
        (fhir_consent(YES), True),
        (fhir_consent(NO), False),
        (fhir_consent(rule="OPTIN"), True),
        (fhir_consent(rule="OPTOUT"), False),
        (fhir_consent(provision("deny", provision=[YES])), True),
        (fhir_consent(provision("deny", provision=[provision("deny", provision=[YES])])), True),
        (fhir_consent(provision(provision=[provision(actor=[actor()])]), rule="OPTOUT"), True),
        (fhir_consent(YES, status="rejected"), False),
        (fhir_consent(YES, status="inactive"), False),
        (fhir_consent(YES, status="entered-in-error"), False),
        (fhir_consent(provision=["?"]), True),
        (fhir_consent(provision("deny", provision="?")), True),
        (fhir_consent(status="active"), False),
    ],
)
def test_could_it_permit_anything(consent: Json, *, answer: bool) -> None:
    assert widens(consent) is answer


@pytest.mark.parametrize(
    ("consent", "rule"),
    [
        (fhir_consent(YES, rule="OPTOUT"), "dialect-mixed"),
        (fhir_consent(provision(purpose=[purpose()])), "dialect-unknown"),
        (fhir_consent(provision("permit", provision=[provision(actor=[actor()])])), "type-missing"),
        (fhir_consent(provision("permit", provision=[YES])), "same-type"),
        (fhir_consent(provision("permit", provision=[provision("deny", provision=[YES])])), "too-deep"),
        (
            fhir_consent(
                provision(
                    "permit", purpose=[purpose("TREAT")], provision=[provision("deny", purpose=[purpose("HRESCH")])]
                )
            ),
            "unreachable",
        ),
        (
            fhir_consent(
                provision("permit", period={"end": "2025"}, provision=[provision("deny", period={"start": "2026"})])
            ),
            "unreachable",
        ),
        (
            fhir_consent(
                provision(
                    "permit", provision=[provision("permit", actor=[actor()]), provision("deny", actor=[actor()])]
                )
            ),
            "contradiction",
        ),
        (fhir_consent(provision("deny", actor=[{"reference": {"reference": "Organization/gone"}}])), "dangling-actor"),
        (fhir_consent(provision("deny", actor=[{"reference": {"reference": "#gone"}}])), "dangling-actor"),
        (fhir_consent(provision("permit", period={"end": "2027"})), "ends"),
        (fhir_consent(provision("permit", provision=[provision("deny", period={"end": "2027"})])), "denial-ends"),
        (fhir_consent(provision("permit", period={"start": "2027", "end": "2026"})), "never"),
        (fhir_consent(provision("permit", extension=[{"url": "urn:x"}])), "unsupported"),
        (fhir_consent(YES, implicitRules="urn:x"), "not-understood"),
        (fhir_consent(YES, verification=[{"verified": False}]), "unverified"),
    ],
)
def test_lint(consent: Json, rule: str) -> None:
    found = {remark.rule: remark.text for remark in lint(consent, DIRECTORY)}
    assert found[rule] == TEXTS[rule]


def coded(first: int, count: int) -> list[Json]:
    return [code(str(first + each)) for each in range(count)]


def actors(name: str, count: int) -> list[Json]:
    return [{"reference": {"reference": f"Organization/{name}-{each}"}} for each in range(count)]


@pytest.mark.parametrize(
    "consent",
    [
        fhir_consent(
            provision("deny", code=coded(1, 9_000), provision=[provision("permit", code=coded(90_000, 9_000))])
        ),
        fhir_consent(
            provision("deny", actor=actors("a", 900), provision=[provision("permit", actor=actors("b", 900))])
        ),
        fhir_consent(provision("deny", provision=[provision("permit", id=str(each)) for each in range(9_000)])),
    ],
)
def test_what_is_too_wide_is_compared_with_nothing(consent: Json) -> None:
    """Compared, each of them would keep everybody waiting for minutes: this test would not end."""
    assert pairs_nested(consent) == ()
    assert "too-wide" in {remark.rule for remark in lint(consent)} & NEVER_WIDENS


def test_an_ordinary_list_of_codes_is_compared() -> None:
    consent = fhir_consent(
        provision("deny", code=coded(1, 30), provision=[provision("permit", code=coded(90_000, 30))])
    )
    assert len(pairs_nested(consent)) == 2 * 30 * 30
    assert "too-wide" not in {remark.rule for remark in lint(consent)}


def test_a_decision_asks_no_more_pairs_than_it_may_and_the_narrow_consent_first() -> None:
    """What it does not ask is unknown; the same code is the same without being asked."""
    wide = fhir_consent(provision("deny", code=coded(1, MOST_ASKED)))
    narrow = fhir_consent(provision("deny", code=[code("7")]))
    letter_of_two = [resource("Observation", name, None, code=code(name)) for name in ("88", "99")]
    of_narrow = pairs_asked(registered(narrow), letter_of_two)
    assert of_narrow
    assert pairs_asked(registered(wide, narrow), letter_of_two) == of_narrow
    assert len(pairs_asked(registered(fhir_consent(provision("deny", code=coded(1, 100)))), letter_of_two)) > 100


TABLE = subsumes(SUD=["OPIOIDUD"], HIV=[])
CODES = {(f"{SNOMED}|{one}", f"{SNOMED}|{other}"): False for one, other in (("1", "2"), ("2", "1"))}
ACTIONS = [{"coding": [{"system": ACTION, "code": each}]} for each in ("collect", "disclose")]
CLASS = "https://throughgate.example/code/recipient-class"
DEPARTMENT = organization("department", "RXA01-1", partOf={"reference": "Organization/us"})
TEAM = {"resourceType": "CareTeam", "id": "team", "participant": [{"member": {"reference": "Organization/us"}}]}


def of(name: str) -> Json:
    return {"reference": {"reference": name}}


def of_class(name: str) -> Json:
    return {"role": {"coding": [{"system": CLASS, "code": name}]}}


def inside(outer: str, inner: str, **elements: tuple[Any, Any]) -> Json:
    """Core R4: one provision in another; each element as the outer and the inner one has it."""
    held = provision(inner, **{name.rstrip("_"): [pair[1]] for name, pair in elements.items()})
    return fhir_consent(
        provision(
            provision=[
                provision(outer, provision=[held], **{name.rstrip("_"): [pair[0]] for name, pair in elements.items()})
            ]
        ),
        rule="OPTIN",
    )


def kind(name: str) -> Json:
    return {"system": TYPES, "code": name}


@pytest.mark.parametrize(
    ("consent", "apart"),
    [
        (inside("permit", "deny", actor=(actor(US), actor(THEM))), True),
        (inside("permit", "deny", actor=(actor(US), actor(US))), False),
        (inside("permit", "deny", actor=(of("Organization/us"), of("Organization/them"))), True),
        (inside("permit", "deny", actor=(of("Organization/us"), of("Organization/department"))), False),
        (inside("permit", "deny", actor=(of("Organization/department"), of("Organization/us"))), False),
        (inside("permit", "deny", actor=(of("CareTeam/team"), of("Organization/them"))), False),
        (inside("permit", "deny", actor=(of("Organization/us"), of("Organization/gone"))), False),
        (inside("permit", "deny", actor=(of_class("gp"), of_class("pharmacy"))), True),
        (inside("permit", "deny", actor=(of_class("gp"), actor(US))), False),
        (inside("permit", "deny", class_=(kind("Observation"), kind("MedicationRequest"))), True),
        (inside("permit", "deny", class_=(kind("Resource"), kind("MedicationRequest"))), False),
        (inside("permit", "deny", class_=(kind("Observation"), {"system": "urn:x", "code": "Observation"})), False),
        (inside("permit", "deny", action=(ACTIONS[0], ACTIONS[1])), True),
        (inside("permit", "deny", action=(ACTIONS[0], ACTIONS[0])), False),
        (inside("permit", "deny", code=(code("1"), code("2"))), True),
        (inside("permit", "deny", code=(code("1"), code("3"))), False),
        (inside("permit", "permit", securityLabel=(label("SUD"), label("HIV"))), True),
        (inside("permit", "permit", securityLabel=(label("SUD"), label("OPIOIDUD"))), False),
        (inside("permit", "deny", securityLabel=(label("SUD"), label("HIV"))), False),
        (inside("deny", "permit", securityLabel=(label("R"), label("N"))), True),
        (inside("deny", "permit", securityLabel=(label("N"), label("R"))), False),
        (inside("permit", "permit", securityLabel=(label("R"), label("N"))), False),
        (
            fhir_consent(
                provision(
                    "permit", class_=[kind("Observation")], provision=[provision("deny", class_=[kind("Patient")])]
                )
            ),
            False,
        ),
        (
            fhir_consent(
                provision(
                    "deny", class_=[kind("Observation")], provision=[provision("permit", class_=[kind("Patient")])]
                )
            ),
            True,
        ),
    ],
)
def test_what_lies_outside_the_provision_above_it(consent: Json, *, apart: bool) -> None:
    """In whatever element it lies outside; said only where it is sure."""
    found = {remark.rule for remark in lint(consent, (*DIRECTORY, DEPARTMENT, TEAM), {**TABLE, **CODES})}
    assert ("unreachable" in found) is apart


def test_a_plain_consent_has_no_remark() -> None:
    plain = fhir_consent(
        provision(
            "permit",
            purpose=[{"system": REASON, "code": "TREAT"}],
            actor=[actor(), {"reference": {"reference": "Organization/us"}}],
        )
    )
    assert lint(plain, DIRECTORY) == ()
    assert {remark.rule for remark in lint(plain)} == {"dangling-actor"}


def test_a_decision_in_sentences() -> None:
    denies = fhir_consent(provision("permit", provision=[provision("deny", securityLabel=[label("HIV")])]))
    decision = ask(
        denies, resources=(patient(), resource(), resource("Observation", "hiv", ["R", "HIV"])), table=LABELS
    )
    sentences = for_officer(decision, ())
    assert sentences[0] == "The handover was released to the community provider without some of its parts."
    assert (
        "Observation (1) stays back: a recorded consent denies it (consent c1 version 1 at provision.provision[0])."
        in sentences
    )
    assert decision.agreement_digest in sentences[-1]


@pytest.mark.parametrize(
    ("decision", "outcome", "word"),
    [
        (ask(), Outcome.RELEASE, "was released"),
        (ask(fhir_consent(status="rejected")), Outcome.WITHHOLD, "was withheld"),
        (
            ask(fhir_consent(provision("deny", actor=[{"reference": {"reference": "Organization/gone"}}]))),
            Outcome.HOLD,
            "is held",
        ),
        (ask(under="report"), Outcome.COUNTED, "was counted"),
        (ask(as_of="?"), Outcome.HOLD, "is held"),
    ],
)
def test_every_outcome_has_its_sentence(decision: Any, outcome: Outcome, word: str) -> None:
    assert decision.outcome is outcome
    assert word in for_officer(decision, path_outcomes(None, decision, ()))[0]


def a_letter(*consents: Json) -> tuple[Any, Json]:
    """A decided handover and what it was decided about."""
    composed = letter("handover")
    return ask(*consents, resources=[entry["resource"] for entry in composed["entry"]], table=LABELS), composed


WITHHELD = (("Patient.identifier", "identifier-system"), ("Observation/1234", "consent-deny"))
BACK = tuple(Withheld(path=path, rule=rule) for path, rule in WITHHELD)


def test_an_explanation_names_nobody() -> None:
    decision, composed = a_letter()
    left = what_leaves(decision, composed)
    views = (
        *for_officer(decision, path_outcomes(composed, decision, BACK)),
        *for_person(decision, left, WITHHELD, arrived=True),
        *for_recipient(decision, left, None),
    )
    for name in ("Gatewood", "9990000018", "A1234BC", "Patient/patient", "methadone", "1234"):
        assert name not in " ".join(views).replace(decision.agreement_digest, "")


def test_the_officer_reads_what_left_and_what_stayed_back_path_by_path() -> None:
    decision, composed = a_letter()
    sentences = for_officer(decision, path_outcomes(composed, decision, BACK))
    assert any(line.startswith("Leaves: ") and "Patient.birthDate" in line for line in sentences)
    assert not any("narrative" in line or "meta" in line for line in sentences)
    assert (
        "Leaves in part: Patient.identifier, the agreement does not name this system of identifiers (identifier-system)."
        in sentences
    )
    assert "Stays back: Observation, a recorded consent denies it (consent-deny)." in sentences


def test_what_is_said_to_leave_is_what_minimise_lets_leave() -> None:
    """Another way to the same answer: the elements of the letter that really came out."""
    decision, composed = a_letter()
    out: dict[str, set[str]] = {}
    for entry in minimise(composed, decision, NAMING).bundle["entry"]:
        kind = entry["resource"]["resourceType"]
        out.setdefault(kind, set()).update(entry["resource"].keys() - {"id", "resourceType", "text"})
    said = {kind: set(names) for kind, names in what_leaves(decision, composed).items()}
    assert out
    assert out.keys() == said.keys()
    for kind, names in out.items():
        assert names <= said[kind], kind


def test_a_recipient_cannot_tell_whether_anything_was_withheld() -> None:
    """Released whole or reduced: the same sentences; withheld, held or counted: the same one."""
    whole, composed = a_letter()
    left = what_leaves(whole, composed)
    reduced = replace(whole, outcome=Outcome.REDUCE, reasons=(), withheld_marker=True)
    assert for_recipient(whole, left, None) == for_recipient(reduced, left, None)
    for outcome in (Outcome.WITHHOLD, Outcome.HOLD, Outcome.COUNTED):
        assert for_recipient(replace(whole, outcome=outcome), {}, None) == (NOTHING_SENT,)
    assert "withh" not in " ".join(for_recipient(reduced, left, None))


def syllables(word: str) -> int:
    return max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e\b", "", word.lower()))))


def grade(sentences: Any) -> float:
    """Flesch-Kincaid: the school year of the United States that reads it; year 4 is age 9 to 10."""
    words = re.findall(r"[A-Za-z']+", " ".join(sentences))
    return 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("recipient", ["community-provider", "pharmacy", "prison-security", "ndtms"])
def test_the_person_reads_it_at_nine(outcome: Outcome, recipient: str) -> None:
    made, composed = a_letter()
    left = what_leaves(made, composed)
    decision = replace(made, outcome=outcome, recipient_class=recipient)
    sentences = for_person(decision, left if outcome in (Outcome.RELEASE, Outcome.REDUCE) else {}, (), arrived=True)
    assert grade(sentences) <= 4.5, (grade(sentences), sentences)
    assert max(len(one.split()) for one in sentences) <= 14
    for rule in RULES:
        assert f"({rule})" not in " ".join(sentences)


def test_the_measure_of_reading_can_fail() -> None:
    decision, composed = a_letter()
    assert grade(for_officer(decision, path_outcomes(composed, decision, BACK))) > 6


def test_the_person_hears_whose_word_it_was() -> None:
    refused, _ = a_letter(fhir_consent(status="rejected"))
    assert refused.outcome is Outcome.WITHHOLD
    assert "You asked us not to share this." in for_person(refused, {}, (), arrived=False)
    ended = replace(refused, reasons=(Reason(rule="agreement-ended", text=""),), votes=())
    assert "Our rules do not let us share this." in for_person(ended, {}, (), arrived=False)
    made, composed = a_letter()
    left = what_leaves(made, composed)
    assert "- your medicine" in for_person(made, left, (), arrived=True)
    assert "They have it now." in for_person(made, left, (), arrived=True)
    assert "They do not have it yet." in for_person(made, left, (), arrived=False)
