"""The officer's report: everything that happened to one person's data, from the ledger itself, with a proof of every entry.

It is for an information governance officer and is never handed over: what the person gets is `persons_copy.py`'s. Two people make it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from gateway.evidence import enter_export
from gateway.ledger import Verification, prove
from gateway.parts import Parts
from gateway.states import DELIVERY_START, MESSAGE_START, MessageState
from gateway.store.schema import decision, delivery, message
from gateway.subject import scan
from gateway.subject.acts import Act, What, approved
from gateway.subject.scan import Entry, Found
from gateway.whole_way import DecisionWay, decision_way


@dataclass(frozen=True, kw_only=True)
class Happened:
    """One entry about a chain: what, when, with the facts of the ledger, and its position; None where no head covers it yet."""

    event: str
    at: str
    entry: str
    position: int | None
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """One message, delivery or act about the person. `details` of decisions, where they are still kept."""

    id: str
    kind: str
    happened: tuple[Happened, ...]
    details: tuple[DecisionWay, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """`differs`: what the tables of the database say otherwise than the ledger; nothing in a good installation."""

    act: str
    asked_by: str
    approved_by: str
    made_at: str
    people: tuple[str, ...]
    ledger: Verification
    messages: tuple[Chain, ...]
    deliveries: tuple[Chain, ...]
    acts: tuple[Chain, ...]
    differs: tuple[str, ...]


def make(parts: Parts, act_id: str) -> tuple[Report, dict[str, Any]]:
    """The report and its proof. ActError unless a second person approved; NotProvable before anything of it is under a signed head."""
    with parts.store.read() as c:
        act = approved(c, parts, act_id, What.REPORT)
    enter_export(parts, "subject-report", about=act_id)
    with parts.store.read() as c:
        found = scan.find(c, parts, act.person_id)
    with parts.ledger.as_signed() as signed:
        proof = prove(signed, {"subject-access": act_id}, {entry.id for entry in found.entries})
    with parts.store.read() as c:
        made = _report(c, parts, act, found, _positions(proof))
    return made, proof


def _positions(proof: dict[str, Any]) -> dict[str, int]:
    """Entry id -> position, of what is proved."""
    return {scan.entry_of(each["entry"].encode()).id: int(each["position"]) for each in proof["entries"]}


def _report(c: Connection, parts: Parts, act: Act, found: Found, positions: dict[str, int]) -> Report:
    chains: dict[str, list[Entry]] = {}
    for entry in found.entries:
        chains.setdefault(entry.chain, []).append(entry)
    sorts: dict[str, list[Chain]] = {"message": [], "delivery": [], "act": []}
    for chain, entries in chains.items():
        sort = "message" if entries[0].event in MESSAGE_START else "act"
        sort = "delivery" if entries[0].event in DELIVERY_START and sort == "act" else sort
        happened = tuple(
            Happened(event=each.event, at=each.at, entry=each.id, position=positions.get(each.id), facts=each.facts)
            for each in entries
        )
        sorts[sort].append(Chain(id=chain, kind=sort, happened=happened, details=tuple(_details(c, parts, entries))))
    return Report(
        act=act.id,
        asked_by=act.by,
        approved_by=act.approved_by or "",
        made_at=parts.now(),
        people=tuple(sorted(found.people)),
        ledger=parts.ledger.verify(),
        messages=tuple(sorts["message"]),
        deliveries=tuple(sorts["delivery"]),
        acts=tuple(sorts["act"]),
        differs=tuple(_differs(c, found, sorts)),
    )


def _details(c: Connection, parts: Parts, entries: Iterable[Entry]) -> Iterable[DecisionWay]:
    """Rules and withheld paths of every decision that these entries name."""
    named = dict.fromkeys(
        str(each.facts["decision"]) for each in entries if each.event == "decided" and "decision" in each.facts
    )
    for decision_id in named:
        row = c.execute(select(decision).where(decision.c.id == decision_id)).one_or_none()
        if row is not None:
            yield decision_way(c, parts, row)


def _differs(c: Connection, found: Found, sorts: dict[str, list[Chain]]) -> Iterable[str]:
    """INVARIANT: the ledger decides what is about the person; where the tables say otherwise, both are named."""
    for sort, table in (("message", message), ("delivery", delivery)):
        query = select(table.c.id).where(table.c.person_id.in_(found.people))
        if table is message:
            query = query.where(
                message.c.state != MessageState.RECEIVED.value
            )  # an entry says whose it is when it is released or held
        by_table = set(c.execute(query).scalars())
        by_ledger = {chain.id for chain in sorts[sort]}
        kept = set(c.execute(select(table.c.id).where(table.c.id.in_(by_ledger))).scalars())
        for each in sorted(by_table - by_ledger):
            yield f"{sort} {each}: the database says that it is about this person, the ledger does not"
        for each in sorted(kept - by_table):
            yield f"{sort} {each}: the ledger says that it is about this person, the database does not"
