"""Both ends compared: what a recipient says it has with what we sent, what a source says it sent with what we took. Ids only.

Read only. It reports what is missing at either side and MUST NOT settle it: a person speaks to the other side, then `held` and `replay`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, or_, select

from fhir_profiles.fhir_kinds import AS_MESSAGE
from fhir_profiles.replies import names_of
from gateway.clients import find
from gateway.errors import ThroughgateError
from gateway.opaque import is_opaque
from gateway.parts import Parts
from gateway.states import DeliveryState
from gateway.store.schema import client as clients
from gateway.store.schema import delivery, message, owed_answer

D = DeliveryState
AT_ONCE = 500
THEIRS = frozenset({D.DELIVERED, D.CONFIRMED})
OPEN_QUESTION = frozenset({D.AMBIGUOUS, D.PARKED})
ON_ITS_WAY = frozenset({D.QUEUED, D.WAITING, D.SENDING})
"""It goes out again under its own id, or its receipt is being written: no difference."""

TEXTS: Mapping[str, str] = {
    "missing-there": "here it is delivered and the recipient does not list it: ask the recipient, then `replay` it with `--resend`",
    "arrived": "here nobody knew, and the recipient has it: `held delivered`",
    "not-arrived": "here nobody knew, and the recipient has it not: `held release`",
    "never-left": "the recipient lists a letter that here has ended without arriving: tell the IG officer",
    "unknown-here": "the recipient lists an id that is not of a letter to it: ask where it comes from",
    "not-acknowledged": "it was collected and never acknowledged: ask the recipient, then `held delivered`",
    "not-collected": "nobody collected it in time: hand over by other means",
    "not-taken": "the source sent it and it was not taken here: ask the source to send it again",
    "not-listed": "it was taken here and the source does not list it: ask the source where it comes from",
}
"""What each code means and what to do."""


class ReconcileError(ThroughgateError):
    """These two cannot be compared: the text says what is needed."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What one side knows and the other does not. `id` is ours, or theirs as they wrote it; empty where theirs has no form of an id: see `line`."""

    code: str
    id: str
    state: str = ""
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """`agreed` counts what both sides know, by its state here; `unseen` counts what has no id that the other side could list.

    `answers` counts what a recipient lists that is no letter but a later answer to a message of its own: there is nothing to do about those.
    """

    with_whom: str
    agreed: Mapping[str, int]
    differences: tuple[Difference, ...]
    unseen: int = 0
    answers: int = 0


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which of our own are asked about: those made or taken from `since` on and before `until`, as the store writes instants."""

    since: str = ""
    until: str = "9999"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Ids of a file, each with its line; the first of equal ones counts."""

    lines: Mapping[str, int] = field(default_factory=dict)


def read_list(text: str) -> Listed:
    """One id a line; empty lines and lines that begin with # are left out."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        found = line.strip()
        if found and not found.startswith("#"):
            lines.setdefault(found, number)
    return Listed(lines=lines)


def with_recipient(parts: Parts, recipient: str, has: Listed | None, window: Window) -> Reconciled:
    """Compare with what a recipient says it has, by any of a letter's names; without a list with its mailbox. ReconcileError without either."""
    known = parts.recipients.get(recipient)
    if known is None:
        raise ReconcileError("there is no such recipient: `throughgate check` prints them")
    if has is None and known.adapter != "mailbox":
        raise ReconcileError("this recipient has no mailbox: give its list of delivery ids with --ids")
    with parts.store.read() as c:
        rows = c.execute(
            select(delivery.c.id, delivery.c.state, delivery.c.attempts, delivery.c.created_at)
            .where(delivery.c.recipient == recipient)
            .order_by(delivery.c.sequence)
        ).all()
        answered = _answered(c, recipient) if has is not None else frozenset()
    answers = {name for name in has.lines if name.upper() in answered} if has is not None else set()
    has = (
        Listed(lines={name: line for name, line in has.lines.items() if name not in answers})
        if has is not None
        else None
    )
    differences = tuple(_mailbox(rows, window) if has is None else _letters(rows, has, window))
    apart = {each.id for each in differences}
    agreed = Counter(row.state for row in rows if _within(row.created_at, window) and row.id not in apart)
    return Reconciled(with_whom=recipient, agreed=dict(agreed), differences=differences, answers=len(answers))


def _answered(c: Connection, recipient: str) -> frozenset[str]:
    """Every name of the later answers to messages of this recipient's own systems. INVARIANT: another's answer is unknown to it."""
    own = (
        select(owed_answer.c.id)
        .join(message, message.c.id == owed_answer.c.message_id)
        .join(clients, clients.c.name == message.c.client)
        .where(clients.c.recipient == recipient)
    )
    return frozenset(name.upper() for each in c.execute(own).scalars() for name in names_of(each))


def _mailbox(rows: Sequence[Any], window: Window) -> Iterator[Difference]:
    codes = {D.AMBIGUOUS: "not-acknowledged", D.EXPIRED: "not-collected"}
    for row in rows:
        if D(row.state) in codes and _within(row.created_at, window):
            yield Difference(code=codes[D(row.state)], id=row.id, state=row.state)


def _letters(rows: Sequence[Any], has: Listed, window: Window) -> Iterator[Difference]:
    theirs = {name.upper(): line for name, line in has.lines.items()}
    ours: set[str] = set()
    for row in rows:
        names = {name.upper() for name in names_of(row.id)}
        ours |= names
        listed = not names.isdisjoint(theirs)
        code = _apart(D(row.state), listed=listed, tried=row.attempts > 0)
        if code is not None and (listed or _within(row.created_at, window)):
            yield Difference(code=code, id=row.id, state=row.state)
    for name, line in has.lines.items():
        if name.upper() not in ours:
            yield Difference(code="unknown-here", id=_shown(name), line=line)


def _apart(state: DeliveryState, *, listed: bool, tried: bool) -> str | None:
    """Why the two sides differ about one letter; None when they do not."""
    if state in THEIRS:
        return None if listed else "missing-there"
    if state in ON_ITS_WAY and (tried or not listed):
        return None
    if state in OPEN_QUESTION and tried:
        return "arrived" if listed else "not-arrived"
    return "never-left" if listed else None


def with_source(parts: Parts, client: str, sent: Listed, window: Window, senders: Sequence[str] = ()) -> Reconciled:
    """Compare with what a source says it sent: its MSH-10 or Bundle.id. `senders` are `MSH-3|MSH-4` beside those of its channels."""
    with parts.store.read() as c:
        owner = find(c, client)
        if owner is None:
            raise ReconcileError("there is no such client: `throughgate check` prints them")
        named_by = _senders(parts, client, senders)
        if not named_by and any("^" in kind for kind in owner.kinds):
            raise ReconcileError("an HL7 v2 id is its sender's: say what stands in MSH-3 and MSH-4 with --sender 'A|B'")
        indexes = {each: tuple(_indexes(parts, each, named_by)) for each in sent.lines}
        found = _found(c, client, [index for each in indexes.values() for index in each])
        mine = c.execute(
            select(message.c.id, message.c.state, message.c.kind, message.c.received_at)
            .where(message.c.client == client, message.c.key_index.is_not(None))
            .order_by(message.c.sequence)
        ).all()
    taken = {name: next((found[index] for index in each if index in found), None) for name, each in indexes.items()}
    differences = [
        Difference(code="not-taken", id=_shown(name), line=sent.lines[name])
        for name, row in taken.items()
        if row is None
    ]
    agreed = Counter(row.state for row in taken.values() if row is not None)
    listed = {row.id for row in taken.values() if row is not None}
    unlisted = [row for row in mine if row.id not in listed and _within(row.received_at, window)]
    named = [row for row in unlisted if "^" in row.kind or row.kind in AS_MESSAGE]
    differences += [Difference(code="not-listed", id=row.id, state=row.state) for row in named]
    return Reconciled(
        with_whom=client,
        agreed=dict(agreed),
        differences=tuple(differences),
        unseen=len(unlisted) - len(named),
    )


def _senders(parts: Parts, client: str, senders: Sequence[str]) -> tuple[tuple[str, str], ...]:
    known = (
        *senders,
        *(
            each
            for one in parts.settings.channels
            if one.client == client and one.format == "hl7v2"
            for each in one.senders
        ),
    )
    return tuple(dict.fromkeys((each.partition("|")[0], each.partition("|")[2]) for each in known))


def _indexes(parts: Parts, name: str, senders: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """Where a message of this id would stand in the inbox, whichever of its source's senders it came from."""
    yield parts.keys.index("bundle-id", name)
    for application, facility in senders:
        yield parts.keys.index("message-key|hl7v2", json.dumps((application, facility, name)))


def _found(c: Connection, client: str, indexes: Sequence[bytes]) -> Mapping[bytes, Any]:
    found: dict[bytes, Any] = {}
    columns = (message.c.id, message.c.state, message.c.key_index, message.c.bundle_index)
    for start in range(0, len(indexes), AT_ONCE):
        some = indexes[start : start + AT_ONCE]
        where = or_(message.c.key_index.in_(some), message.c.bundle_index.in_(some))
        for row in c.execute(select(*columns).where(where, message.c.client == client)):
            found |= {index: row for index in (row.key_index, row.bundle_index) if index is not None}
    return found


def _within(at: str, window: Window) -> bool:
    return window.since <= at < window.until


def _shown(name: str) -> str:
    """Their id if it has the form of an id; a line number says the rest."""
    return name if is_opaque(name) else ""
