"""Gives entries their positions: in the order first seen, and never step n+1 of a chain before step n.

There is one sequencer at a time. It MUST NOT change or drop an entry; one whose predecessor is not there yet waits.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Row, func, insert, select

from gateway.ledger.entry import FIRST_STEP
from gateway.ledger.tree import leaf_hash
from gateway.store.schema import ledger_entry, ledger_position

BATCH = 500
"""Entries looked at in one transaction: small, so that arrivals do not wait behind the sequencer."""

Candidate = Row[int, str, str, int, bytes]

_unsequenced = (
    select(ledger_entry.c.sequence, ledger_entry.c.id, ledger_entry.c.chain, ledger_entry.c.step, ledger_entry.c.body)
    .outerjoin(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
    .where(ledger_position.c.entry_id.is_(None))
    .order_by(ledger_entry.c.sequence)
)


class Sequencer:
    """Remembers up to where everything has a position, so that a turn costs what is new and not what there is."""

    def __init__(self) -> None:
        self._settled = 0  # every entry with a sequence up to here has a position

    def turn(self, c: Connection) -> int:
        """Gives positions to what can have one, `BATCH` at most; answers to how many. For one write transaction."""
        after = self._settled
        while True:
            rows: Sequence[Candidate] = c.execute(
                _unsequenced.where(ledger_entry.c.sequence > after).limit(BATCH)
            ).all()
            ready = _in_order(rows, _last_steps(c, {row.chain for row in rows}))
            if ready or len(rows) < BATCH:
                break
            after = rows[-1].sequence  # a whole batch waits for predecessors: look behind it
        if ready:
            first = (c.scalar(select(func.max(ledger_position.c.position))) or 0) + 1 if _any_position(c) else 0
            c.execute(
                insert(ledger_position),
                [
                    {"position": first + at, "entry_id": row.id, "leaf_hash": leaf_hash(row.body)}
                    for at, row in enumerate(ready)
                ],
            )
        return len(ready)

    def settle(self, c: Connection) -> None:
        """Moves the mark, from a snapshot of what is committed. A position that was rolled back is never behind the mark."""
        waiting = c.scalar(
            select(func.min(ledger_entry.c.sequence))
            .outerjoin(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
            .where(ledger_entry.c.sequence > self._settled, ledger_position.c.entry_id.is_(None))
        )
        if waiting is None:
            waiting = (c.scalar(select(func.max(ledger_entry.c.sequence))) or 0) + 1
        self._settled = waiting - 1


def _any_position(c: Connection) -> bool:
    return c.scalar(select(ledger_position.c.position).limit(1)) is not None


def _last_steps(c: Connection, chains: Iterable[str]) -> dict[str, int]:
    """The last step of each chain that has a position."""
    rows = c.execute(
        select(ledger_entry.c.chain, func.max(ledger_entry.c.step))
        .join(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
        .where(ledger_entry.c.chain.in_(list(chains)))
        .group_by(ledger_entry.c.chain)
    )
    return {chain: step for chain, step in rows}  # noqa: C416  typed rows do not make a dict


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
