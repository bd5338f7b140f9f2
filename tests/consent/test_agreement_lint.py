"""What is odd about an agreement is said to whoever signs it; what is shipped has nothing odd in it."""

import re
from dataclasses import replace

import pytest

from consent.agreement_file import read_agreement
from consent.agreement_lint import TEXTS, lint
from consent.shapes import Agreement, Outcome
from tests.consent.made import AGREEMENTS, agreement

HANDOVER = agreement("handover")
PSEUDONYMOUS = agreement("evaluation-extract")
NHS = "https://fhir.nhs.uk/Id/nhs-number"


def with_words(**more: str) -> Agreement:
    return replace(HANDOVER, text={**HANDOVER.text, **more})


def without(*outcomes: Outcome) -> Agreement:
    return replace(HANDOVER, examples=tuple(item for item in HANDOVER.examples if item.expect not in outcomes))


def covered() -> Agreement:
    one = HANDOVER.fields[0]
    inner = replace(one, path="Patient.name.family", why="another reason")
    return replace(HANDOVER, fields=(*HANDOVER.fields, replace(one, path="Patient.name", why="a reason"), inner))


@pytest.mark.parametrize(
    ("odd", "rule"),
    [
        (with_words(review=HANDOVER.text["ends"]), "review-after-end"),
        (without(Outcome.WITHHOLD, Outcome.REDUCE, Outcome.HOLD), "refusal-not-shown"),
        (without(Outcome.HOLD), "unknown-not-shown"),
        (covered(), "path-covered"),
        (
            replace(PSEUDONYMOUS, identifier_systems=(*PSEUDONYMOUS.identifier_systems, NHS)),
            "identifier-beside-pseudonym",
        ),
        (replace(HANDOVER, name="handover-again"), "twice"),
    ],
)
def test_each_oddity_is_said(odd: Agreement, rule: str) -> None:
    assert rule in {remark.rule for remark in lint(odd, [HANDOVER])}


def test_every_rule_has_its_case() -> None:
    source = test_each_oddity_is_said.pytestmark[0].args[1]  # type: ignore[attr-defined]  # pytest keeps its marks there
    assert {rule for _, rule in source} == set(TEXTS)


def test_what_is_shipped_has_no_remark() -> None:
    shipped = [read_agreement(file.read_text("utf-8"), file.stem) for file in sorted(AGREEMENTS.glob("*.toml"))]
    assert len(shipped) > 10
    found = {one.name: [remark.rule for remark in lint(one, shipped)] for one in shipped}
    assert {name: rules for name, rules in found.items() if rules} == {}


def test_an_agreement_is_not_its_own_double_nor_that_of_another_class() -> None:
    other = replace(HANDOVER, name="elsewhere", recipient_class="receiving-prison")
    assert not re.search("twice", str(lint(HANDOVER, [HANDOVER, other])))
