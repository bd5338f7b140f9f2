"""Meaning: what was sent was released before, what arrived was sent, and every move is one of states.py."""

from typing import Any

import pytest

from gateway.ledger.meaning import Meaning
from tests.gateway.ledger.lines import Line

Entry = tuple[str, str, dict[str, Any]]


def decided(decision: str = "X", outcome: str = "release", chain: str = "M", mark: str = "m") -> Entry:
    return chain, "decided", {"decision": decision, "outcome": outcome, "mark": mark}


def delivery(event: str, **facts: Any) -> Entry:
    return "D", event, facts


RECEIVED: Entry = ("M", "received", {})
QUEUED = delivery("queued", decision="X")
SENDING = delivery("sending", mark="m")

GOOD: dict[str, list[Entry]] = {
    "whole way": [RECEIVED, decided(), QUEUED, ("M", "released", {}), SENDING, delivery("delivered")],
    "reduced": [RECEIVED, decided(outcome="reduce"), QUEUED, SENDING, delivery("ambiguous")],
    "held, then released by a person": [
        RECEIVED,
        decided(outcome="hold"),
        delivery("held", decision="X"),
        decided("Y"),
        delivery("queued", decision="Y"),
        SENDING,
        delivery("delivered"),
        delivery("confirmed"),
    ],
    "asked again at the door": [
        RECEIVED,
        decided(),
        QUEUED,
        ("D", "decided", {"decision": "X", "outcome": "reduce"}),
        delivery("sending", decision="X", mark="m"),
        delivery("queued"),
        SENDING,
        delivery("delivered"),
    ],
    "a calendar report": [
        QUEUED,
        decided(outcome="counted", chain="D"),
        delivery("closed"),
        SENDING,
        delivery("delivered"),
    ],
    "withheld": [RECEIVED, decided(outcome="withhold"), delivery("withheld", decision="X")],
    "recalled": [RECEIVED, decided(), QUEUED, delivery("recalled")],
    "acts of people": [("A", "viewed", {}), ("A", "exported", {}), ("G", "genesis", {})],
}

BAD: dict[str, tuple[list[Entry], str]] = {
    "sent without a decision": ([QUEUED, SENDING], "D is sent without an earlier release"),
    "sent before its decision": ([QUEUED, SENDING, decided()], "D is sent without an earlier release"),
    "sent after a denial": ([decided(outcome="withhold"), QUEUED, SENDING], "without an earlier release"),
    "sent while held": ([decided(outcome="hold"), QUEUED, SENDING], "without an earlier release"),
    "sent under the decision of another": (
        [decided("Y"), QUEUED, SENDING],
        "without an earlier release",
    ),
    "denied again before it was sent": (
        [decided(), QUEUED, decided(outcome="withhold", chain="D"), SENDING],
        "without an earlier release",
    ),
    "a counted result that was sent": (
        [decided(outcome="counted"), QUEUED, SENDING],
        "without an earlier release",
    ),
    "other bytes": (
        [decided(), QUEUED, delivery("sending", mark="n")],
        "other bytes than were released",
    ),
    "bytes that nothing names": ([decided(), QUEUED, delivery("sending")], "other bytes than were released"),
    "bytes that no decision named": (
        [("M", "decided", {"decision": "X", "outcome": "release"}), QUEUED, SENDING],
        "other bytes than were released",
    ),
    "bytes that neither names": (
        [("M", "decided", {"decision": "X", "outcome": "release"}), QUEUED, delivery("sending")],
        "other bytes than were released",
    ),
    "arrived and never sent": ([decided(), QUEUED, delivery("delivered")], "delivered and was never sent"),
    "ambiguous and never sent": ([decided(), QUEUED, delivery("ambiguous")], "ambiguous and was never sent"),
    "sent after it was recalled": (
        [decided(), QUEUED, delivery("recalled"), SENDING],
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
