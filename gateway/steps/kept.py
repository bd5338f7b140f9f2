"""What is kept, sealed, with a decision, so that it can be explained and made again: question, composed bundle, naming key, heading.

Plain FHIR JSON and plain values in one JSON object. This module MUST NOT decide or change anything.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from consent.outcomes import PathGroup, PathOutcome, kept_back
from consent.shapes import (
    Conflict,
    Decision,
    Outcome,
    Override,
    OverrideKind,
    Reason,
    RegisteredConsent,
    ResourceVote,
    Said,
    Unplaced,
    Vote,
)
from fhir_profiles import fhir_json
from fhir_profiles.shapes import Heading, Json, LetterContext
from gateway.engine import MadeBy
from gateway.errors import ThroughgateError
from gateway.keys import Keys, SealedBroken
from gateway.ledger.entry import decode
from gateway.recipients import Recipient
from gateway.store.schema import decision as decision_table
from gateway.store.schema import delivery, ledger_entry
from gateway.store.statement import Statement

_NOT_OURS: Final = (ValueError, LookupError, TypeError, AttributeError)
"""What it raises to read a decision that another program wrote."""
_OF_MESSAGE: Final = Statement(
    select(ledger_entry.c.body)
    .join(decision_table, decision_table.c.message_id == ledger_entry.c.chain)
    .where(decision_table.c.id == bindparam("decision_id"))
)
_OF_DELIVERY: Final = Statement(
    select(ledger_entry.c.body)
    .join(delivery, delivery.c.id == ledger_entry.c.chain)
    .where(delivery.c.decision_id == bindparam("decision_id"))
)
"""The chains in which a decision can have been entered: its message's, and that of a letter under it (a report has no message)."""


class KeptUnread(ThroughgateError):
    """What was kept with a decision is there, and cannot be read. INVARIANT: whoever looks at several looks at the others all the same."""

    def __init__(self, text: str = "") -> None:
        super().__init__(
            text or "what was kept with this decision cannot be read: it was changed, or another program wrote it"
        )


class KeptOfAnother(KeptUnread):
    """What lies where a decision's own should is not what the ledger says was kept with it: somebody edited the database."""

    def __init__(self) -> None:
        super().__init__(
            "what is kept with this decision is not what the ledger says: the database was edited. Show nobody what it says, change nothing, "
            "and call the IG officer; `throughgate ledger verify` names every such decision"
        )


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One cell that a message's results were counted in."""

    report: str
    establishment: str
    period: str
    cell: str


@dataclass(frozen=True, kw_only=True)
class ConsentMark:
    """Which registered version of a consent was asked, and how it stood then. `digest` is SHA-256 of its content without its id."""

    id: str
    version: str
    registered: str
    authority: bool
    withdrawn_by_person: bool
    digest: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who would receive, as that stood then: what of a recipient's file the decision and the letter rest on."""

    recipient: str
    recipient_class: str
    ods: str | None
    roles: tuple[str, ...]
    wire: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Read back from a decision: enough to decide and make the same letter again."""

    decision: Decision
    asked: Asked | None
    """None where no recipient was found."""
    context: LetterContext
    corrects: str | None
    person_released: bool
    recipient_named: bool
    leak_read: bool
    override: Override | None
    id_key: bytes
    heading: Heading | None
    paths: tuple[PathGroup, ...]
    """What became of every path, by which rule."""
    counted: tuple[Counted, ...]
    missing: tuple[str, ...]
    composed: Json | None
    """The letter before minimisation; None where nothing was composed (results that are counted)."""
    consents: tuple[ConsentMark, ...]
    file: tuple[str, ...]
    """Marks of the versions of the person's file that the letter was composed from, in their order."""
    made_by: MadeBy | None
    """Which program decided, and by which terminology; None in what was decided before that was kept."""
    bound: bool = False
    """Does the ledger say that this is what was kept with its decision? Not of what was decided before the ledger said so of any."""

    @property
    def recipient(self) -> str | None:
        """The id of who would receive."""
        return self.asked.recipient if self.asked is not None else None

    @property
    def withheld(self) -> tuple[tuple[str, str], ...]:
        """(path or `Type/id`, rule) of what a letter that leaves leaves out."""
        return kept_back(self.paths) if self.decision.permitted else ()


def recipient_of(asked: Asked | None, letter: str) -> Recipient | None:
    """Who would have received, as that stood then: enough to decide again, and nobody to send to."""
    if asked is None:
        return None
    return Recipient(
        id=asked.recipient,
        name="",
        recipient_class=asked.recipient_class,
        ods=asked.ods,
        letters={letter: asked.wire},
        adapter="",
        adapter_settings={},
        serves_ods=(),
        serves_postcode_areas=(),
        serves_establishments=(),
        version="",
        roles=asked.roles,
    )


def mark_of(stored: bytes) -> str:
    """What tells one version of a resource from every other: of its bytes as they are stored."""
    return hashlib.sha256(stored).hexdigest()[:32]


def marks_of(resources: Iterable[Json]) -> tuple[str, ...]:
    """The marks of a file, in its order."""
    return tuple(mark_of(fhir_json.encode(each)) for each in resources)


def consent_mark(registered: RegisteredConsent) -> ConsentMark:
    """The mark of a registered version. Its id is left out of the digest: a merge of two people gives one of two equal ids another."""
    said = registered.consent
    content = {name: value for name, value in said.items() if name != "id"}
    return ConsentMark(
        id=str(said.get("id", "")),
        version=str(said.get("meta", {}).get("versionId", "")),
        registered=registered.registered,
        authority=registered.authority,
        withdrawn_by_person=registered.withdrawn_by_person,
        digest=hashlib.sha256(fhir_json.encode(content)).hexdigest(),
    )


def write_kept(  # noqa: PLR0913  everything that a decision was made from, each by its name
    *,
    decision: Decision,
    asked: Asked | None,
    context: LetterContext,
    corrects: str | None = None,
    person_released: bool = False,
    recipient_named: bool = False,
    leak_read: bool = False,
    override: Override | None = None,
    composed: Json | None = None,
    missing: tuple[str, ...] = (),
    id_key: bytes = b"",
    heading: Heading | None = None,
    paths: tuple[PathGroup, ...] = (),
    counted: tuple[Counted, ...] = (),
    consents: Iterable[RegisteredConsent] = (),
    file: tuple[str, ...] = (),
    made_by: MadeBy | None,
) -> bytes:
    """The bytes to seal. `consents` are the registered versions that were asked, `file` what `marks_of` says of the file."""
    return fhir_json.encode(
        {
            "asked": asked,
            "context": context,
            "corrects": corrects,
            "person_released": person_released,
            "recipient_named": recipient_named,
            "override": override,
            "decision": decision,
            "composed": composed,
            "missing": missing,
            "id_key": id_key.hex(),
            "heading": heading,
            "paths": paths,
            "counted": counted,
            "consents": [consent_mark(each) for each in consents],
            "file": file,
            **({"leak_read": True} if leak_read else {}),
            **({"made_by": made_by} if made_by is not None else {}),
        }
    )


def open_kept(c: Connection, keys: Keys, sealed_id: str, *, of: str) -> Kept:
    """What was sealed with the decision `of`. SealedGone where retention has taken it, KeptUnread where it cannot be read or is not its own."""
    try:
        stored = keys.unseal(c, sealed_id)
    except SealedBroken:
        raise KeptUnread from None
    bound = is_bound(c, sealed_id, of=of)
    return replace(read_kept(stored), bound=bound)


def is_bound(c: Connection, sealed_id: str, *, of: str) -> bool:
    """Does the ledger say that this is what was kept with that decision? False for one that was entered before the ledger said it of any.

    INVARIANT: a sealed thing cannot be changed without its key and opens under its own id alone; so the one id that was entered with a
    decision is enough, and another one under it is nobody's to be shown as its own. Raises KeptOfAnother.
    """
    said = [*_entered(c, _OF_MESSAGE, of)] or [*_entered(c, _OF_DELIVERY, of)]
    kept = {each for each in said if each}
    if not said or kept - {sealed_id}:
        raise KeptOfAnother
    return bool(kept)


def _entered(c: Connection, chains: Statement, decision_id: str) -> Iterator[str]:
    """What each entry that decides this says of what was kept; empty where it says nothing."""
    named = decision_id.encode()
    for body in chains.column(c, decision_id=decision_id):
        if named in body and b'"decided"' in body:
            entry = decode(body)
            if entry["event"] == "decided" and entry["facts"].get("decision") == decision_id:
                yield str(entry["facts"].get("kept", ""))


def read_kept(text: bytes) -> Kept:
    """Read what `write_kept` wrote. Raises KeptUnread for anything else."""
    try:
        return _read(text)
    except _NOT_OURS:
        raise KeptUnread from None


def _read(text: bytes) -> Kept:
    kept: Mapping[str, Any] = fhir_json.decode(text)
    context = dict(kept["context"])
    for name in ("focus", "withdrawn"):
        context[name] = tuple(context.get(name, ()))
    known = {field.name for field in fields(LetterContext)}
    asked = kept["asked"]
    return Kept(
        decision=_decision(kept["decision"]),
        asked=Asked(**{**asked, "roles": tuple(asked["roles"])}) if asked else None,
        context=LetterContext(**{name: value for name, value in context.items() if name in known}),
        corrects=kept["corrects"],
        person_released=kept["person_released"],
        recipient_named=kept.get("recipient_named", False),
        leak_read=kept.get("leak_read", False),
        override=_override(kept["override"]),
        id_key=bytes.fromhex(kept["id_key"]),
        heading=Heading(**kept["heading"]) if kept["heading"] else None,
        paths=tuple(_group(each) for each in kept["paths"]),
        counted=tuple(Counted(**each) for each in kept["counted"]),
        missing=tuple(kept["missing"]),
        composed=kept["composed"],
        consents=tuple(ConsentMark(**each) for each in kept["consents"]),
        file=tuple(kept["file"]),
        made_by=MadeBy(**kept["made_by"]) if "made_by" in kept else None,
    )


def _override(kept: Mapping[str, str] | None) -> Override | None:
    return Override(kind=OverrideKind(kept["kind"]), until=kept["until"]) if kept is not None else None


def _group(kept: Mapping[str, Any]) -> PathGroup:
    lists = {name: tuple(kept.get(name, ())) for name in ("resources", "paths", "places")}
    return PathGroup(**{**kept, **lists, "outcome": PathOutcome(kept["outcome"])})


def _unplaced(kept: Mapping[str, Any] | None) -> Unplaced | None:
    return Unplaced(own=tuple(kept["own"]), words=tuple(kept["words"])) if kept is not None else None


def _decision(kept: Mapping[str, Any]) -> Decision:
    return Decision(
        outcome=Outcome(kept["outcome"]),
        recipient_class=kept["recipient_class"],
        agreement=kept["agreement"],
        agreement_digest=kept["agreement_digest"],
        letter=kept["letter"],
        as_of=kept["as_of"],
        reasons=tuple(Reason(**each) for each in kept["reasons"]),
        votes=tuple(ResourceVote(**{**each, "vote": Vote(each["vote"])}) for each in kept["votes"]),
        permitted=tuple(kept["permitted"]),
        identifier_systems=tuple(kept["identifier_systems"]),
        withheld_marker=kept["withheld_marker"],
        unplaced=_unplaced(kept.get("unplaced")),
        conflicts=tuple(_conflict(each) for each in kept.get("conflicts", ())),  # none in decisions of earlier versions
    )


def _conflict(kept: Mapping[str, Any]) -> Conflict:
    return Conflict(resource=kept["resource"], permits=Said(**kept["permits"]), denies=Said(**kept["denies"]))
