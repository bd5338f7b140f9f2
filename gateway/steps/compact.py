"""Whoever was erased leaves the files too: the tables are written anew, at once where that is quick, else when a person says so.

It MUST NOT say that it was done before it was.
"""

from sqlalchemy import Connection

from gateway.failpoints import around
from gateway.ledger import record
from gateway.parts import Parts
from gateway.store import compaction


def compact_at_once(parts: Parts) -> bool:
    """`compact` as far as nobody waits long for it."""
    return compact(parts, at_most_bytes=compaction.AT_ONCE_BYTES)


def compact(parts: Parts, *, at_most_bytes: int | None) -> bool:
    """Is nothing left of who was erased? Does what is to be done for it; with None in a store of any size, and also where nobody was erased: what
    retention deleted leaves the files by it too.
    """
    with parts.store.read() as c:
        asked_for = compaction.asked(c) or ""
    if not asked_for and at_most_bytes is not None:
        return True
    if not parts.store.compact(asked_for, at_most_bytes=at_most_bytes):
        return False

    def work(c: Connection) -> bool:
        nothing_left = compaction.done(c, asked_for)
        record(
            c, entry_id=parts.ids.entry(), chain=parts.ids.entry(), step=1, event="compacted", at=parts.now(), facts={}
        )
        return nothing_left

    with around("compact"):
        return parts.store.write(work)
