"""What the entries mean together: moves that states.py allows, nothing sent without an earlier release, nothing arrived that was not sent.

It reads entries in the order of their positions. What it needs of a `decided` entry: facts `outcome`, and `delivery` or `decision`;
of a delivery's first entry: its word, and `decision` when the decided entry names no delivery.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.states import DELIVERY_MOVES, DELIVERY_START, MESSAGE_MOVES, MESSAGE_START, DeliveryState, MessageState

_PERMITS = frozenset({"release", "reduce"})
_NEEDS_PERMIT = frozenset({DeliveryState.SENDING})
_NEEDS_SENDING = frozenset(
    {DeliveryState.DELIVERED, DeliveryState.CONFIRMED, DeliveryState.AMBIGUOUS, DeliveryState.REFUSED}
)


@dataclass
class _Chain:
    """What is known of one delivery or message so far."""

    message: bool
    state: StrEnum | None = None
    decisions: set[str] = field(default_factory=set)
    sent: bool = False


class Meaning:
    """Grows by one entry at a time; each answers what is wrong with it."""

    def __init__(self) -> None:
        self._chains: dict[str, _Chain] = {}
        self._permits: set[str] = set()  # decision ids and delivery ids that a release was decided for

    def add(self, chain: str, event: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """Sentences without the position, which the caller knows."""
        known = self._chains.setdefault(chain, _Chain(message=event in MESSAGE_START))
        if event == "decided":
            self._decided(chain, facts)
        decision = facts.get("decision")
        if isinstance(decision, str):
            known.decisions.add(decision)
        if known.message:
            return _moved(chain, known, MessageState, event, MESSAGE_START, MESSAGE_MOVES)
        faults = _moved(chain, known, DeliveryState, event, DELIVERY_START, DELIVERY_MOVES)
        if event in _NEEDS_PERMIT:
            known.sent = True
            if chain not in self._permits and not known.decisions & self._permits:
                faults += (f"delivery {chain} is sent without an earlier release",)
        if event in _NEEDS_SENDING and not known.sent:
            faults += (f"delivery {chain} is {event} and was never sent",)
        return faults

    def _decided(self, chain: str, facts: Mapping[str, Any]) -> None:
        if facts.get("outcome") in _PERMITS:
            self._permits |= {str(facts[name]) for name in ("delivery", "decision") if name in facts} or {chain}


def _moved(
    chain: str,
    known: _Chain,
    states: type[MessageState] | type[DeliveryState],
    event: str,
    start: frozenset[Any],
    moves: Mapping[Any, frozenset[Any]],
) -> tuple[str, ...]:
    """Is this word a state, and may this chain be in it now?"""
    if event not in frozenset(states):
        return ()
    allowed = start if known.state is None else moves[known.state]
    before = known.state
    known.state = states(event)
    if event in allowed:
        return ()
    return (f"{chain} cannot be {event}" + (f" after {before}" if before is not None else " at first"),)
