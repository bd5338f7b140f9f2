"""The officer's report: everything that happened to one person's data, from the ledger itself, with a proof of every entry.

It is for an information governance officer and is never handed over: what the person gets is `persons_copy.py`'s. Two people make it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from gateway.evidence import enter_export
from gateway.ledger import Prover, Verification
from gateway.ledger.verify import verify
from gateway.parts import Parts
from gateway.states import DELIVERY_START, MESSAGE_START, DeliveryState, MessageState
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
    """`differs`: what the tables of the database say otherwise than the ledger, and what the ledger says is theirs and cannot be found;
    nothing in a good installation. `apart`: records that were joined with theirs and separated again, a sentence each. `unproved`: how
    many of its entries no signed head covers yet: they are in the report and not in the proof.
    """

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
    apart: tuple[str, ...]
    unproved: int


def make(parts: Parts, act_id: str) -> tuple[Report, dict[str, Any]]:
    """The report and its proof. ActError unless a second person approved; NotProvable before anything of it is under a signed head."""
    (made,) = make_all(parts, [act_id])
    return made


def make_all(parts: Parts, act_ids: Sequence[str]) -> Iterator[tuple[Report, dict[str, Any]]]:
    """Several reports, each with its proof, in the order of their acts: the ledger is verified and read once for all of them.

    All are entered as made before the first is there. Errors as of `make`; one that cannot be made ends all of them.
    """
    with parts.store.read() as c:
        asked = [approved(c, parts, each, What.REPORT) for each in act_ids]
    for act in asked:
        enter_export(parts, "subject-report", about=act.id)
    # INVARIANT: one moment: what is found, what is proved and what is said of the ledger are of the same snapshot and head
    with parts.ledger.as_signed() as signed:
        found = scan.find_all(signed.c, parts, list(dict.fromkeys(act.person_id for act in asked)))
        prover = Prover(signed, {entry.id for each in found.values() for entry in each.entries})
        verified = verify(signed)
        for act in asked:
            theirs = found[act.person_id]
            proof = prover.prove({"subject-access": act.id}, {entry.id for entry in theirs.entries})
            yield _report(signed.c, parts, act, theirs, _positions(proof), verified), proof


def _positions(proof: dict[str, Any]) -> dict[str, int]:
    """Entry id -> position, of what is proved."""
    return {scan.entry_of(each["entry"].encode()).id: int(each["position"]) for each in proof["entries"]}


def _report(
    c: Connection, parts: Parts, act: Act, found: Found, positions: dict[str, int], verified: Verification
) -> Report:
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
        ledger=verified,
        messages=tuple(sorts["message"]),
        deliveries=tuple(sorts["delivery"]),
        acts=tuple(sorts["act"]),
        differs=(*_differs(c, found, sorts), *_otherwise(c, sorts), *_joined(found)),
        apart=tuple(
            f"record {each}: it was joined with this person's, and separated again {at}" for each, at in found.apart
        ),
        unproved=sum(each.id not in positions for each in found.entries),
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


_SORTS: Final = {"message": (message, frozenset(MessageState)), "delivery": (delivery, frozenset(DeliveryState))}
_DECIDED: Final = {"outcome": "outcome", "recipient": "recipient", "letter": "letter", "agreement_digest": "agreement"}
"""Column of a decision, and its fact in the ledger; the recipient and the letter are a delivery's too."""
_OF_DELIVERIES: Final = ("recipient", "letter")


def _otherwise(c: Connection, sorts: dict[str, list[Chain]]) -> Iterable[str]:
    """INVARIANT: a row that somebody edited is not believed in silence: states, and who was told what by which agreement, beside the ledger's words."""
    for sort, (table, words) in _SORTS.items():
        chains = {chain.id: chain for chain in sorts[sort]}
        for row in c.execute(select(table).where(table.c.id.in_(chains)).order_by(table.c.id)):
            happened = chains[row.id].happened
            last = next((each.event for each in reversed(happened) if each.event in words), row.state)
            yield from _named(f"{sort} {row.id}", "state", row.state, last)
            if table is delivery:
                yield from _compared(
                    f"delivery {row.id}", row, {name: name for name in _OF_DELIVERIES}, _facts(happened)
                )
    decided: dict[str, list[Happened]] = {}
    for each in (one for chains_ in sorts.values() for chain in chains_ for one in chain.happened):
        if each.event == "decided" and "decision" in each.facts:
            decided.setdefault(str(each.facts["decision"]), []).append(each)
    for row in c.execute(select(decision).where(decision.c.id.in_(decided)).order_by(decision.c.id)):
        facts = _facts(decided[row.id])
        yield from _compared(f"decision {row.id}", row, _DECIDED, facts)
        if row.sealed_id is not None and facts.get("kept", row.sealed_id) != row.sealed_id:
            yield f"decision {row.id}: what is kept with it is not what was entered with it"


def _facts(happened: Iterable[Happened]) -> dict[str, Any]:
    """What was said last of each fact."""
    return {name: value for each in happened for name, value in each.facts.items()}


def _compared(what: str, row: Row[Any], columns: Mapping[str, str], facts: Mapping[str, Any]) -> Iterable[str]:
    for column, fact in columns.items():
        if fact in facts:
            yield from _named(what, fact, getattr(row, column), facts[fact])


def _named(what: str, name: str, by_database: object, by_ledger: object) -> Iterable[str]:
    if by_database != by_ledger:
        yield f"{what}: its {name} is {by_database} in the database, and {by_ledger} in the ledger"


def _joined(found: Found) -> Iterable[str]:
    """Records of this person that the ledger does not know, and those of which it cannot say any more what was about them."""
    for each in sorted(found.unsaid):
        yield f"record {each}: the database says that it was joined with this person's, the ledger does not"
    for each in sorted(found.keyless):
        yield f"record {each}: it was joined with this person's and its key is gone: what is about it alone is not in this report"
