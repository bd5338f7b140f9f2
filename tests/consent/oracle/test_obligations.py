"""Engine and oracle agree on what may not leave because of something that nobody would do, over the same generated consents, some of which permit
on a condition; and can disagree.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from consent import decide, obligations
from tests.consent.oracle import oracle
from tests.consent.oracle.engine import engine_leaves
from tests.consent.oracle.generator import ACT, SENSITIVE, STRANGE, TABLE, _label, _nodes, question
from tests.consent.oracle.oracle import Question, leaves
from tests.faults.account import SHARE

Json = dict[str, Any]
QUESTIONS = max(120, int(50_000 * SHARE))
DONE = ("AOD", "MINEC", "CPLYCD")
CODES = (*DONE, "NORDSCLCD", "DELAU", "HUAPRV", "NOPAT", "RefrainPolicy")
KNOWN = [code for code in SENSITIVE if code not in STRANGE]
EVERY_LABEL = [_label(code) for code in ("V", *KNOWN)]
_NAMES = [f"{ACT}|{code}" for code in (*CODES, *KNOWN)]
UNRELATED = {(one, other): False for one in _NAMES for other in _NAMES if one != other and (one, other) not in TABLE}
"""A topic and a duty are not each other (fhir_profiles/subsumption.py)."""


def _bound(seed: int) -> Question:
    """A generated question, some of whose resources and provisions ask for something to be done."""
    kinds: tuple[dict[str, bool], ...] = ({}, {"wide": True}, {"odd": True})
    asked, random = question(seed, **kinds[seed % 3], unread=seed % 4 == 1), Random(f"owed {seed}")
    consents = deepcopy(asked.consents)
    for node in (node for item in consents for node in _nodes(item)):
        if random.random() < 0.5:
            seen = EVERY_LABEL if random.random() < 0.8 else node.get("securityLabel", [])
            node["securityLabel"] = [*seen, *_asks(random)] or EVERY_LABEL
    for item in consents:
        if item["status"] == "active" and random.random() < 0.4:
            item["provision"] = _plain_yes(random, item.get("provision", {}))
            item.pop("policyRule", None)
    return replace(
        asked,
        consents=consents,
        resources=tuple(_marked(random, each) for each in asked.resources),
        subsumes={**TABLE, **(UNRELATED if random.random() < 0.8 else {})},
    )


def _asks(random: Random) -> list[Json]:
    return [{"system": ACT, "code": random.choice(CODES)} for _ in range(random.choice((0, 1, 1, 2)))]


def _plain_yes(random: Random, before: Json) -> Json:
    """A yes to most things, so that its conditions come to matter; what was nested may stay."""
    if random.random() < 0.3:
        below = [{"type": "permit", "securityLabel": [*EVERY_LABEL, *_asks(random)]}]
    else:
        below = before.get("provision", [])[:1] if random.random() < 0.5 else []
    return {
        "type": "permit",
        "securityLabel": [*EVERY_LABEL, *_asks(random)],
        **({"provision": below} if below else {}),
    }


def _marked(random: Random, resource: Json) -> Json:
    if random.random() > 0.2:
        return resource
    if random.random() < 0.2:
        inner = {"resourceType": "Medication", "id": "inner", "meta": {"security": _asks(random)}}
        return {**resource, "contained": [inner]}
    held = resource.get("meta", {}).get("security", [])
    return {**resource, "meta": {**resource.get("meta", {}), "security": [*(held or [_label("R")]), *_asks(random)]}}


def _disagreements(questions: int, engine: Callable[[Question], list[str]] = engine_leaves) -> Iterator[str]:
    for seed in range(questions):
        asked = _bound(seed)
        expected = [leaves(asked, each) for each in asked.resources]
        answered = engine(asked)
        if answered != expected:
            yield f"seed {seed}: oracle {expected}, engine {answered}"


def test_the_engine_and_the_oracle_agree_on_what_is_owed() -> None:
    seen: Counter[str] = Counter()

    def counting(asked: Question) -> list[str]:
        answered = engine_leaves(asked)
        seen.update(answered)
        return answered

    assert list(_disagreements(QUESTIONS, counting)) == []
    assert min(seen[one] for one in ("permit", "deny", "hold", "owed")) >= QUESTIONS // 20, seen


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        pytest.param("DONE_ANYWAY", frozenset(), id="nothing is done anyway"),
        pytest.param("DONE_ANYWAY", oracle.TO_BE_DONE, id="all is done anyway"),
        pytest.param("_bound", lambda _: [], id="a resource binds nobody"),
        pytest.param("_permitting", lambda *_: [], id="a yes has no terms"),
        pytest.param("_permitting", lambda asked, _: asked.consents, id="whoever spoke has terms"),
        pytest.param("_conditions", lambda item, _: item.get("securityLabel", []), id="only the root has terms"),
    ],
)
def test_a_wrong_reader_is_found(name: str, wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, name, wrong)
    assert next(_disagreements(QUESTIONS), None) is not None, f"{name} may be wrong and nobody sees it"


@pytest.mark.parametrize("name", ["owed_for", "owed_by"])
def test_an_engine_that_ignores_an_obligation_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obligations, name, lambda _: False)
    assert next(_disagreements(QUESTIONS), None) is not None, f"{name} may be forgotten and nobody sees it"


def test_an_engine_that_makes_a_wish_of_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer that turns what is owed into a denial, left out of the decision."""
    monkeypatch.setattr(decide, "_obliged", lambda voted, *_: voted)
    assert next(_disagreements(QUESTIONS), None) is not None
