"""Engine and oracle agree on whether a privacy notice is missing, over the same generated consents, some of which are notices; and can disagree."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest

from consent.privacy_notice import is_missing
from tests.consent.oracle import oracle
from tests.consent.oracle.engine import asked_of_engine
from tests.consent.oracle.generator import CATEGORIES, SCOPE, question
from tests.consent.oracle.oracle import Question, notice_is_missing

QUESTIONS = 1_200
NPP = {"coding": [{"system": CATEGORIES, "code": "npp"}]}
PRIVACY = {"coding": [{"system": SCOPE, "code": "patient-privacy"}]}


def _noticed(seed: int) -> Question:
    """A generated question, most of whose consents are notices: alone, or with another category beside."""
    asked, random = question(seed, odd=seed % 2 == 1), Random(seed)
    consents = tuple(
        {**item, "scope": PRIVACY, "category": [NPP, *item["category"]] if random.random() < 0.15 else [NPP]}
        if random.random() < 0.8
        else item
        for item in asked.consents
    )
    return replace(asked, consents=consents)


def _engine(asked: Question) -> bool:
    judge, facts = asked_of_engine(asked)
    return is_missing(facts.consents, judge.about_person, asked.as_of)


def _disagreements(engine: Callable[[Question], bool] = _engine) -> Iterator[str]:
    for seed in range(QUESTIONS):
        asked = _noticed(seed)
        if engine(asked) is not notice_is_missing(asked):
            yield f"seed {seed}: oracle says {'missing' if notice_is_missing(asked) else 'given'}"


def test_the_engine_and_the_oracle_agree_on_the_notice() -> None:
    seen: Counter[bool] = Counter()

    def counting(asked: Question) -> bool:
        seen[answer := _engine(asked)] += 1
        return answer

    assert list(_disagreements(counting)) == []
    assert min(seen[True], seen[False]) >= QUESTIONS // 10, seen


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("_is_notice", lambda *_: True),
        ("_gives", lambda asked, number: asked.consents[number]["status"] == "active"),
        ("_may_be_theirs", lambda *_: False),
        ("_speaks", lambda *_: True),
        ("_modified", lambda _: False),
        ("_newer", lambda *_: True),
    ],
)
def test_a_wrong_reader_is_found(name: str, wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, name, wrong)
    assert next(_disagreements(), None) is not None, f"{name} may be wrong and nobody sees it"


def test_an_engine_that_believes_everybody_is_found() -> None:
    believing = _disagreements(lambda asked: _engine(replace(asked, narrowing=frozenset())))
    assert next(believing, None) is not None
