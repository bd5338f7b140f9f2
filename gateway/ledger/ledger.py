"""The ledger of one installation: positions, signed heads, and the check of both.

A head MUST NOT be signed for a tree that does not continue the last signed one: a database that was turned back, forked or edited
is a fault that a person resolves.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, bindparam, func, insert, select

from gateway.errors import ThroughgateError
from gateway.failpoints import around, pass_point
from gateway.instants import Clock, to_text
from gateway.ledger import note
from gateway.ledger.head import HeadConflict, HeadFile, HeadKeeper, HeadMissing
from gateway.ledger.note import Head, NoteError
from gateway.ledger.sequencer import Sequencer
from gateway.ledger.tree import EMPTY_ROOT, HASH_BYTES, Tree, leaf_hash
from gateway.ledger.verify import PIECE, PublicKeys, Signed, Verification, verify
from gateway.store import Store
from gateway.store.schema import ledger_entry, ledger_head, ledger_position
from gateway.store.statement import Statement

# Asked each second, when a head is signed.
_LAST_POSITION = Statement(select(func.max(ledger_position.c.position).label("last")))
_LAST_SIZE = Statement(select(func.max(ledger_head.c.size).label("last")))
_NEAREST_FRONTIER = Statement(
    select(ledger_head.c.size, ledger_head.c.frontier)
    .where(ledger_head.c.size <= bindparam("size"))
    .order_by(ledger_head.c.size.desc())
    .limit(1)
)
_KEEP_HEAD = Statement(
    insert(ledger_head).values({name: bindparam(name) for name in ("size", "root", "frontier", "note", "signed_at")})
)
# Read row by row: they may be many.
_LEAVES = (
    select(ledger_position.c.leaf_hash)
    .where(ledger_position.c.position >= bindparam("first"), ledger_position.c.position < bindparam("size"))
    .order_by(ledger_position.c.position)
)
_BEHIND = (
    select(ledger_position.c.position, ledger_position.c.leaf_hash, ledger_entry.c.body)
    .outerjoin(ledger_entry, ledger_entry.c.id == ledger_position.c.entry_id)
    .where(ledger_position.c.position >= bindparam("size"))
    .order_by(ledger_position.c.position)
)


HEAD_AFTER = 500
"""Positions after which a head is signed though there is more to sequence."""


class LedgerFault(ThroughgateError):
    """The ledger does not continue its last signed head. Nothing was signed. The text is for the person who is told."""


@dataclass(frozen=True, kw_only=True)
class Break:
    """What a new epoch passes over: the head that was signed (size 0 and no root where it was lost), and the tree that is there."""

    former_size: int
    former_root: str
    size: int
    root: str


class Signers(Protocol):
    """Who signs heads, asked at every use: a key that is rotated is another one from one moment to the next."""

    def ledger_signers(self) -> tuple[Ed25519PrivateKey, ...]:
        """The one in use first; while it is rotated, the other one too: a head by any of them holds."""
        ...

    def ledger_former(self) -> tuple[Ed25519PublicKey, ...]:
        """Those before: heads that were kept in their time hold."""
        ...


class OneSigner:
    """A key that is never rotated."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def ledger_signers(self) -> tuple[Ed25519PrivateKey, ...]:
        return (self._key,)

    def ledger_former(self) -> tuple[Ed25519PublicKey, ...]:
        return ()


class Ledger:
    """Use from any thread; `sequence` and `sign_head` take turns."""

    def __init__(
        self, *, store: Store, signer: Ed25519PrivateKey | Signers, head: HeadKeeper, origin: str, clock: Clock
    ) -> None:
        self._store = store
        self._signers = OneSigner(signer) if isinstance(signer, Ed25519PrivateKey) else signer
        self._head = head
        self._origin = origin
        self._clock = clock
        self._sequencer = Sequencer()
        self._turn = threading.Lock()

    @staticmethod
    def first_head(signer: Ed25519PrivateKey, origin: str) -> str:
        """The signed head of an empty ledger."""
        return note.sign(Head(origin=origin, size=0, root=EMPTY_ROOT), signer)

    @classmethod
    def create_head_file(cls, path: Path, signer: Ed25519PrivateKey, origin: str) -> None:
        """Makes the head file of a new installation; for `init` only. FileExistsError when it is there."""
        HeadFile.create(path, cls.first_head(signer, origin))

    def sequence(self, at_least: int | None = None) -> int:
        """Gives positions to every entry that can have one, or to so many and a turn's more; answers to how many."""
        with self._turn:
            with self._store.read() as c:
                if self._sequencer.idle(c):
                    return 0
            total = 0
            more = True
            while more and (at_least is None or total < at_least):
                with around("sequence"):
                    turn = self._store.write(self._sequencer.turn)
                self._sequencer.remember(turn)
                total += turn.given
                more = turn.more
            return total

    def advance(self) -> None:
        """Positions for everything that can have one, and signed heads over them: one at least for every 1,000 entries, and one at the end."""
        # INVARIANT: this many and a turn of the sequencer more are no more than 1,000 positions, and then a head is signed
        while self.sequence(HEAD_AFTER) >= HEAD_AFTER:
            self.sign_head()
        self.sign_head()

    def sign_head(self) -> None:
        """Signs the tree as it is, if it grew. LedgerFault when it does not continue the last signed head."""
        with self._turn, self._head.locked():
            text, old = self._signed()
            with self._store.read() as c:
                tree = _grown(c, old)
            if tree.size == old.size:
                return
            signed = note.sign(
                Head(origin=self._origin, size=tree.size, root=tree.root()), self._signers.ledger_signers()[0]
            )
            pass_point("ledger.before-sign")
            try:
                self._head.replace(text, signed)
            except HeadConflict as error:
                raise LedgerFault(str(error)) from None
            pass_point("ledger.after-sign")
            self._keep(tree, signed)

    def require_continued(self) -> None:
        """LedgerFault when what is in the database does not continue the signed head: a restored copy, another database, an edited one."""
        with self._head.locked():
            old = self._signed()[1]
            with self._store.read() as c:
                _grown(c, old)

    def begin_epoch(self, enter: Callable[[Connection, Break], None]) -> Break:
        """A person takes a ledger into use that does not continue its head. `enter` writes the entry that says so, as the first of it.

        LedgerFault when it does continue: then there is nothing to begin. Killed anywhere, it is asked for again.
        """
        try:
            self.require_continued()
        except LedgerFault:
            pass
        else:
            raise LedgerFault("the ledger continues its signed head: there is no new epoch to begin")
        with self._head.locked():
            found = self._break()
        with around("epoch"):
            self._store.write(lambda c: enter(c, found))
        self.sequence()
        with self._turn, self._head.locked():
            with self._store.read() as c:
                tree = _whole(c)
            signed = note.sign(
                Head(origin=self._origin, size=tree.size, root=tree.root()), self._signers.ledger_signers()[0]
            )
            # INVARIANT: the head before is never lost: whoever asks what is missing can read it beside the new one
            self._head.begin_again(signed, former=f"before-{tree.size}")
            self._keep(tree, signed)
        return found

    def _break(self) -> Break:
        try:
            former: Head | None = self._signed()[1]
        except LedgerFault:
            former = None
        with self._store.read() as c:
            tree = _whole(c)
        return Break(
            former_size=former.size if former else 0,
            former_root=former.root.hex() if former else "",
            size=tree.size,
            root=tree.root().hex(),
        )

    def sign_over(self, step: Callable[[], None]) -> None:
        """While a key is rotated: the head file is signed by both, and `step` changes which is used while nobody signs."""
        with self._turn, self._head.locked():
            text, head = self._signed()
            pass_point("sign-over.before-commit")
            self._head.replace(text, note.sign(head, *self._signers.ledger_signers()))
            pass_point("sign-over.after-commit")
            step()

    def _current(self) -> tuple[Ed25519PublicKey, ...]:
        return tuple(each.public_key() for each in self._signers.ledger_signers())

    def _signed(self) -> tuple[str, Head]:
        """The head file's text and the head in it. Only inside `locked`."""
        try:
            text = self._head.read()
            return text, note.read(text, self._origin, *self._current())
        except HeadMissing:
            raise LedgerFault("the head file is missing; it is made by init only") from None
        except NoteError as error:
            raise LedgerFault(f"the head file is not ours: {error}") from None

    def _keep(self, tree: Tree, signed: str) -> None:
        row = {
            "size": tree.size,
            "root": tree.root(),
            "frontier": tree.frontier(),
            "note": signed,
            "signed_at": to_text(self._clock()),
        }
        with around("keep-head"):
            self._store.write(lambda c: _KEEP_HEAD.run(c, **row))

    def verify(self, elsewhere: Sequence[str] = ()) -> Verification:
        """Checks everything up to the signed head, and the form of what is behind it. Never raises for what it finds.

        `elsewhere`: signed heads that were kept at another place (a witness's last word, a receipt): the ledger must lead to each.
        """
        with self.as_signed() as signed:
            return verify(signed, elsewhere)

    def latest(self) -> str:
        """The last signed head, a signed note: what a receipt carries to whoever keeps it. Empty where it cannot be read: no letter waits for it."""
        try:
            return self._head.read()  # replaced by a rename: it is whole at every moment
        except (HeadMissing, OSError):
            return ""

    @contextmanager
    def as_signed(self) -> Iterator[Signed]:
        """The head file and a snapshot of one moment. Nobody waits for the reading."""
        with ExitStack() as open_while_reading:
            with self._head.locked():
                try:
                    text = self._head.read()
                except HeadMissing:
                    text = None
                c = open_while_reading.enter_context(self._store.read())
                keys = PublicKeys(current=self._current(), former=self._signers.ledger_former())
            yield Signed(c=c, text=text, keys=keys, origin=self._origin)

    def lag(self) -> int:
        """Entries without a position: a metric."""
        with self._store.read() as c:
            entries = c.scalar(select(func.count()).select_from(ledger_entry)) or 0
            positions = c.scalar(select(func.count()).select_from(ledger_position)) or 0
        return entries - positions


def _whole(c: Connection) -> Tree:
    """The tree of every position that there is."""
    tree = Tree()
    query = select(ledger_position.c.position, ledger_position.c.leaf_hash).order_by(ledger_position.c.position)
    while rows := c.execute(query.where(ledger_position.c.position >= tree.size).limit(PIECE)).all():
        for position, leaf in rows:
            if position != tree.size:
                raise LedgerFault(f"position {tree.size} is not there: this copy of the database is not whole")
            tree.append(leaf)
    return tree


def _grown(c: Connection, old: Head) -> Tree:
    """The tree at its present size, shown to continue `old`.

    INVARIANT: consistency by construction. It starts from a frontier that hashes to the signed root and appends the leaves behind it.
    """
    there = _there(c)
    tree = _at(c, old, there)
    expected = old.size
    for position, leaf, body in c.execute(_BEHIND, {"size": old.size}) if there > old.size else ():
        if position != expected or body is None or leaf_hash(body) != leaf:
            raise LedgerFault(f"position {expected} is not an entry and its leaf")
        tree.append(leaf)
        expected += 1
    return tree


def _there(c: Connection) -> int:
    """One more than the last position that there is."""
    last: int | None = _LAST_POSITION.value(c)
    return 0 if last is None else last + 1


def _at(c: Connection, old: Head, there: int) -> Tree:
    """The tree at the signed size. LedgerFault when the database cannot give the signed root."""
    if there < old.size:
        raise LedgerFault(f"the database is older than the signed head: {old.size} entries were signed")
    signed_later: int = _LAST_SIZE.value(c) or 0
    if signed_later > old.size:
        raise LedgerFault(f"the head file is older than the database: a head of {signed_later} was signed after it")
    near = _NEAREST_FRONTIER.first(c, size=old.size)
    starts = [Tree()]
    if near is not None and len(near.frontier) == HASH_BYTES * near.size.bit_count():
        starts.insert(0, Tree.from_bytes(near.size, near.frontier))
    for tree in starts:
        behind = {"first": tree.size, "size": old.size}
        for leaf in c.scalars(_LEAVES, behind) if tree.size < old.size else ():
            tree.append(leaf)
        if tree.size == old.size and tree.root() == old.root:
            return tree
    raise LedgerFault("the database does not lead to the signed head: entries were changed, or it is another database")
