"""Engine and oracle agree on what a statute forbids, over the same generated consents, some of which name the law; and can disagree."""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.consent.oracle import oracle
from tests.consent.oracle.engine import engine_forbids, engine_votes
from tests.consent.oracle.generator import ACT, ODS, PARTICIPATION, SENSITIVE, STRANGE, TABLE, _label, _nodes, question
from tests.consent.oracle.oracle import LAW, Question, is_forbidden, vote

Json = dict[str, Any]
QUESTIONS = 240
OPENED = frozenset({"one", "two"})
CODES = ("one", "one", "one", "two", "other")
KNOWN = [code for code in SENSITIVE if code not in STRANGE]
EVERY_LABEL = [_label(code) for code in ("V", *KNOWN)]
TO_US = {
    "role": {"coding": [{"system": PARTICIPATION, "code": "IRCP"}]},
    "reference": {"identifier": {"system": ODS, "value": "RXA01"}},
}


_NAMES = [*(f"{LAW}|{code}" for code in sorted(set(CODES))), *(f"{ACT}|{code}" for code in KNOWN)]
UNRELATED = {(one, other): False for one in _NAMES for other in _NAMES if one != other and LAW in one + other}
"""A law and a topic are not each other, nor are two laws (fhir_profiles/subsumption.py)."""


def _law(random: Random) -> Json:
    return {"system": LAW, "code": random.choice(CODES)}


def _protected(seed: int) -> Question:
    """A generated question, most of whose resources a law protects, and some of whose provisions say so, or to whom, or both."""
    asked, random = question(seed), Random(f"law {seed}")
    consents = deepcopy(asked.consents)
    for node in (node for item in consents for node in _nodes(item)):
        if random.random() < 0.6:
            node["securityLabel"] = [*EVERY_LABEL, *(_law(random) for _ in range(random.choice((0, 1, 1, 2))))]
        if random.random() < 0.6:
            node["actor"] = [TO_US]
    for item in consents:
        if random.random() < 0.6:
            item.pop("policyRule", None)
            laws = [{"system": LAW, "code": code} for code in sorted(set(CODES)) if random.random() < 0.8]
            below = item.get("provision", {}).get("provision", [])[:1] if random.random() < 0.3 else []
            own = {"type": "permit", "securityLabel": [*EVERY_LABEL, *laws], "actor": [TO_US]}
            item["provision"] = {**own, **({"provision": below} if below else {})}
    return replace(
        asked,
        consents=consents,
        resources=tuple(_marked(random, each) for each in asked.resources),
        subsumes={**TABLE, **UNRELATED},
        recipient_class=random.choice(("gp",) * 5 + ("probation",)),
        purposes=random.choice((("TREAT",),) * 4 + (asked.purposes,)),
    )


def _marked(random: Random, resource: Json) -> Json:
    held = [each for each in resource.get("meta", {}).get("security", []) if each["code"] not in STRANGE]
    laws = [_law(random) for _ in range(random.choice((0, 1, 1, 1, 2)))]
    return {**resource, "meta": {"security": [*(held or [_label("R")]), *laws]}}


def _said(item: Json) -> set[str]:
    return {one["code"] for one in item.get("securityLabel", [])}


def _engine(asked: Question) -> list[bool]:
    return engine_forbids(asked, OPENED)


def _disagreements(engine: Callable[[Question], list[bool]] = _engine) -> Iterator[str]:
    for seed in range(QUESTIONS):
        asked = _protected(seed)
        expected = [is_forbidden(asked, each, OPENED) for each in asked.resources]
        if engine(asked) != expected:
            yield f"seed {seed}: oracle says {expected}"
        elif engine_votes(asked) != [vote(asked, each) for each in asked.resources]:
            yield f"seed {seed}: another vote"


def test_the_engine_and_the_oracle_agree_on_what_a_law_forbids() -> None:
    seen: Counter[tuple[bool, bool]] = Counter()

    def counting(asked: Question) -> list[bool]:
        answered = _engine(asked)
        seen.update((bool(oracle._laws(each)), no) for each, no in zip(asked.resources, answered, strict=True))
        return answered

    assert list(_disagreements(counting)) == []
    assert min(seen[True, True], seen[True, False], seen[False, False]) >= QUESTIONS // 20, seen
    assert not seen[False, True]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        pytest.param("_agreed", lambda *_: True, id="whoever agrees"),
        pytest.param("_agreed", lambda item, resource: oracle._laws(resource) <= _said(item), id="to whomever"),
        pytest.param("_agreed", lambda item, resource: "actor" in item or not oracle._laws(resource), id="to whatever"),
        pytest.param("_laws", lambda _: set(), id="no law"),
        pytest.param("TREATING", ("gp", "probation"), id="whoever asks"),
        pytest.param("_is_under", lambda *_: True, id="whatever for"),
    ],
)
def test_a_wrong_reader_is_found(name: str, wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, name, wrong)
    assert next(_disagreements(), None) is not None, f"{name} may be wrong and nobody sees it"


def test_an_engine_that_knows_every_law_is_found() -> None:
    knowing = _disagreements(lambda asked: engine_forbids(asked, frozenset(CODES)))
    assert next(knowing, None) is not None
