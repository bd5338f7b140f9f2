"""`check_world`: every rule of DESIGN section 2 that can be seen from outside, asserted over a line at the end of a test.

It reads the store, the ledger and what neighbours really received; it shares no logic with the line.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from gateway.pipeline import Gateway
from gateway.states import DELIVERY_MOVES, DELIVERY_START, MESSAGE_MOVES, MESSAGE_START, DeliveryState, MessageState
from gateway.store.schema import attempt, decision, delivery, ledger_entry, message, metadata, sealed
from tests.line import Got, Line

Json = dict[str, Any]
LEAVES = frozenset({"release", "reduce"})


def check_world(
    line: Line, *, accepted: Sequence[bytes] | None = None, settled: bool = True, restored: bool = False
) -> None:
    """Raises AssertionError with the name of the rule that does not hold. `restored`: of what left after the copy was made the store knows nothing."""
    gateway = line.gateway
    rows = _read(gateway)
    nothing_acknowledged_is_lost(gateway, rows, line.accepted if accepted is None else accepted)
    states_are_legal(rows)
    got = {name: each.got for name, each in line.neighbours.items()}
    everything_received_was_permitted(rows, got)
    if not restored:
        nothing_sent_twice_under_one_intent(rows, Counter(each.key for requests in got.values() for each in requests))
    no_effect_twice(each.effects for each in line.neighbours.values())
    order_holds(rows)
    nothing_left_under_another_decision(rows)
    if settled:
        nothing_is_forgotten(rows)
    ledger_verifies(gateway)


class Rows:
    """One snapshot of what is clear in the store."""

    def __init__(self, gateway: Gateway) -> None:
        with gateway.store.read() as c:
            self.messages = c.execute(select(message).order_by(message.c.sequence)).all()
            self.deliveries = c.execute(select(delivery).order_by(delivery.c.sequence)).all()
            self.decisions = {row.id: row for row in c.execute(select(decision))}
            self.attempts = c.execute(select(attempt).order_by(attempt.c.intent_at)).all()
            entries = c.execute(select(ledger_entry).order_by(ledger_entry.c.sequence)).all()
        self.entries = [json.loads(entry.body) for entry in entries]


def _read(gateway: Gateway) -> Rows:
    return Rows(gateway)


def nothing_acknowledged_is_lost(gateway: Gateway, rows: Rows, accepted: Iterable[bytes]) -> None:
    """Rule 1: what was acknowledged is in the store, once."""
    kept = [row.body_index for row in rows.messages if row.key_index is not None]
    assert len(kept) == len(set(kept)), "a message was kept twice"
    for body in accepted:
        index = gateway.keys.index("message-body", hashlib.sha256(body).hexdigest())
        assert index in kept, "an acknowledged message is not in the store"


def states_are_legal(rows: Rows) -> None:
    """Every chain of the ledger is a walk through MOVES, and ends where the row stands, without a gap in its steps."""
    chains: dict[str, list[Json]] = defaultdict(list)
    for entry in rows.entries:
        chains[entry["chain"]].append(entry)
    for row in rows.messages:
        _walk(chains[row.id], row, MESSAGE_START, MESSAGE_MOVES, MessageState)
    for row in rows.deliveries:
        _walk(chains[row.id], row, DELIVERY_START, DELIVERY_MOVES, DeliveryState)


def _walk(entries: list[Json], row: Any, start: Any, moves: Any, states: Any) -> None:
    assert [entry["step"] for entry in entries] == list(range(1, row.step + 1)), f"{row.id}: steps have a gap"
    words = [states(entry["event"]) for entry in entries if entry["event"] in set(states)]
    assert words, f"{row.id}: no entry of its state"
    assert words[0] in start, f"{row.id}: starts as {words[0]}"
    for before, after in pairwise(words):
        assert after in moves[before], f"{row.id}: {before} -> {after}"
    assert words[-1] == row.state, f"{row.id}: the ledger says {words[-1]}, the row {row.state}"


def everything_received_was_permitted(rows: Rows, got: Mapping[str, Sequence[Got]]) -> None:
    """Rules 2, 4, 5: whatever arrived anywhere was sealed by a decision to release, for that recipient, with an intent before."""
    known = {row.id: row for row in rows.deliveries}
    intents = {row.delivery_id for row in rows.attempts}
    for recipient, requests in got.items():
        for each in requests:
            row = known.get(each.key)
            assert row is not None, f"{recipient} got a letter that no delivery knows"
            assert row.recipient == recipient, f"{recipient} got the letter of {row.recipient}"
            assert hashlib.sha256(each.body).hexdigest() == row.digest, f"{recipient} got other bytes than were sealed"
            assert rows.decisions[row.decision_id].outcome in LEAVES, f"{recipient} got a letter that was not released"
            assert each.key in intents, f"{recipient} got a letter without an intent"


def nothing_sent_twice_under_one_intent(rows: Rows, sent: Mapping[str, int]) -> None:
    """Rule 5: every send has an intent of its own before it. `sent`: how often a letter was sent, also where a repeat had no effect."""
    intents = Counter(row.delivery_id for row in rows.attempts)
    for key, times in sent.items():
        assert times <= intents[key], f"a letter was sent {times} times under {intents[key]} intents"


def no_effect_twice(effects: Iterable[Sequence[Got]]) -> None:
    """Rule 11: one delivery has one effect."""
    keys = [each.key for got in effects for each in got]
    assert len(keys) == len(set(keys)), "a delivery had its effect twice"


def order_holds(rows: Rows) -> None:
    """Rule 10: letters that change something reach a recipient in the order of their release, person by person."""
    first: dict[str, str] = {}
    for row in rows.attempts:
        if row.outcome == "delivered":
            first.setdefault(row.delivery_id, row.intent_at)
    seen: dict[tuple[str, str], str] = {}
    for row in rows.deliveries:
        if row.whole_picture or row.person_id is None or row.id not in first:
            continue
        line = (row.person_id, row.recipient)
        assert first[row.id] > seen.get(line, ""), f"{row.id} overtook an earlier letter to {row.recipient}"
        seen[line] = first[row.id]


def nothing_left_under_another_decision(rows: Rows) -> None:
    """Rule 4: an intent names a decision that was made before it, and its bytes; every intent's letter was released."""
    permits: set[str] = set()
    for entry in rows.entries:
        facts = entry["facts"]
        if entry["event"] == "decided" and facts.get("outcome") in LEAVES:
            permits.add(facts["decision"])
        if entry["event"] == "sending":
            assert facts["decision"] in permits, "an intent before its decision"


def nothing_is_forgotten(rows: Rows) -> None:
    """At rest no message is still received and nothing is still on its way without a time to go on."""
    assert not [row for row in rows.messages if row.state == "received"], "a message was left behind"
    assert not [
        row.id for row in rows.deliveries if row.state == "queued" and row.attempts == 0 and not _waits(rows, row)
    ], "a letter was left behind"


def _waits(rows: Rows, row: Any) -> bool:
    open_states = {"queued", "waiting", "sending", "ambiguous", "parked", "held"}
    return any(
        other.person_id == row.person_id and other.sequence < row.sequence and other.state in open_states
        for other in rows.deliveries
    ) or any(other.person_id == row.person_id and other.state == "parked" for other in rows.messages)


def ledger_verifies(gateway: Gateway) -> None:
    """Rule 7: the tree holds up to the signed head, and the head covers everything."""
    gateway.ledger.sequence()
    gateway.ledger.sign_head()
    found = gateway.ledger.verify()
    assert found.verified, found.faults
    assert found.uncovered == 0, f"{found.uncovered} entries without a head"


def no_canary(texts: Mapping[str, bytes], canaries: Iterable[str]) -> None:
    """Nothing of a person stands where anybody can read it. `texts` by the name of the place."""
    for place, text in texts.items():
        for canary in canaries:
            assert canary.encode() not in text, f"a canary stands in {place}"


def clear_columns(gateway: Gateway) -> bytes:
    """Everything in the store but ciphertext: what an operator with the database can read."""
    lines = []
    with gateway.store.read() as c:
        for table in metadata.sorted_tables:
            columns = [column for column in table.columns if not (table is sealed and column.name == "ciphertext")]
            lines += [repr(tuple(row)) for row in c.execute(select(*columns))]
    return "\n".join(lines).encode()
