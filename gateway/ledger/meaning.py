"""What the entries mean together: moves that states.py allows, nothing sent without an earlier release, nothing arrived that was not sent.

It reads entries in the order of their positions. It understands these facts: of `decided`, `decision`, `outcome`, `mark` (the keyed
commitment to the letter's bytes) and `kept` (the id of what was sealed with it); of a delivery's own entries, `decision` (the one in
force from there on) and `mark`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.states import DELIVERY_MOVES, DELIVERY_START, MESSAGE_MOVES, MESSAGE_START, DeliveryState, MessageState

_PERMITS = frozenset({"release", "reduce"})
_WORDS: Mapping[type[StrEnum], frozenset[str]] = {states: frozenset(states) for states in (MessageState, DeliveryState)}
_NEEDS_SENDING = frozenset(
    {DeliveryState.DELIVERED, DeliveryState.CONFIRMED, DeliveryState.AMBIGUOUS, DeliveryState.REFUSED}
)


@dataclass
class _Decision:
    """The last that was decided under an id."""

    chain: str = ""
    outcome: str = ""
    mark: str = ""
    kept: str = ""

    def lets_go(self, delivery: str) -> bool:
        """A calendar report is `counted` in its own delivery's chain; a result that was counted in a message's chain goes nowhere."""
        return self.outcome in _PERMITS or (self.outcome == "counted" and self.chain == delivery)


@dataclass
class _Chain:
    """What is known of one delivery or message so far."""

    message: bool
    state: StrEnum | None = None
    decision: str = ""
    sent: bool = False


class Meaning:
    """Grows by one entry at a time; each answers what is wrong with it."""

    def __init__(self) -> None:
        self._chains: dict[str, _Chain] = {}
        self._decisions: dict[str, _Decision] = {}

    def add(self, chain: str, event: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """Sentences without the position, which the caller knows."""
        known = self._chains.setdefault(chain, _Chain(message=event in MESSAGE_START))
        if event == "decided":
            self._decided(chain, facts)
        if known.message:
            return _moved(chain, known, MessageState, event, MESSAGE_START, MESSAGE_MOVES)
        known.decision = str(facts.get("decision", known.decision or chain))
        faults = _moved(chain, known, DeliveryState, event, DELIVERY_START, DELIVERY_MOVES)
        if event == DeliveryState.SENDING:
            known.sent = True
            faults += self._sending(chain, known, facts)
        if event in _NEEDS_SENDING and not known.sent:
            faults += (f"delivery {chain} is {event} and was never sent",)
        return faults

    def kept_with(self, decision: str) -> str | None:
        """The id of what was sealed with it; empty where its entry does not say, None where no entry decides it."""
        found = self._decisions.get(decision)
        return None if found is None else found.kept

    def _decided(self, chain: str, facts: Mapping[str, Any]) -> None:
        decision = self._decisions.setdefault(str(facts.get("decision", chain)), _Decision())
        decision.chain = chain
        decision.outcome = str(facts.get("outcome", ""))
        decision.mark = str(facts.get("mark", decision.mark))
        decision.kept = decision.kept or str(facts.get("kept", ""))

    def _sending(self, chain: str, known: _Chain, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """INVARIANT checked: nothing leaves without an earlier decision that lets exactly these bytes go."""
        decision = self._decisions.get(known.decision, _Decision())
        if not decision.lets_go(chain):
            return (f"delivery {chain} is sent without an earlier release",)
        if not decision.mark or facts.get("mark") != decision.mark:
            return (f"delivery {chain} is sent with other bytes than were released",)
        return ()


def _moved(
    chain: str,
    known: _Chain,
    states: type[MessageState] | type[DeliveryState],
    event: str,
    start: frozenset[Any],
    moves: Mapping[Any, frozenset[Any]],
) -> tuple[str, ...]:
    """Is this word a state, and may this chain be in it now?"""
    if event not in _WORDS[states]:
        return ()
    allowed = start if known.state is None else moves[known.state]
    before = known.state
    known.state = states(event)
    if event in allowed:
        return ()
    return (f"{chain} cannot be {event}" + (f" after {before}" if before is not None else " at first"),)
