"""Meaning: what was sent was released before, what arrived was sent, and every move is one of states.py."""

from typing import Any

import pytest

from gateway.ledger.meaning import Meaning
from tests.gateway.ledger.lines import Line

Entry = tuple[str, str, dict[str, Any]]


def decided(decision: str = "X", outcome: str = "release", chain: str = "M", **facts: str) -> Entry:
    return chain, "decided", {"decision": decision, "outcome": outcome, **facts}


def delivery(event: str, **facts: Any) -> Entry:
    return "D", event, facts


RECEIVED: Entry = ("M", "received", {})
QUEUED = delivery("queued", decision="X")

GOOD: dict[str, list[Entry]] = {
    "whole way": [RECEIVED, decided(), QUEUED, ("M", "released", {}), delivery("sending"), delivery("delivered")],
    "reduced": [RECEIVED, decided(outcome="reduce"), QUEUED, delivery("sending"), delivery("ambiguous")],
    "held, then released by a person": [
        RECEIVED,
        decided(outcome="hold"),
        delivery("held", decision="X"),
        decided("Y"),
        delivery("queued", decision="Y"),
        delivery("sending"),
        delivery("delivered"),
        delivery("confirmed"),
    ],
    "asked again at the door": [
        RECEIVED,
        decided(mark="m"),
        QUEUED,
        decided(outcome="reduce", chain="D"),
        delivery("sending", decision="X", mark="m"),
        delivery("queued"),
        delivery("sending", mark="m"),
        delivery("delivered"),
    ],
    "a calendar report": [
        QUEUED,
        decided(outcome="counted", chain="D"),
        delivery("closed"),
        delivery("sending"),
        delivery("delivered"),
    ],
    "withheld": [RECEIVED, decided(outcome="withhold"), delivery("withheld", decision="X")],
    "recalled": [RECEIVED, decided(), QUEUED, delivery("recalled")],
    "acts of people": [("A", "viewed", {}), ("A", "exported", {}), ("G", "genesis", {})],
}

BAD: dict[str, tuple[list[Entry], str]] = {
    "sent without a decision": ([QUEUED, delivery("sending")], "D is sent without an earlier release"),
    "sent before its decision": ([QUEUED, delivery("sending"), decided()], "D is sent without an earlier release"),
    "sent after a denial": ([decided(outcome="withhold"), QUEUED, delivery("sending")], "without an earlier release"),
    "sent while held": ([decided(outcome="hold"), QUEUED, delivery("sending")], "without an earlier release"),
    "sent under the decision of another": (
        [decided("Y"), QUEUED, delivery("sending")],
        "without an earlier release",
    ),
    "denied again before it was sent": (
        [decided(), QUEUED, decided(outcome="withhold", chain="D"), delivery("sending")],
        "without an earlier release",
    ),
    "a counted result that was sent": (
        [decided(outcome="counted"), QUEUED, delivery("sending")],
        "without an earlier release",
    ),
    "other bytes": (
        [decided(mark="m"), QUEUED, delivery("sending", mark="n")],
        "other bytes than were released",
    ),
    "arrived and never sent": ([decided(), QUEUED, delivery("delivered")], "delivered and was never sent"),
    "ambiguous and never sent": ([decided(), QUEUED, delivery("ambiguous")], "ambiguous and was never sent"),
    "sent after it was recalled": (
        [decided(), QUEUED, delivery("recalled"), delivery("sending")],
        "D cannot be sending after recalled",
    ),
    "began delivered": ([delivery("delivered")], "D cannot be delivered at first"),
    "released twice": (
        [RECEIVED, ("M", "released", {}), ("M", "released", {})],
        "M cannot be released after released",
    ),
}


def faults(entries: list[Entry]) -> list[str]:
    meaning = Meaning()
    return [fault for entry in entries for fault in meaning.add(*entry)]


@pytest.mark.parametrize("name", GOOD)
def test_what_happens_is_right(name: str) -> None:
    assert faults(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_what_must_not_happen_is_named(name: str) -> None:
    entries, text = BAD[name]
    assert any(text in fault for fault in faults(entries))


def test_verify_asks_for_meaning() -> None:
    """A ledger that is whole, signed and wrong: the program itself sent what nobody released."""
    line = Line()
    line.enter("D", "queued", "sending", "delivered")
    line.seal()
    found = line.ledger.verify()
    assert found.covered == 3
    assert found.faults == ("position 1: delivery D is sent without an earlier release",)
