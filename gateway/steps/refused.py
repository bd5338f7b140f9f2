"""Enters in the ledger what was refused and left no row: one entry a client and minute, however many there were."""

from sqlalchemy import Connection

from gateway.failpoints import around
from gateway.ledger import record
from gateway.parts import Parts
from gateway.refusals import Refused


def enter_refusals(parts: Parts) -> int:
    """Enter what waits and may be entered now; how many entries. What the store does not take is counted again."""
    taken = parts.refusals.take(parts.now())
    if not taken:
        return 0
    try:
        with around("refusals"):
            parts.store.write(lambda c: _enter(c, parts, taken))
    except BaseException:
        for each in taken:
            parts.refusals.count(each.what, each.client, each.reason, each.count)
        raise
    return len(taken)


def _enter(c: Connection, parts: Parts, taken: tuple[Refused, ...]) -> None:
    for each in taken:
        record(
            c,
            entry_id=parts.ids.entry(),
            chain=parts.ids.entry(),
            step=1,
            event="access-refused",
            at=parts.now(),
            facts={"what": each.what.value, "client": each.client, "reason": each.reason, "count": each.count},
        )
