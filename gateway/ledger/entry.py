"""One ledger entry: canonical JSON with a version, closed words, ids and keyed commitments; and how it enters, without a position.

An entry MUST NOT hold anything about a person that can be read or linked without a key.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from gateway.ledger.events import LedgerEvent
from gateway.opaque import Opaque, is_name, is_opaque
from gateway.store.schema import ledger_entry
from gateway.store.statement import Statement

VERSION: Final = 1
FIRST_STEP: Final = 1
LARGEST_BYTES: Final = 65_535
"""So that an entry fits a bundle of C2SP tlog-tiles."""

_INSERT = Statement.insert(ledger_entry)
_CANONICAL: Final = msgspec.json.Encoder(order="sorted")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_EVENTS: Final = frozenset(LedgerEvent)
_MEMBERS: Final = frozenset({"v", "id", "chain", "step", "event", "at", "facts"})


class EntryError(ValueError):
    """What was to be recorded is not of the closed vocabulary, or not an id. The text names the member, never the value."""


def encode(*, entry_id: str, chain: str, step: int, event: str, at: str, facts: Mapping[str, Opaque]) -> bytes:
    """The entry's bytes, which its leaf hash is taken over: sorted members, no white space, ASCII. EntryError says which member may not be."""
    for name, text in (("entry_id", entry_id), ("chain", chain)):
        if not text or not is_opaque(text):
            raise EntryError(f"{name} is not an id")
    if event not in _EVENTS:
        raise EntryError("event is not a word of the ledger")
    if not isinstance(step, int) or isinstance(step, bool) or step < FIRST_STEP:
        raise EntryError("step counts from 1")
    if not _INSTANT.fullmatch(at):
        raise EntryError("at is not an instant of the store")
    for name, value in facts.items():
        if not is_name(name):
            raise EntryError("a fact's name is lower case letters, digits and _")
        if not is_opaque(value):
            raise EntryError(f"fact {name} is not an id, a closed word, a digest or a small number")
    body = _CANONICAL.encode(
        {
            "v": VERSION,
            "id": entry_id,
            "chain": chain,
            "step": step,
            "event": str(event),
            "at": at,
            "facts": dict(facts),
        }
    )
    if len(body) > LARGEST_BYTES:
        raise EntryError("the entry is too long")
    return body


def decode(body: bytes) -> dict[str, Any]:
    """An entry's members. EntryError when the bytes are not what `encode` makes for them."""
    try:
        members = msgspec.json.decode(body)
        again = _encode_again(members)
    except EntryError:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError, msgspec.MsgspecError):
        raise EntryError("not canonical JSON of an entry") from None
    if again != body:
        raise EntryError("not canonical JSON of an entry")
    return dict(members)


def _encode_again(members: Any) -> bytes:
    if not isinstance(members, dict) or members.keys() != _MEMBERS or members["v"] != VERSION:
        raise EntryError("not an entry of a version that this program knows")
    return encode(
        entry_id=members["id"],
        chain=members["chain"],
        step=members["step"],
        event=members["event"],
        at=members["at"],
        facts=members["facts"],
    )


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry to write: see `record`."""

    id: str
    chain: str
    step: int
    event: str
    at: str
    facts: Mapping[str, Opaque]


def record(
    c: Connection, *, entry_id: str, chain: str, step: int, event: str, at: str, facts: Mapping[str, Opaque]
) -> None:
    """Writes an entry in the caller's transaction, without a position.

    `chain` is the message, delivery or act that `step` counts for, from 1 without gaps. `at` is an instant of the store.
    `facts` are ids, closed words, digests under a key, small numbers. EntryError for anything else; the same (chain, step) twice is
    sqlalchemy.exc.IntegrityError.
    """
    record_all(c, (Entry(id=entry_id, chain=chain, step=step, event=event, at=at, facts=facts),))


def record_all(c: Connection, entries: Iterable[Entry]) -> None:
    """`record` for several at once."""
    # INVARIANT: every change of state writes its entry in the same transaction, without a position (DESIGN rule 7)
    _INSERT.many(
        c,
        [
            {
                "id": each.id,
                "chain": each.chain,
                "step": each.step,
                "body": encode(
                    entry_id=each.id,
                    chain=each.chain,
                    step=each.step,
                    event=each.event,
                    at=each.at,
                    facts=each.facts,
                ),
            }
            for each in entries
        ],
    )
