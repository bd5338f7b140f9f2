"""Gives entries their positions: in the order first seen, and never step n+1 of a chain before step n.

There is one sequencer at a time. It MUST NOT change or drop an entry; one whose predecessor is not there yet waits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select

from gateway.ledger.entry import FIRST_STEP
from gateway.ledger.tree import leaf_hash
from gateway.store.locks import hold, late_rows, may_be_late
from gateway.store.schema import ledger_entry, ledger_position
from gateway.store.statement import Statement

BATCH = 125
"""New entries looked at in one transaction, which takes 2 ms: small, so that arrivals do not wait behind the sequencer."""

LATE = 5_000
"""Where several write, a first look begins this many numbers earlier: transactions under way then may still show entries there."""

Candidate = Row[int, str, str, int, bytes, int | None]

_entries = (
    select(
        ledger_entry.c.sequence,
        ledger_entry.c.id,
        ledger_entry.c.chain,
        ledger_entry.c.step,
        ledger_entry.c.body,
        ledger_position.c.position,
    )
    .outerjoin(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
    .order_by(ledger_entry.c.sequence)
)
_unsequenced = _entries.where(ledger_position.c.entry_id.is_(None))
_NEW: Final = Statement(_entries.where(ledger_entry.c.sequence > bindparam("seen_to")).limit(BATCH))
_INSERT: Final = Statement(
    insert(ledger_position).values({name: bindparam(name) for name in ("position", "entry_id", "leaf_hash")})
)
_NEWEST: Final = Statement(select(func.max(ledger_entry.c.sequence).label("newest")))
_LAST_POSITION: Final = Statement(select(func.max(ledger_position.c.position).label("last")))
_LAST_STEPS: Final = (
    select(ledger_entry.c.chain, func.max(ledger_entry.c.step))
    .join(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
    .where(ledger_entry.c.chain.in_(bindparam("chains", expanding=True)))
    .group_by(ledger_entry.c.chain)
)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one transaction did, to be remembered once it is committed."""

    given: int
    seen_to: int
    waiting: frozenset[int]
    missing: Mapping[int, int | None]
    more: bool


class Sequencer:
    """Remembers up to where it has looked and what waits, so that a turn costs what is new and not what there is."""

    def __init__(self) -> None:
        self._seen_to: int | None = None
        self._waiting: frozenset[int] = frozenset()
        self._missing: Mapping[int, int | None] = {}

    def idle(self, c: Connection) -> bool:
        """In a snapshot: is there nothing new and nothing that waits? The first call reads the whole table."""
        if self._seen_to is None:
            first = c.scalar(
                select(func.min(ledger_entry.c.sequence))
                .outerjoin(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
                .where(ledger_position.c.entry_id.is_(None))
            )
            last: int = _NEWEST.value(c) or 0
            self._seen_to = last if first is None else first - 1
            if may_be_late(c):
                self._seen_to = max(0, self._seen_to - LATE)
        newest: int = _NEWEST.value(c) or 0
        return newest <= self._seen_to and not self._waiting and not self._missing

    def turn(self, c: Connection) -> Turn:
        """Gives positions to what can have one. For one write transaction, after `idle` was asked once."""
        hold(c, "sequencer")
        seen_to = self._seen_to or 0
        late = late_rows(c)
        # One question for what is new and for which numbers are there at all: what is committed between two would slip through.
        seen: Sequence[Candidate] = _NEW.all(c, seen_to=seen_to)
        new: Sequence[Candidate] = [row for row in seen if row.position is None]
        rows: Sequence[Candidate] = new
        if self._waiting or self._missing:
            older = [*self._waiting, *self._missing]
            found = or_(ledger_entry.c.sequence.in_(older), ledger_entry.c.sequence.in_([row.sequence for row in new]))
            rows = c.execute(_unsequenced.where(found)).all()
        # A chain whose first entry is still to be sequenced has none that is.
        begun = {row.chain for row in rows} - {row.chain for row in rows if row.step == FIRST_STEP}
        ready = _in_order(rows, _last_steps(c, begun))
        if ready:
            last = _LAST_POSITION.value(c)
            first = 0 if last is None else last + 1
            _INSERT.many(
                c,
                [
                    {"position": first + at, "entry_id": row.id, "leaf_hash": leaf_hash(row.body)}
                    for at, row in enumerate(ready)
                ],
            )
        last_seen = seen[-1].sequence if seen else seen_to
        missed = set(range(seen_to + 1, last_seen + 1)) - {row.sequence for row in seen}
        return Turn(
            given=len(ready),
            seen_to=last_seen,
            waiting=frozenset(row.sequence for row in rows) - {row.sequence for row in ready},
            missing={} if late is None else self._still_missing(missed, rows, late),
            more=len(seen) == BATCH,
        )

    def remember(self, turn: Turn) -> None:
        """After its commit, never before: a turn that was rolled back is looked at again."""
        self._seen_to = turn.seen_to
        self._waiting = turn.waiting
        self._missing = turn.missing

    def _still_missing(
        self, missed: Iterable[int], rows: Sequence[Candidate], late: tuple[int, int]
    ) -> Mapping[int, int | None]:
        """Numbers that were passed over: a transaction that took one may not have ended yet. Where several write, that is no gap yet.

        One is given up when every transaction that was under way when it was missed for the second time has ended.
        """
        oldest, own = late
        here = {row.sequence for row in rows}
        old = {
            number: own if since is None else since
            for number, since in self._missing.items()
            if number not in here and (since is None or since > oldest)
        }
        return old | dict.fromkeys(missed)


def _last_steps(c: Connection, chains: Iterable[str]) -> dict[str, int]:
    """The last step of each chain that has a position."""
    if not (some := list(chains)):
        return {}
    rows = c.execute(_LAST_STEPS, {"chains": some})
    return {row[0]: row[1] for row in rows}


def _in_order(rows: Sequence[Candidate], last: dict[str, int]) -> list[Candidate]:
    """INVARIANT: (first seen, step) order, never step n+1 before n of a chain (DESIGN rule 7)."""
    ready: list[Candidate] = []
    early: dict[tuple[str, int], Candidate] = {}
    for row in rows:
        early[row.chain, row.step] = row
        following = early.pop((row.chain, last.get(row.chain, FIRST_STEP - 1) + 1), None)
        while following is not None:
            ready.append(following)
            last[row.chain] = following.step
            following = early.pop((row.chain, following.step + 1), None)
    return ready
