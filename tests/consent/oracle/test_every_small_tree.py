"""Every small provision tree, not a sample: both dialects, a root and at most two nested, each with at most one limit of a small set.

`make test` takes one limit of each kind of answer (matches, does not, matches some resources, not known); THROUGHGATE_SOAK takes two values
of each element. MUST NEVER draw anything: the same trees each time, counted.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import combinations_with_replacement, product
from typing import Any

import pytest

from tests.consent import made
from tests.consent.oracle import oracle
from tests.consent.oracle.engine import engine_votes
from tests.consent.oracle.generator import DIRECTORY, TABLE, TYPES
from tests.consent.oracle.oracle import Question, vote
from tests.faults.account import SOAKING

Json = dict[str, Any]
FEW: Sequence[Json] = (
    {},
    {"actor": [made.actor(made.THEM)]},
    {"actor": [{**made.actor(), "reference": {"reference": "Organization/missing"}}]},
    {"securityLabel": [made.label("SUD")]},
    {"dataPeriod": {"start": "2026"}},
)
MANY: Sequence[Json] = (
    *FEW,
    {"actor": [made.actor()]},
    {"purpose": [made.purpose("TREAT")]},
    {"purpose": [made.purpose("HRESCH")]},
    {"action": [made.code("disclose", made.ACTION)]},
    {"action": [made.code("collect", made.ACTION)]},
    {"period": {"start": "2026"}},
    {"period": {"end": "2025"}},
    {"securityLabel": [made.label("N")]},
    {"class": [{"system": TYPES, "code": "Observation"}]},
    {"class": [{"system": TYPES, "code": "MedicationRequest"}]},
    {"code": [made.code("1000")]},
    {"code": [made.code("9999")]},
    {"data": [{"meaning": "instance", "reference": {"reference": "Observation/one"}}]},
    {"data": [{"meaning": "dependents", "reference": {"reference": "Observation/one"}}]},
    {"dataPeriod": {"end": "2025"}},
)
LIMITS = MANY if SOAKING else FEW
RESOURCES = (
    made.resource(code=made.code("1001"), effectiveDateTime="2026-01-10"),
    made.resource(
        "MedicationRequest",
        "two",
        labels=["N"],
        medicationCodeableConcept=made.code("1003"),
        supportingInformation=[{"reference": "Observation/one"}],
    ),
)


def trees(limits: Sequence[Json]) -> Iterator[Json]:
    """Consents: 4 bases x the root's limit x (nothing, one, two beside each other in one order, two below each other)."""
    nested = [{"type": kind, **limit} for kind, limit in product(("permit", "deny"), limits)]
    below: list[list[Json]] = [[], *([item] for item in nested)]
    below += [list(pair) for pair in combinations_with_replacement(nested, 2)]
    below += [[{**outer, "provision": [inner]}] for outer, inner in product(nested, nested)]
    for (kind, rule), limit, under in product(
        ((None, "OPTIN"), (None, "OPTOUT"), ("permit", None), ("deny", None)), limits, below
    ):
        root = made.provision(kind, **limit, **({"provision": under} if under else {}))
        yield made.fhir_consent(root or None, rule=rule)


def ask(consent: Json) -> Question:
    return Question(
        recipient=frozenset({(made.ODS, made.US)}),
        recipient_class="gp",
        roles=(),
        purposes=("TREAT",),
        action="disclose",
        as_of=datetime.fromisoformat(made.AS_OF),
        default="permit",
        resources=RESOURCES,
        consents=(consent,),
        directory={f"{item['resourceType']}/{item['id']}": item for item in DIRECTORY},
        subsumes=TABLE,
    )


@pytest.mark.slow
def test_the_engine_and_the_oracle_agree_on_every_small_tree() -> None:
    answers: Counter[str] = Counter()
    wrong = []
    asked = 0
    for consent in trees(LIMITS):
        question = ask(consent)
        expected = [vote(question, resource) for resource in RESOURCES]
        answers.update(expected)
        asked += 1
        if engine_votes(question) != expected:
            wrong.append((consent.get("policyRule"), consent.get("provision"), expected))

    nested = 2 * len(LIMITS)
    assert asked == 4 * len(LIMITS) * (1 + nested + nested * (nested + 1) // 2 + nested * nested)
    assert wrong == []
    assert min(answers[one] for one in ("permit", "deny", "hold")) >= asked // 20, answers


def test_a_reader_that_flips_the_type_of_a_nested_provision_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: "each level reverses permit and deny", which is how two public engines read the tree (consent.md 1.3, group 3)."""
    read = oracle._provision

    def flipped(world: oracle.World, item: Json, kind: str, resource: Json, *, pcf: bool) -> str | None:
        below = [{**one, "type": "deny" if kind == "permit" else "permit"} for one in item.get("provision", [])]
        return read(world, {**item, "provision": below}, kind, resource, pcf=pcf)

    monkeypatch.setattr(oracle, "_provision", flipped)

    questions = (ask(consent) for consent in trees(FEW[:2]))
    assert any(engine_votes(one) != [vote(one, item) for item in RESOURCES] for one in questions)
