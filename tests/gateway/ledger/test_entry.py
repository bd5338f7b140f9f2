"""Entries hold the closed vocabulary and opaque values, in one form only."""

import json
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from gateway.ledger import EntryError, LedgerEvent, record
from gateway.ledger.entry import decode, encode
from gateway.states import DeliveryState, MessageState
from gateway.store import MemoryStore
from gateway.store.schema import ledger_entry, ledger_position
from tests.gateway.ledger.lines import AT

GOOD: dict[str, Any] = {"entry_id": "E1", "chain": "C1", "step": 1, "event": "received", "at": AT, "facts": {}}


def test_every_state_is_a_word_of_the_ledger() -> None:
    assert {*MessageState, *DeliveryState} <= {event.value for event in LedgerEvent}


def test_an_entry_is_canonical_json_with_a_version() -> None:
    body = encode(**GOOD | {"facts": {"b": 1, "a": True, "c": "release"}})
    assert body == (
        b'{"at":"2026-01-15T12:00:00.000000Z","chain":"C1","event":"received",'
        b'"facts":{"a":true,"b":1,"c":"release"},"id":"E1","step":1,"v":1}'
    )
    assert decode(body)["facts"] == {"a": True, "b": 1, "c": "release"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"event": "emailed"},
        {"event": "RECEIVED"},
        {"step": 0},
        {"step": -1},
        {"step": True},
        {"at": "2026-01-15"},
        {"at": "2026-01-15T12:00:00.000000+00:00"},
        {"entry_id": ""},
        {"entry_id": "two words"},
        {"chain": ""},
        {"chain": "9990000018"},
        {"facts": {"nhs": "9990000018"}},
        {"facts": {"nhs": "999 000 0018"}},
        {"facts": {"number": 9990000018}},
        {"facts": {"prison": "A1234BC"}},
        {"facts": {"name": "Ann Example"}},
        {"facts": {"A": "x"}},
        {"facts": {"a b": "x"}},
        {"facts": {"list": ["x"]}},
        {"facts": {"none": None}},
        {"facts": {"fraction": 1.5}},
        {"facts": {f"f{number}": "x" * 200 for number in range(400)}},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_anything_else_is_refused_without_being_quoted(wrong: dict[str, Any]) -> None:
    store = MemoryStore.create()
    with pytest.raises(EntryError) as raised:
        store.write(lambda c: record(c, **GOOD | wrong))
    for value in ("9990000018", "A1234BC", "Ann"):
        assert value not in str(raised.value)
    with store.read() as c:
        assert c.execute(select(ledger_entry)).all() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"nonsense",
        b"\xff",
        b"[" * 100_000,
        encode(**GOOD).replace(b'"v":1', b'"v":2'),
        encode(**GOOD).replace(b",", b", ", 1),
        encode(**GOOD).replace(b'"step":1', b'"step":1.0'),
        encode(**GOOD).replace(b'"step":1', b'"step":1,"step":1'),
        encode(**GOOD).replace(b'"facts":{}', b'"facts":[]'),
        json.dumps(json.loads(encode(**GOOD)) | {"more": 1}, sort_keys=True, separators=(",", ":")).encode(),
    ],
    ids=range(12),
)
def test_bytes_in_another_form_are_no_entry(body: bytes) -> None:
    with pytest.raises(EntryError):
        decode(body)


def test_an_entry_is_part_of_its_transaction_and_has_no_position() -> None:
    store = MemoryStore.create()

    def fails(c: Any) -> None:
        record(c, **GOOD)
        raise LookupError

    with pytest.raises(LookupError):
        store.write(fails)
    with store.read() as c:
        assert c.execute(select(ledger_entry)).all() == []
    store.write(lambda c: record(c, **GOOD))
    with store.read() as c:
        assert len(c.execute(select(ledger_entry)).all()) == 1
        assert c.execute(select(ledger_position)).all() == []


def test_a_step_is_taken_once() -> None:
    store = MemoryStore.create()
    store.write(lambda c: record(c, **GOOD))
    with pytest.raises(IntegrityError):
        store.write(lambda c: record(c, **GOOD | {"entry_id": "E2"}))
