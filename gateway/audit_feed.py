"""The ledger as FHIR AuditEvents, for a site's own audit store: a page of them after a position, each with the id of its entry.

A store that takes the same page twice has the same events, whatever changed here meanwhile: who received and for which purpose is what held when
the entry was made, and what is not known of then is left out. Only what is under the signed head is in it. This module MUST NOT open anything that
is sealed about anybody: an event says no more than its entry does, and the text of the agreement that it names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from fhir_profiles import audit_event
from fhir_profiles.audit_event import MINOR, PERMITTED, SERIOUS, Happening, Observer
from fhir_profiles.shapes import Json
from gateway import evidence
from gateway.activation import agreement_of_digest
from gateway.ledger import head_of
from gateway.ledger.entry import decode
from gateway.moves import SUBJECT
from gateway.parts import Parts
from gateway.states import DELIVERY_START
from gateway.store.schema import ledger_entry, ledger_position

_LEFT = {"delivered": PERMITTED, "ambiguous": MINOR, "refused": SERIOUS}
"""The ends of a send: each is a disclosure, or may be one."""
_DECIDED = {"release": PERMITTED, "reduce": PERMITTED, "counted": PERMITTED, "hold": MINOR, "withhold": SERIOUS}
_DENIED = frozenset({"rejected", "access-refused"})
TAKEN = "audit-events"
"""What an export of this feed is called in the ledger."""
MOST = 10_000
"""Events in a page at most."""
Purpose = tuple[tuple[str, str], ...]
"""(system, code) of each."""
_OF_CHAIN = ("recipient", "ods", "letter", "decision", "agreement", SUBJECT)


@dataclass(frozen=True, kw_only=True)
class Page:
    """`events` in the order of the ledger; ask for what is after `last` next; `more` is there already."""

    events: tuple[Json, ...]
    last: int
    more: bool
    only_taking: bool
    """Nothing is in it but that this feed was taken before."""


def read_page(parts: Parts, *, after: int, count: int) -> Page:
    """The events behind position `after` (-1 for the first), `count` at most. NotProvable where there is no signed head."""
    with parts.ledger.as_signed() as signed:
        size = head_of(signed).size
        rows = signed.c.execute(
            select(ledger_position.c.position, ledger_entry.c.body)
            .join_from(ledger_position, ledger_entry, ledger_entry.c.id == ledger_position.c.entry_id)
            .where(ledger_position.c.position > after, ledger_position.c.position < size)
            .order_by(ledger_position.c.position)
            .limit(count)
        ).all()
        entries = [(int(row.position), decode(row.body)) for row in rows]
        known = _chains(signed.c, {str(entry["chain"]) for _, entry in entries})
        agreed = {str(facts["agreement"]) for steps in known.values() for _, facts in steps if facts.get("agreement")}
        purposes = {digest: _purpose(signed.c, parts, digest) for digest in agreed}
    last = entries[-1][0] if entries else after
    observer = Observer(origin=signed.origin, endpoint=parts.settings.sender.endpoint)
    events = tuple(_event(position, entry, known, purposes, observer) for position, entry in entries)
    only_taking = all(entry["event"] == "exported" and entry["facts"].get("what") == TAKEN for _, entry in entries)
    return Page(events=events, last=last, more=last + 1 < size, only_taking=only_taking)


def take_page(parts: Parts, *, after: int, count: int) -> Page:
    """The page for somebody who takes it away, entered first. The entries that taking made enter nothing again, or a feed would feed itself."""
    page = read_page(parts, after=after, count=count)
    if not page.only_taking:
        evidence.enter_export(parts, TAKEN)
    return page


def _chains(c: Connection, chains: set[str]) -> Mapping[str, Sequence[tuple[int, dict[str, Any]]]]:
    """The facts of every step of these chains, in order: what an entry does not say again stands in an earlier one."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    rows = c.execute(
        select(ledger_entry.c.body)
        .where(ledger_entry.c.chain.in_(chains))
        .order_by(ledger_entry.c.chain, ledger_entry.c.step)
    )
    for row in rows:
        entry = decode(row.body)
        found.setdefault(str(entry["chain"]), []).append((int(entry["step"]), entry["facts"]))
    return found


def _event(
    position: int,
    entry: dict[str, Any],
    known: Mapping[str, Sequence[tuple[int, dict[str, Any]]]],
    purposes: Mapping[str, Purpose],
    observer: Observer,
) -> Json:
    event, facts = str(entry["event"]), entry["facts"]
    of_chain: dict[str, str] = {}
    for step, each in known.get(str(entry["chain"]), ()):
        if step <= entry["step"]:
            of_chain |= {name: str(each[name]) for name in _OF_CHAIN if name in each}
    starts = event in DELIVERY_START and "outcome" in facts
    what = Happening(
        entry=str(entry["id"]),
        position=position,
        event=event,
        at=str(entry["at"]),
        chain=str(entry["chain"]),
        outcome=_outcome(event, facts, starts=starts),
        outcome_text=str(facts.get("reason", "")),
        **_more(of_chain, purposes),
    )
    if event in _LEFT and what.subject:
        return audit_event.disclosure(what, observer)
    if starts and what.subject:
        return audit_event.decision(what, observer)
    return audit_event.act(what, observer)


def _outcome(event: str, facts: Mapping[str, Any], *, starts: bool) -> str:
    if event in _LEFT:
        return _LEFT[event]
    if starts:
        return _DECIDED.get(str(facts["outcome"]), SERIOUS)
    return SERIOUS if event in _DENIED else PERMITTED


def _purpose(c: Connection, parts: Parts, digest: str) -> Purpose:
    """What the agreement of this digest is for; nothing where its text is not kept, or cannot be read here."""
    agreement = agreement_of_digest(c, parts.keys, digest)
    return tuple((each.system, each.code) for each in agreement.purpose) if agreement is not None else ()


def _more(of_chain: Mapping[str, str], purposes: Mapping[str, Purpose]) -> dict[str, Any]:
    return {
        "subject": of_chain.get(SUBJECT, ""),
        "recipient": of_chain.get("recipient", ""),
        "recipient_ods": of_chain.get("ods", ""),
        "decision": of_chain.get("decision", ""),
        "letter": of_chain.get("letter", ""),
        "purpose": purposes.get(of_chain.get("agreement", ""), ()),
    }
