"""Everything in the ledger that is about one person, found by reading all of it with that person's key.

The tables of the database are not asked which entries those are: whoever edits them hides nothing. What a merge joined is followed by what
the ledger says of it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from gateway.keys import SealedGone
from gateway.moves import SUBJECT
from gateway.parts import Parts
from gateway.store.schema import ledger_entry, person_merge

PIECE: Final = 1_000
_CHAIN: Final = re.compile(rb'"chain":"([^"]+)"')
_ABOUT: Final = re.compile(rb'"about":"([^"]+)"')
_WHO_IS_WHO: Final = (b'"linked"', b'"separated"')


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as the ledger holds it."""

    id: str
    chain: str
    step: int
    event: str
    at: str
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Found:
    """`people`: the person and every record that was joined into theirs. `entries`: all entries of every chain that is about one of them,
    and whoever looked at one of those or took it away, in the order in which they were written.
    """

    people: frozenset[str]
    entries: tuple[Entry, ...]


def find(c: Connection, parts: Parts, person_id: str) -> Found:
    """Reads the whole ledger, twice, and once more for each record that a merge joined which no table names. SealedGone after an erasure."""
    people = {
        person_id,
        *c.execute(select(person_merge.c.absorbed).where(person_merge.c.survivor == person_id)).scalars(),
    }
    looked: set[str] = set()
    chains: set[bytes] = set()
    while people - looked:
        new = people - looked
        looked |= people
        chains |= _chains(c, parts, person_id, new, people)
    return Found(people=frozenset(people), entries=tuple(_entries(c, chains)))


def _entries(c: Connection, chains: set[bytes]) -> Iterator[Entry]:
    """A view and an export are chains of their own, which name what they are about: a message, a letter, a search, or a decision."""
    decisions: set[bytes] = set()
    for body in _bodies(c):
        about = _ABOUT.search(body)
        if _chain_of(body) in chains or (about is not None and (about[1] in chains or about[1] in decisions)):
            entry = entry_of(body)
            decisions.add(str(entry.facts.get("decision", "")).encode())
            yield entry


def _chains(c: Connection, parts: Parts, person_id: str, keyed: set[str], people: set[str]) -> set[bytes]:
    """The chains with an entry that one of these keys opens; adds to `people` whom an entry says was joined into one of them."""
    keys = []
    for each in keyed:
        try:
            keys.append(parts.keys.commitments_of(c, each))
        except SealedGone:
            if each == person_id:
                raise
    found = set()
    for body in _bodies(c):
        if any(word in body for word in _WHO_IS_WHO):
            facts = entry_of(body).facts
            if facts.get("person") in people and facts.get("absorbed"):
                people.add(str(facts["absorbed"]))
            if people & {facts.get(each) for each in ("person", "absorbed", "other")}:
                found.add(_chain_of(body))
        if b'"subject":"' not in body:
            continue
        entry = entry_of(body)
        if any(key(entry.id.encode(), SUBJECT.encode()) == entry.facts.get(SUBJECT) for key in keys):
            found.add(_chain_of(body))
    return found


def _bodies(c: Connection) -> Iterator[bytes]:
    """Every entry in the order in which it was written, in pieces."""
    query = select(ledger_entry.c.sequence, ledger_entry.c.body).order_by(ledger_entry.c.sequence).limit(PIECE)
    rows = c.execute(query).all()
    while rows:
        for row in rows:
            yield row.body
        rows = c.execute(query.where(ledger_entry.c.sequence > rows[-1].sequence)).all()


def _chain_of(body: bytes) -> bytes:
    found = _CHAIN.search(body)
    return found[1] if found else b""


def entry_of(body: bytes) -> Entry:
    """An entry from its bytes."""
    members = json.loads(body)
    return Entry(**{name: members[name] for name in ("id", "chain", "step", "event", "at", "facts")})
