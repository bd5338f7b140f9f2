"""A ledger with messages and deliveries in it, and the hands of somebody who edits its database."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from gateway.keys import Keys
from gateway.keys.identifiers import SeededIds
from gateway.ledger import HeadInMemory, Ledger, record
from gateway.store import MemoryStore

ORIGIN = "ledger.test/demo"
AT = "2026-01-15T12:00:00.000000Z"


def clock() -> datetime:
    return datetime(2026, 1, 15, 12, tzinfo=UTC)


class Line:
    """Everything that belongs to one ledger. `edit` opens the database behind its back, without the triggers."""

    def __init__(self, store: MemoryStore | None = None, head: str | None = None, seed: str = "line") -> None:
        self.ids = SeededIds(seed)
        self.signer = Keys.in_memory(SeededIds("signer")).ledger_signer()
        self.store = store or MemoryStore.create()
        self.head = HeadInMemory(head or Ledger.first_head(self.signer, ORIGIN))
        self.ledger = self.open()

    def open(self) -> Ledger:
        return Ledger(store=self.store, signer=self.signer, head=self.head, origin=ORIGIN, clock=clock)

    def copy(self) -> "Line":
        return Line(self.store.copy(), self.head.read(), seed=self.ids.entry())

    def become(self, other: "Line") -> None:
        """Replaces this ledger's database and head file by another's, under the same keys."""
        self.store.close()
        self.store, self.head = other.store, other.head
        self.ledger = self.open()

    def enter(self, chain: str, *events: str | tuple[str, Mapping[str, Any]], first: int = 1) -> None:
        """Events of one chain, each with its own transaction."""
        for step, event in enumerate(events, first):
            word, facts = event if isinstance(event, tuple) else (event, {})
            entry_id = self.ids.entry()
            self.store.write(partial(record, entry_id=entry_id, chain=chain, step=step, event=word, at=AT, facts=facts))

    def deliver(self, message: str, delivery: str) -> None:
        """One message and its one letter, all the way."""
        decision = self.ids.entry()
        mark = f"{decision.lower()}"
        self.enter(message, "received", ("decided", {"decision": decision, "outcome": "release", "mark": mark}))
        self.enter(delivery, ("queued", {"decision": decision, "outcome": "release"}))
        self.enter(message, "released", first=3)
        self.enter(delivery, ("sending", {"attempt": 1, "decision": decision, "mark": mark}), "delivered", first=2)

    def seal(self) -> None:
        self.ledger.sequence()
        self.ledger.sign_head()

    def edit(self, change: Callable[[Connection], Any]) -> None:
        def work(c: Connection) -> None:
            triggers = c.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'").scalars().all()
            for trigger in triggers:
                c.exec_driver_sql(f"DROP TRIGGER {trigger}")
            c.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            change(c)

        self.store.write(work)


def filled(messages: int = 12) -> Line:
    """Whole deliveries under several signed heads, nothing uncovered."""
    line = Line()
    for number in range(messages):
        line.deliver(f"MESSAGE{number}", f"DELIVERY{number}")
        if number % 4 == 3:
            line.seal()
    line.seal()
    return line
