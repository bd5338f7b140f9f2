"""Everything about one person at the terminal, once a second person has approved: each message's whole way, entered before it is shown.

It shows ids, closed words, paths and rules; it MUST NOT show what a message or a letter says.
"""

from sqlalchemy import Connection

from gateway import whole_way
from gateway.parts import Parts
from gateway.steps.merge import survivor_of
from gateway.subject.acts import What, approved, enter
from gateway.whole_way import MessageWay


def show(parts: Parts, act_id: str) -> tuple[MessageWay, ...]:
    """The messages about the act's person, in the order of acceptance. ActError unless it was approved in the last hours."""

    def work(c: Connection) -> str:
        act = approved(c, parts, act_id, What.DISCLOSURES)
        # INVARIANT: each look is in the ledger before it, in the chain that says who asked and who approved
        enter(c, parts, act_id, "viewed", {"page": "disclosures"})
        return act.person_id

    person_id = parts.store.write(work)
    with parts.store.read() as c:
        ids = whole_way.messages_of(c, survivor_of(c, person_id) or person_id)
        return tuple(way for each in ids if (way := whole_way.message_way(c, parts, each)) is not None)
