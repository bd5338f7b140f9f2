"""One turn of retention: content whose time is over, then rows whose term has passed. What went is counted in the ledger.

How long each thing is kept is `[retention]`. This module MUST NOT shorten a term, and touches nothing that is not finished.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from gateway.failpoints import around
from gateway.instants import to_text
from gateway.ledger import record
from gateway.log import Code, log
from gateway.parts import Parts
from gateway.settings import Category
from gateway.steps.compact import compact_at_once
from gateway.store.retention import BATCH, sweep_ended
from gateway.store.row_retention import (
    RowSweep,
    Terms,
    delete_contributions,
    delete_messages,
    delete_reports,
    delete_tasks,
)

MOST_BATCHES: Final = 20
"""Of content in one turn: what is left waits for the next one."""


def retain(parts: Parts, rows: RowSweep) -> Counter[str]:
    """Delete what may go now, a bounded piece of it. How many of each kind went."""
    gone: Counter[str] = Counter()
    for _ in range(MOST_BATCHES):
        with around("retention"):
            swept = parts.store.write(lambda c: sweep_ended(c, parts.now()))
        gone["sealed"] += swept
        if swept < BATCH:
            break
    terms = terms_of(parts)
    with parts.store.read() as c:
        due = rows.find(c, terms)
    with around("retention-rows"):
        gone += parts.store.write(lambda c: _delete_rows(c, parts, due, terms))
    if gone.total():
        log(Code.RETENTION_SWEPT, rows=gone.total())
    compact_at_once(parts)  # what an erasure could not write anew when it was done
    return +gone


def _delete_rows(c: Connection, parts: Parts, due: Sequence[str], terms: Terms) -> Counter[str]:
    gone = delete_messages(c, due) + delete_reports(c, terms) + delete_tasks(c, terms) + delete_contributions(c, terms)
    # INVARIANT: what retention deletes leaves an entry that says so, in the same transaction; the entries about it stay.
    if gone:
        record(
            c,
            entry_id=parts.ids.entry(),
            chain=parts.ids.entry(),
            step=1,
            event="swept",
            at=parts.now(),
            facts=dict(sorted(gone.items())),
        )
    return gone


def terms_of(parts: Parts) -> Terms:
    """Now, less each category's days."""

    def before(category: Category) -> str:
        return to_text(parts.clock() - timedelta(days=parts.settings.retention.days(category)))

    return Terms(
        message=before(Category.MESSAGE),
        rejected=before(Category.REJECTED),
        task=before(Category.TASK),
        contribution=before(Category.CONTRIBUTION)[: len("YYYY-MM")],
    )
