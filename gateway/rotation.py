"""Rotates a key while the gateway serves: the new one opens, then it is used, then everything is under it, then the old one opens nothing.

Every process reads the folder of keys at every use, so that a step shows at once. Rows are wrapped again in small transactions, each only
where the row still is what was read; which row is done shows by which key opens it, so that a rotation that was killed is called again and
goes on. The old key is kept aside, for backups from before; a person destroys it. Nothing here MUST ever destroy a key.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Column, Connection, Table, and_, literal, select, tuple_, update

from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.keys import INSTALLATION, PERSON, REPORT, SEALED, SealedBroken
from gateway.keys.key_files import Rotating
from gateway.ledger import record
from gateway.parts import Parts
from gateway.store.locks import late_rows
from gateway.store.schema import delivery, person, report_key, sealed

BATCH: Final = 200
WAIT_SECONDS: Final = 0.05
KEPT: Final = {
    "index": "messages are recognised for longer than their bytes are kept, so that the index cannot be made again under another key; "
    "alone it opens nothing. See docs/decisions/0014-rotating-keys.md for what to do when it has leaked",
    "pseudonym": "the pseudonyms of a period, and decisions made again from what is kept, need the key that made them",
}

Say = Callable[[str, int], None]
"""(what, how many so far)"""


class RotationError(ThroughgateError):
    """A key that is not rotated: the text says why."""


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """What was done. `unopened` rows are under no key of this installation: they were so before, and are told."""

    name: str
    rows: int
    unopened: int


@dataclass(frozen=True, kw_only=True)
class _Column:
    """One column that is under a key: `again` answers its new value, None where it is under the key in use. `reads`: what `again` needs."""

    table: Table
    column: Column[Any]
    reads: tuple[Column[Any], ...]
    where: Any
    again: Callable[[Parts, Any], bytes | None]


def _wrapped(use: str) -> Callable[[Parts, Any], bytes | None]:
    return lambda parts, row: parts.keys.wrapped_again(use, row[-1])


COLUMNS: Final[dict[str, tuple[_Column, ...]]] = {
    "installation": (
        _Column(
            table=sealed,
            column=sealed.c.wrapped_key,
            reads=(),
            where=sealed.c.wrapped_by == INSTALLATION,
            again=_wrapped(SEALED),
        ),
        _Column(table=person, column=person.c.wrapped_key, reads=(), where=None, again=_wrapped(PERSON)),
        _Column(table=report_key, column=report_key.c.wrapped_key, reads=(), where=None, again=_wrapped(REPORT)),
    ),
    "seal": (
        _Column(
            table=delivery,
            column=delivery.c.mac,
            reads=(delivery.c.id, delivery.c.recipient, delivery.c.decision_id, delivery.c.digest),
            where=delivery.c.mac.is_not(None),
            again=lambda parts, row: parts.keys.seal_mac_again(row[-1], "letter", *row[-5:-1]),
        ),
    ),
    "ledger-signing": (),
}


def rotate(parts: Parts, name: str, say: Say) -> Rotated:
    """Rotate a key, or finish a rotation that was begun. Raises RotationError for a key that is not rotated."""
    if name not in COLUMNS:
        raise RotationError(f"the key `{name}` is not rotated: {KEPT.get(name, 'there is no such key')}")
    files = Rotating(parts.settings.gateway.keys_dir, name)
    files.tidy()
    if not files.is_promoted():
        if not files.is_prepared():
            files.prepare()
            _note(parts, name, "prepared")
        _step(parts, name, files.promote)
        _note(parts, name, "promoted")
    say("the new key is in use; the old one still opens", 0)
    total = unopened = 0
    for _ in range(2):  # twice: what was under way when the first look began is found by the second
        _until_older_writes_ended(parts)
        found = [_again(parts, column, partial(say, column.table.name)) for column in COLUMNS[name]]
        total += sum(changed for changed, _ in found)
        unopened = sum(closed for _, closed in found)
    _step(parts, name, lambda: files.retire(_public_half(parts, name)))
    _note(parts, name, "retired")
    return Rotated(name=name, rows=total, unopened=unopened)


def _step(parts: Parts, name: str, step: Callable[[], None]) -> None:
    """INVARIANT: the ledger's head is signed by both keys before either of them is used alone."""
    if name == "ledger-signing":
        parts.ledger.sign_over(step)
    else:
        step()


def _public_half(parts: Parts, name: str) -> bytes:
    """Of the key before, for the ledger's; nothing for others."""
    if name != "ledger-signing":
        return b""
    before: Ed25519PrivateKey = parts.keys.ledger_signers()[-1]
    return before.public_key().public_bytes_raw()


def _until_older_writes_ended(parts: Parts) -> None:
    """Whatever was being written under the old key when the new one came into use is committed behind this line."""
    mark = parts.store.write(late_rows)
    while mark is not None and (now := parts.store.write(late_rows)) is not None and now[0] <= mark[1]:
        threading.Event().wait(WAIT_SECONDS)


def _again(parts: Parts, one: _Column, say: Callable[[int], None]) -> tuple[int, int]:
    """Every row of one column under the key in use. (rows that were changed, rows that no key opens)"""
    changed = unopened = 0
    for rows in _batches(parts, one):
        moved = []
        for row in rows:
            try:
                new = one.again(parts, row)
            except SealedBroken:
                unopened += 1
                continue
            if new is not None:
                moved.append((row, new))
        if moved:
            with around("rotation"):
                parts.store.write(partial(_write, one=one, moved=moved))
            changed += len(moved)
            say(changed)
    return changed, unopened


def _batches(parts: Parts, one: _Column) -> Iterator[Sequence[Any]]:
    """Rows in the order of their primary key, a batch a snapshot: the key, what `again` reads, the value."""
    key = list(one.table.primary_key.columns)
    query = select(*key, *one.reads, one.column).order_by(*key).limit(BATCH)
    if one.where is not None:
        query = query.where(one.where)
    last: tuple[Any, ...] | None = None
    while True:
        with parts.store.read() as c:
            after = query if last is None else query.where(tuple_(*key) > tuple_(*map(literal, last)))
            rows = c.execute(after).all()
        if not rows:
            return
        yield rows
        last = tuple(rows[-1][: len(key)])


def _write(c: Connection, *, one: _Column, moved: Sequence[tuple[Any, bytes]]) -> None:
    """INVARIANT: only where the row still is what was read: a person's wrap that came meanwhile is never written over."""
    key = list(one.table.primary_key.columns)
    for row, new in moved:
        same = and_(*(column == value for column, value in zip(key, row, strict=False)), one.column == row[-1])
        c.execute(update(one.table).where(same).values({one.column.name: new}))


def _note(parts: Parts, name: str, step: str) -> None:
    act = parts.ids.entry()
    facts = {"key": name, "step": step}
    parts.store.write(
        lambda c: record(
            c, entry_id=parts.ids.entry(), chain=act, step=1, event="key-rotated", at=parts.now(), facts=facts
        )
    )
