"""What leaves the ledger to be checked elsewhere: all of it as one file, or a few entries with their proofs.

`deploy/verify_ledger.py` reads both and needs nothing of ours. An export MUST NOT hold anything that is not in the tree, signed, or public.

The export, a line each, UTF-8: a JSON object {"format", "origin", "keys", "former", "checkpoints", "entries"}; then that many checkpoints,
each a signed note as a JSON string, the last one the head; then that many entries, each byte for byte what its leaf hash is taken over.
"""

import base64
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from gateway.errors import ThroughgateError
from gateway.ledger import note
from gateway.ledger.entry import EntryError, decode
from gateway.ledger.note import Head, NoteError
from gateway.ledger.proofs import Hashes, consistency_from
from gateway.ledger.tree import HASH_BYTES, leaf_hash
from gateway.ledger.verify import PIECE, Signed
from gateway.store.schema import ledger_entry, ledger_head, ledger_position

EXPORT: Final = "throughgate-ledger-export-v1"
PROOF: Final = "throughgate-ledger-proof-v1"
_ID: Final = re.compile(rb'.*"id":"([^"]+)","step":[0-9]+,"v":[0-9]+}', re.DOTALL)


class NotProvable(ThroughgateError):
    """There is no proof of this: no such entry, none under the signed head yet, or a ledger that is not whole."""


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """An entry at its position."""

    position: int
    entry_id: str
    chain: str
    body: bytes


def head_of(signed: Signed) -> Head:
    """The signed head. NotProvable where there is none of ours."""
    try:
        return note.read(signed.text or "", signed.origin, *signed.keys.current)
    except NoteError as error:
        raise NotProvable(f"the head file is missing or not ours ({error}): `throughgate ledger verify`") from None


def export_lines(signed: Signed) -> Iterator[bytes]:
    """The export, a line at a time. It holds what is under the signed head; what is newer is in the next one."""
    head = head_of(signed)
    notes = [text for size, text in _checkpoints(signed) if size < head.size]
    yield _line(
        {
            "format": EXPORT,
            **_public(signed),
            "checkpoints": len(notes) + 1,
            "entries": head.size,
        }
    )
    for text in (*notes, signed.text):
        yield _line(text)
    for leaf in leaves(signed.c, head.size):
        yield leaf.body + b"\n"


def prove_entry(signed: Signed, entry_id: str) -> dict[str, Any]:
    """The proof of one entry. NotProvable when there is no such entry under the signed head."""
    return prove(signed, {"entry": entry_id}, {entry_id})


def prove_delivery(signed: Signed, delivery_id: str) -> dict[str, Any]:
    """Everything that the ledger says of one delivery, and what was decided for it, each with its proof."""
    size = head_of(signed).size
    chain = f'"chain":"{delivery_id}"'.encode()
    # INVARIANT: whose an entry is its bytes say: a row that was moved to another chain leaves nothing out of a proof
    own = [
        made for leaf in leaves(signed.c, size) if chain in leaf.body and (made := _read(leaf))["chain"] == delivery_id
    ]
    decisions = tuple(
        f'"decision":"{each["facts"]["decision"]}"'.encode() for each in own if "decision" in each["facts"]
    )
    decided = {
        _id_of(leaf.body)
        for leaf in leaves(signed.c, size)
        if b'"event":"decided"' in leaf.body and any(each in leaf.body for each in decisions)
    }
    return prove(signed, {"delivery": delivery_id}, decided | {str(each["id"]) for each in own})


def _read(leaf: Leaf) -> dict[str, Any]:
    try:
        return decode(leaf.body)
    except EntryError as error:
        raise NotProvable(f"position {leaf.position}: {error}: `throughgate ledger verify`") from None


def prove(signed: Signed, about: Mapping[str, str], chosen: Collection[str]) -> dict[str, Any]:
    """The entries of these ids that are under the signed head, each with its path there; and that the head goes on from the first one
    that was signed with all of them. `about` says what they are proofs of. NotProvable when none is there.
    """
    return Prover(signed, chosen).prove(about, chosen)


class Prover:
    """Proofs under one signed head: the ledger is read once, for however many are asked."""

    def __init__(self, signed: Signed, chosen: Collection[str]) -> None:
        """`chosen`: the ids of every entry that is going to be proved. NotProvable where the ledger does not lead to its signed head."""
        self._signed = signed
        self._head = head_of(signed)
        self._found: dict[str, Leaf] = {}
        hashes: list[bytes] = []
        for leaf in leaves(signed.c, self._head.size):
            hashes.append(leaf_hash(leaf.body))
            # INVARIANT: an entry is the one that its bytes say: a row under another id leaves nothing out of a proof
            entry_id = _id_of(leaf.body) or leaf.entry_id
            if entry_id in chosen:
                self._found.setdefault(entry_id, leaf)
        self._tree = Hashes(hashes)
        if self._tree.root(self._head.size) != self._head.root:
            raise NotProvable("the ledger does not lead to its signed head: `throughgate ledger verify` says where")

    def prove(self, about: Mapping[str, str], chosen: Collection[str]) -> dict[str, Any]:
        """As the function of this name, for some of those that were named at first."""
        size = self._head.size
        found = sorted((self._found[each] for each in chosen if each in self._found), key=lambda leaf: leaf.position)
        if not found:
            raise NotProvable("no entry under the signed head says anything of this id: has the gateway signed since?")
        first = self._first_with(found[-1].position)
        return {
            "format": PROOF,
            **_public(self._signed),
            "about": dict(about),
            "checkpoint": self._signed.text,
            "entries": [
                {
                    "position": leaf.position,
                    "entry": leaf.body.decode(),
                    "path": _base64(self._tree.inclusion(leaf.position, size)),
                }
                for leaf in found
            ],
            "consistency": None
            if first is None
            else {"checkpoint": first[1], "path": _base64(self._tree.consistency(first[0], size))},
        }

    def _first_with(self, position: int) -> tuple[int, str] | None:
        """The first head that was signed with this position, where it is not the last one: size and note."""
        row = self._signed.c.execute(
            select(ledger_head.c.size, ledger_head.c.note)
            .where(ledger_head.c.size > position, ledger_head.c.size < self._head.size)
            .order_by(ledger_head.c.size)
            .limit(1)
        ).first()
        return None if row is None else (row.size, row.note)


def _id_of(body: bytes) -> str:
    """The id in an entry's bytes: in canonical form it stands behind the facts. Empty where there is none."""
    found = _ID.fullmatch(body)
    return found[1].decode() if found else ""


def continues(signed: Signed, old: int) -> list[bytes]:
    """That the signed head continues the tree of the first `old` entries. NotProvable when there were never so many."""
    head = head_of(signed)
    if old > head.size:
        raise NotProvable(f"{old} entries were signed once, {head.size} are here")
    row = signed.c.execute(select(ledger_head.c.frontier).where(ledger_head.c.size == old)).one_or_none()
    kept = [] if row is None else [row.frontier[at : at + HASH_BYTES] for at in range(0, len(row.frontier), HASH_BYTES)]
    start = old if len(kept) == old.bit_count() else 0
    newer = list(
        signed.c.scalars(
            select(ledger_position.c.leaf_hash)
            .where(ledger_position.c.position >= start, ledger_position.c.position < head.size)
            .order_by(ledger_position.c.position)
        )
    )
    return consistency_from(old, kept, newer) if start == old else Hashes(newer).consistency(old, head.size)


def leaves(c: Connection, size: int) -> Iterator[Leaf]:
    """The first `size` entries in order, in pieces: a long ledger does not have to fit into memory. NotProvable where one is missing."""
    query = (
        select(ledger_position.c.position, ledger_entry.c.id, ledger_entry.c.chain, ledger_entry.c.body)
        .join_from(ledger_position, ledger_entry, ledger_entry.c.id == ledger_position.c.entry_id)
        .order_by(ledger_position.c.position)
        .limit(PIECE)
    )
    found = 0
    while found < size and (rows := c.execute(query.where(ledger_position.c.position >= found)).all()):
        for row in rows[: size - found]:
            if row.position != found:
                break
            yield Leaf(position=row.position, entry_id=row.id, chain=row.chain, body=row.body)
            found += 1
        else:
            continue
        break
    if found < size:
        raise NotProvable(f"position {found} is not there: `throughgate ledger verify`")


def _checkpoints(signed: Signed) -> Iterator[tuple[int, str]]:
    """Size and note of every head that was kept, smallest first."""
    for row in signed.c.execute(select(ledger_head.c.size, ledger_head.c.note).order_by(ledger_head.c.size)):
        yield row.size, row.note


def _public(signed: Signed) -> dict[str, Any]:
    return {
        "origin": signed.origin,
        "keys": [note.vkey(signed.origin, key) for key in signed.keys.current],
        "former": [note.vkey(signed.origin, key) for key in signed.keys.former],
    }


def _base64(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
