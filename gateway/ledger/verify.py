"""Checks a ledger against its signed head: structure (nothing changed, removed, swapped, inserted, cut off) and meaning.

It only reads. What it cannot know it says: how many entries the signed head does not cover.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, func, select

from gateway.ledger import note
from gateway.ledger.entry import FIRST_STEP, EntryError, decode
from gateway.ledger.events import LedgerEvent
from gateway.ledger.meaning import Meaning
from gateway.ledger.note import Head, NoteError
from gateway.ledger.tree import Tree, leaf_hash
from gateway.store.schema import decision, ledger_entry, ledger_head, ledger_position

MOST_FAULTS = 100
PIECE = 1_000


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found.

    `entries`: in the database. `covered`: under the signed head. `uncovered`: the rest, which an edit could still change unseen.
    `root`: the signed root, hex. `verified`: no fault. `faults`: sentences with positions and ids, at most `MOST_FAULTS`.
    `epochs`: a sentence for each time that a person took a ledger into use which did not continue its head. It is no fault, and it is
    never left unsaid: entries that were signed once are not here.
    """

    entries: int
    covered: int
    uncovered: int
    root: str
    verified: bool
    faults: tuple[str, ...]
    epochs: tuple[str, ...] = ()
    unbound: int = 0
    """Decisions whose sealed content is kept and which were entered before an entry said which it is."""


class _Faults:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        if len(self.texts) < MOST_FAULTS:
            self.texts.append(text)


@dataclass(frozen=True, kw_only=True)
class PublicKeys:
    """Whose signature holds: under the head file one of `current`, under a head that was kept in the database also one of `former`."""

    current: tuple[Ed25519PublicKey, ...]
    former: tuple[Ed25519PublicKey, ...]


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A ledger at one moment: `c` is a snapshot, `text` the head file of then, None where it is missing."""

    c: Connection
    text: str | None
    keys: PublicKeys
    origin: str


def verify(ledger: Signed, elsewhere: Sequence[str] = ()) -> Verification:
    """`elsewhere` are signed heads from other places, which the ledger must lead to."""
    c, keys, origin = ledger.c, ledger.keys, ledger.origin
    faults = _Faults()
    # INVARIANT: a key that was rotated out signs no head file: only what was kept in its time holds
    head = _read_head(ledger.text, keys.current, origin, faults)
    signed = _signed_heads(c, (*keys.current, *keys.former), origin, head, faults)
    _add_elsewhere(elsewhere, (*keys.current, *keys.former), origin, signed, faults)
    epochs: list[str] = []
    meaning = Meaning()
    size = _walk(c, signed, faults, epochs, meaning)
    if head is not None and size < head.size:
        faults.add(f"cut off: {head.size} entries were signed, {size} are there")
    entries = c.scalar(select(func.count()).select_from(ledger_entry)) or 0
    _check_waiting(c, faults, meaning)
    unbound = _check_kept(c, faults, meaning)
    covered = min(head.size, size) if head is not None else 0
    return Verification(
        entries=entries,
        covered=covered,
        uncovered=max(entries - covered, 0),
        root=head.root.hex() if head is not None else "",
        verified=not faults.texts,
        faults=tuple(faults.texts),
        epochs=tuple(epochs),
        unbound=unbound,
    )


def _read_head(head_text: str | None, keys: tuple[Ed25519PublicKey, ...], origin: str, faults: _Faults) -> Head | None:
    if head_text is None:
        faults.add("head file: missing")
        return None
    try:
        return note.read(head_text, origin, *keys)
    except NoteError as error:
        faults.add(f"head file: {error}")
        return None


def _signed_heads(
    c: Connection, keys: tuple[Ed25519PublicKey, ...], origin: str, head: Head | None, faults: _Faults
) -> dict[int, bytes]:
    """Size -> root that the tree must have there: of the head file and of every head kept in the database."""
    signed: dict[int, bytes] = {}
    for row in c.execute(select(ledger_head).order_by(ledger_head.c.size)):
        try:
            kept = note.read(row.note, origin, *keys)
        except NoteError as error:
            faults.add(f"kept head {row.size}: {error}")
            continue
        if (kept.size, kept.root) != (row.size, row.root):
            faults.add(f"kept head {row.size}: its row says otherwise than its note")
        signed[kept.size] = kept.root
    if head is not None:
        latest = max(signed, default=0)
        if latest > head.size:
            faults.add(f"head file: older than the head of {latest} that was signed after it")
        if signed.get(head.size, head.root) != head.root:
            faults.add(f"head file: another root than the kept head of {head.size}")
        signed[head.size] = head.root
    return signed


def _add_elsewhere(
    elsewhere: Sequence[str],
    keys: tuple[Ed25519PublicKey, ...],
    origin: str,
    signed: dict[int, bytes],
    faults: _Faults,
) -> None:
    """What was signed and kept where an editor of this place cannot reach."""
    latest = max(signed, default=0)
    for text in elsewhere:
        try:
            head = note.read(text, origin, *keys)
        except NoteError as error:
            faults.add(f"head from elsewhere: {error}")
            continue
        if head.size > latest:
            faults.add(f"head from elsewhere: {head.size} entries were signed, here are heads up to {latest} only")
        if signed.setdefault(head.size, head.root) != head.root:
            faults.add(f"fork: two roots were signed for the first {head.size} entries")


def _rows(c: Connection) -> Iterator[tuple[int, str, bytes, str | None, int | None, bytes | None]]:
    """In pieces, so that a long ledger does not have to fit into memory."""
    query = (
        select(
            ledger_position.c.position,
            ledger_position.c.entry_id,
            ledger_position.c.leaf_hash,
            ledger_entry.c.chain,
            ledger_entry.c.step,
            ledger_entry.c.body,
        )
        .outerjoin(ledger_entry, ledger_entry.c.id == ledger_position.c.entry_id)
        .order_by(ledger_position.c.position)
        .limit(PIECE)
    )
    rows = c.execute(query).all()
    while rows:
        for row in rows:
            yield row.position, row.entry_id, row.leaf_hash, row.chain, row.step, row.body
        rows = c.execute(query.where(ledger_position.c.position > rows[-1].position)).all()


def _walk(c: Connection, signed: dict[int, bytes], faults: _Faults, epochs: list[str], meaning: Meaning) -> int:
    """Every position in order; answers how many there are."""
    tree = Tree()
    last_steps: dict[str, int] = {}
    _check_root(tree, signed, faults)
    for position, entry_id, leaf, chain, step, body in _rows(c):
        if position != tree.size:
            faults.add(f"position {tree.size}: missing, {position} follows")
            return tree.size
        if body is None or chain is None or step is None:
            faults.add(f"position {position}: entry {entry_id} was removed")
            return tree.size
        found = leaf_hash(body)
        if found != leaf:
            faults.add(f"position {position}: entry {entry_id} was changed")
        tree.append(found)
        _check_root(tree, signed, faults)
        if step != last_steps.get(chain, FIRST_STEP - 1) + 1:
            faults.add(f"position {position}: step {step} of chain {chain} is out of order")
        last_steps[chain] = step
        members = _check_body(f"position {position}", body, (entry_id, chain, step), faults)
        if members is not None:
            for text in meaning.add(chain, str(members["event"]), members["facts"]):
                faults.add(f"position {position}: {text}")
            if members["event"] == LedgerEvent.EPOCH_BEGAN:
                epochs.append(_epoch(position, members["facts"]))
    return tree.size


def _epoch(position: int, facts: Mapping[str, Any]) -> str:
    """What a person passed over there."""
    former, size = int(facts["former_size"]), int(facts["size"])
    if not former:
        return f"position {position}: a new epoch; the signed head before it was lost"
    if former > size:
        return f"position {position}: a new epoch; {former} entries had been signed, the last {former - size} of them are not here"
    return f"position {position}: a new epoch; {former} entries had been signed, and these are not all of them"


def _check_root(tree: Tree, signed: dict[int, bytes], faults: _Faults) -> None:
    root = signed.get(tree.size)
    if root is not None and root != tree.root():
        faults.add(f"the first {tree.size} entries are not those that were signed")


def _check_body(where: str, body: bytes, row: tuple[str, str, int], faults: _Faults) -> dict[str, Any] | None:
    try:
        members = decode(body)
    except EntryError as error:
        faults.add(f"{where}: {error}")
        return None
    if (members["id"], members["chain"], members["step"]) != row:
        faults.add(f"{where}: the row of entry {row[0]} says otherwise than its body")
    return members


def _check_waiting(c: Connection, faults: _Faults, meaning: Meaning) -> None:
    """The form of entries that have no position yet, and what they decide."""
    rows = c.execute(
        select(ledger_entry.c.id, ledger_entry.c.chain, ledger_entry.c.step, ledger_entry.c.body)
        .outerjoin(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
        .where(ledger_position.c.entry_id.is_(None))
    )
    for row in rows:
        members = _check_body(f"unsequenced entry {row.id}", row.body, (row.id, row.chain, row.step), faults)
        if members is not None and members["event"] == LedgerEvent.DECIDED:
            meaning.add(str(members["chain"]), str(members["event"]), members["facts"])


def _check_kept(c: Connection, faults: _Faults, meaning: Meaning) -> int:
    """INVARIANT checked: what lies sealed with a decision is what was entered with it. Answers of how many no entry says what it is."""
    whole, unbound = not faults.texts, 0
    query = select(decision.c.id, decision.c.sealed_id).order_by(decision.c.id).limit(PIECE)
    query = query.where(decision.c.sealed_id.is_not(None))
    rows = c.execute(query).all()
    while rows:
        for row in rows:
            said = meaning.kept_with(row.id)
            if said is None and whole:  # else its entry may be one of those that are not as they were
                faults.add(f"decision {row.id}: no entry decides it")
            elif said and said != row.sealed_id:
                faults.add(f"decision {row.id}: what is kept with it is not what was entered with it")
            unbound += said == ""
        rows = c.execute(query.where(decision.c.id > rows[-1].id)).all()
    return unbound
