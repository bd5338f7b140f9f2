"""Everything in the ledger that is about one person, found by reading all of it with that person's key; of many people in one reading.

The tables of the database are not asked which entries those are: whoever edits them hides nothing. What a merge joined is followed by what
the ledger says of it.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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
_SUBJECT: Final = b'"subject":"'
_COMMITS_TO: Final = SUBJECT.encode()


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
    and whoever looked at one of those or took it away, in the order in which they were written. `keyless`: those of `people` whose key is
    gone: what is about them alone cannot be found. `unsaid`: those of whom only a table says that they were joined. `apart`: who was
    separated from one of them again, and when.
    """

    people: frozenset[str]
    entries: tuple[Entry, ...]
    keyless: frozenset[str] = frozenset()
    unsaid: frozenset[str] = frozenset()
    apart: tuple[tuple[str, str], ...] = ()


@dataclass(kw_only=True)
class _Seeker:
    """One person who is looked for."""

    person_id: str
    people: set[str]
    told: set[str]
    looked: set[str] = field(default_factory=set)
    chains: set[bytes] = field(default_factory=set)
    keyless: set[str] = field(default_factory=set)
    apart: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def keys(self, c: Connection, parts: Parts) -> Iterator[Callable[[bytes], bytes]]:
        """Of everybody of theirs who was not looked for yet. SealedGone where the person's own is gone."""
        new = self.people - self.looked
        self.looked |= new
        for each in sorted(new):
            try:
                yield parts.keys.commitments_of_framed(c, each)
            except SealedGone:
                if each == self.person_id:
                    raise
                self.keyless.add(each)

    def hear(self, entry: Entry) -> None:
        """What an entry says of who is whom."""
        said = {each: str(entry.facts[each]) for each in ("person", "absorbed", "other") if entry.facts.get(each)}
        if "absorbed" in said and said.get("person") in self.people:
            self.people.add(said["absorbed"])
            self.told.add(said["absorbed"])
        if self.people & {*said.values()}:
            self.chains.add(entry.chain.encode())
            for each in {*said.values()} - {self.person_id}:
                self.apart.pop(each, None)
                if entry.event == "separated":
                    self.apart[each] = entry.at

    def found(self) -> Found:
        return Found(
            people=frozenset(self.people),
            entries=tuple(self.entries),
            keyless=frozenset(self.keyless),
            unsaid=frozenset(self.people - self.told),
            apart=tuple(sorted(self.apart.items())),
        )


def find(c: Connection, parts: Parts, person_id: str) -> Found:
    """Reads the whole ledger, twice, and once more for each record that a merge joined which no table names. SealedGone after an erasure."""
    return find_all(c, parts, [person_id])[person_id]


def find_all(c: Connection, parts: Parts, person_ids: Sequence[str]) -> dict[str, Found]:
    """`find` for each of several people, and the ledger is read as often as for one."""
    seekers = {each: _seeker(c, each) for each in person_ids}
    while any(each.people - each.looked for each in seekers.values()):
        _mark_chains(c, parts, [each for each in seekers.values() if each.people - each.looked])
    _collect(c, list(seekers.values()))
    return {person_id: each.found() for person_id, each in seekers.items()}


def _seeker(c: Connection, person_id: str) -> _Seeker:
    joined = c.execute(select(person_merge.c.absorbed).where(person_merge.c.survivor == person_id)).scalars()
    return _Seeker(person_id=person_id, people={person_id, *joined}, told={person_id})


def _mark_chains(c: Connection, parts: Parts, seekers: Sequence[_Seeker]) -> None:
    """The chains with an entry that one of these people's new keys opens; and whom an entry says was joined into one of them."""
    tried = [(key, each.chains) for each in seekers for key in each.keys(c, parts)]
    for body in _bodies(c):
        if any(word in body for word in _WHO_IS_WHO):
            entry = entry_of(body)
            for each in seekers:
                each.hear(entry)
        if _SUBJECT not in body:
            continue
        entry = entry_of(body)
        # made once for however many keys: without the key nobody can tell whose it is, so each key is tried
        framed, commitment = parts.keys.framed(entry.id.encode(), _COMMITS_TO), _commitment(entry)
        for key, chains in tried:
            if key(framed) == commitment:
                chains.add(entry.chain.encode())


def _commitment(entry: Entry) -> bytes:
    try:
        return bytes.fromhex(str(entry.facts.get(SUBJECT)))
    except ValueError:
        return b""


def _collect(c: Connection, seekers: Sequence[_Seeker]) -> None:
    """Gives each the entries of their chains. A view and an export are chains of their own, which name what they are about: a message, a
    letter, a search, or a decision.
    """
    whose: dict[bytes, set[int]] = {}
    for number, each in enumerate(seekers):
        for chain in each.chains:
            whose.setdefault(chain, set()).add(number)
    decided: dict[bytes, set[int]] = {}
    nobody: frozenset[int] = frozenset()
    for body in _bodies(c):
        about = _ABOUT.search(body)
        theirs = whose.get(_chain_of(body), nobody)
        if about is not None:
            theirs = theirs | whose.get(about[1], nobody) | decided.get(about[1], nobody)
        if theirs:
            entry = entry_of(body)
            if decision := entry.facts.get("decision"):
                decided.setdefault(str(decision).encode(), set()).update(theirs)
            for number in theirs:
                seekers[number].entries.append(entry)


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
