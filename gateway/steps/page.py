"""What the arrivals of one transaction write: rows, sealed bytes and first ledger entries, each statement said once for all of them.

A page is of one transaction and one look at the inbox: who repeats a message of the same page is looked up after that one was written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from fhir_profiles.shapes import PersonIdentifier
from gateway.among import Several, among
from gateway.clients import Client, find
from gateway.failpoints import pass_point
from gateway.keys import Thing
from gateway.ledger import Entry, record_all
from gateway.parts import Parts
from gateway.people.named import note_named
from gateway.steps.owed import owe
from gateway.store.schema import message
from gateway.store.statement import Statement

_BEFORE: Final = Several(
    select(message.c.key_index, message.c.id, message.c.body_index, message.c.answer_id, message.c.state).where(
        among(message.c.key_index)
    ),
    message.c.key_index,
)
_SAME_BUNDLE: Final = Several(
    select(message.c.bundle_index, message.c.id, message.c.body_index, message.c.state).where(
        among(message.c.bundle_index)
    ),
    message.c.bundle_index,
)
_INSERT: Final = Statement.insert(message)


class Page:
    """Use inside one work of the store, which holds the acceptance. Nothing is written before `write`, and nothing may be answered before
    that returned. `keys` and `bundles` are those of the messages that will be asked for.
    """

    def __init__(
        self, c: Connection, parts: Parts, keys: Iterable[bytes | None], bundles: Iterable[bytes | None]
    ) -> None:
        self.c = c
        self.parts = parts
        self._clients: dict[str, Client | None] = {}
        self._claimed: set[bytes] = set()  # by what this page keeps, written or not
        self._rows: list[dict[str, Any]] = []
        self._things: list[tuple[Thing, ...]] = []
        self._entries: list[Entry] = []
        self._owed: list[tuple[str, str]] = []
        self._named: list[tuple[str, Sequence[PersonIdentifier]]] = []
        self._known: dict[bytes, Row[Any]] = {}
        self._bundles: dict[bytes, Row[Any]] = {}
        self._look_up(keys, bundles)

    def _look_up(self, keys: Iterable[bytes | None], bundles: Iterable[bytes | None]) -> None:
        self._known |= {row.key_index: row for row in _BEFORE.of(self.c, filter(None, keys))}
        self._bundles |= {row.bundle_index: row for row in _SAME_BUNDLE.of(self.c, filter(None, bundles))}

    def client(self, name: str) -> Client | None:
        """Who is registered under this name."""
        if name not in self._clients:
            self._clients[name] = find(self.c, name)
        return self._clients[name]

    def before(self, key_index: bytes | None, bundle_index: bytes | None) -> tuple[Row[Any] | None, Row[Any] | None]:
        """The message that has the same key; else one that has only the same Bundle.id."""
        if self._claimed & {key_index, bundle_index}:
            # INVARIANT: one that came earlier in the same page is a message before this one too, whether it was written for another or not.
            self.write()
            self._look_up([key_index], [bundle_index])
        before = self._known.get(key_index) if key_index is not None else None
        if before is not None or bundle_index is None:
            return before, None
        return None, self._bundles.get(bundle_index)

    def keep(self, row: Mapping[str, Any], things: Sequence[Thing], entry: Entry, *, answer_id: str | None) -> None:
        """A message with its first entry. `things` are its bytes and its answer, or nothing; `answer_id`: an answer of its own is owed."""
        self._rows.append(dict(row))
        self._things.append(tuple(things))
        self._entries.append(entry)
        self._claimed |= {each for each in (row.get("key_index"), row.get("bundle_index")) if each is not None}
        if answer_id is not None:
            self._owed.append((answer_id, row["id"]))

    def name(self, message_id: str, persons: Sequence[PersonIdentifier]) -> None:
        """Whom a message that was kept names, where no letter about them may leave before it is heard."""
        self._named.append((message_id, persons))

    def write(self) -> None:
        """Everything that was kept since the last time."""
        rows, things, entries, owed, named = self._rows, self._things, self._entries, self._owed, self._named
        if not rows:
            return
        self._rows, self._things, self._entries, self._owed, self._named = [], [], [], [], []
        every = [thing for some in things for thing in some]
        ids = iter(self.parts.keys.seal_all(self.c, every, person_id=None, now=rows[0]["received_at"]) if every else ())
        for row, some in zip(rows, things, strict=True):
            if some:
                row["body_id"], row["answer_id"] = next(ids), next(ids)
        _INSERT.many(self.c, rows)
        record_all(self.c, entries)
        for answer_id, message_id in owed:
            owe(self.c, self.parts, answer_id=answer_id, message_id=message_id)
        for message_id, persons in named:
            note_named(self.c, self.parts.keys, message_id, persons)
        pass_point("receive.before-commit")
