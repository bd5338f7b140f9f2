"""Two people for one act: one asks and says why, another one approves. Both are entries of one chain, their words sealed with the person's key.

An act that was not approved by a second person MUST NOT show or change anything.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, select

from gateway import names
from gateway.errors import ThroughgateError
from gateway.failpoints import around
from gateway.instants import from_text
from gateway.keys import SealedError
from gateway.ledger import record
from gateway.ledger.entry import decode
from gateway.moves import SUBJECT
from gateway.parts import Parts
from gateway.steps.merge import survivor_of
from gateway.steps.reasons import seal_reason
from gateway.store.schema import ledger_entry, message, sealed

APPROVED_DAYS: Final = 92
"""An approval holds for the month that the law gives, and the two by which it may be extended."""
OPEN_HOURS: Final = 8
"""That of disclosures: as in the console."""


class ActError(ThroughgateError):
    """Why an act cannot be done."""


class What(StrEnum):
    """What is asked for."""

    REPORT = "report"
    ERASURE = "erasure"
    DISCLOSURES = "disclosures"
    UNMARK = "unmark"


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act as its chain tells it. `entries` are (event, instant, facts) in order; `by` who asked, `approved_by` who approved, or None."""

    id: str
    what: What
    person_id: str
    by: str
    approved_by: str | None
    approved_at: str | None
    entries: tuple[tuple[str, str, dict[str, Any]], ...]


def ask(parts: Parts, some_id: str, what: What, *, reason: str, by: str) -> str:
    """Ask for something about the person of this id (a person's or a message's). The id of the act, for who approves."""
    act = parts.ids.entry()

    def work(c: Connection) -> None:
        person_id = person_of(c, some_id)
        note = seal_reason(c, parts, person_id, reason=reason, by=named(by))
        enter(c, parts, act, "access-asked", {"what": what.value, "note": note}, person_id=person_id)

    with around("access-asked"):
        parts.store.write(work)
    return act


def approve(parts: Parts, act_id: str, *, reason: str, by: str) -> Act:
    """A second person's word. ActError when it is the same person, or it was approved before."""

    def work(c: Connection) -> None:
        act = read(c, parts, act_id)
        if act.approved_by is not None:
            raise ActError("this was approved already")
        # INVARIANT: nobody approves what they asked for
        if names.is_same(by, act.by):
            raise ActError("who asked cannot approve: a second person is needed")
        note = seal_reason(c, parts, act.person_id, reason=reason, by=named(by))
        enter(c, parts, act_id, "access-approved", {"note": note})

    with around("access-approved"):
        parts.store.write(work)
    with parts.store.read() as c:
        return read(c, parts, act_id)


def approved(c: Connection, parts: Parts, act_id: str, what: What) -> Act:
    """The act, approved by a second person and not too long ago. ActError otherwise."""
    act = read(c, parts, act_id)
    if act.what is not what:
        raise ActError(f"this act is for {act.what.value}")
    if act.approved_at is None:
        raise ActError("a second person has to approve this first")
    holds = timedelta(hours=OPEN_HOURS) if what is What.DISCLOSURES else timedelta(days=APPROVED_DAYS)
    if parts.clock() - from_text(act.approved_at) > holds:
        raise ActError(f"this was approved more than {_in_words(holds)} ago: ask again")
    return act


def _in_words(holds: timedelta) -> str:
    return f"{holds.days} days" if holds.days else f"{OPEN_HOURS} hours"


def read(c: Connection, parts: Parts, act_id: str) -> Act:
    """An act from its chain. ActError when there is none, or its person's key is gone."""
    rows = c.execute(
        select(ledger_entry.c.id, ledger_entry.c.body)
        .where(ledger_entry.c.chain == act_id)
        .order_by(ledger_entry.c.step)
    ).all()
    members = [decode(row.body) for row in rows]
    if not members or members[0]["event"] != "access-asked":
        raise ActError("there is no act of this id: `ask` prints it")
    facts = members[0]["facts"]
    person_id = c.execute(select(sealed.c.wrapped_by).where(sealed.c.id == facts["note"])).scalar()
    try:
        known = (
            parts.keys.commitment(c, person_id, str(members[0]["id"]).encode(), SUBJECT.encode()) if person_id else ""
        )
        by = by_of(c, parts, facts["note"])
        found = next((each for each in members if each["event"] == "access-approved"), None)
        approved_by = by_of(c, parts, found["facts"]["note"]) if found else None
    except SealedError:
        raise ActError("what was said in this act is gone: its person was erased, or its time is over") from None
    if known != facts[SUBJECT] or person_id is None:
        raise ActError("this act is about somebody else than its note: `throughgate ledger verify`")
    return Act(
        id=act_id,
        what=What(facts["what"]),
        person_id=person_id,
        by=by,
        approved_by=approved_by,
        approved_at=found["at"] if found else None,
        entries=tuple((each["event"], each["at"], each["facts"]) for each in members),
    )


def enter(
    c: Connection,
    parts: Parts,
    act_id: str,
    event: str,
    facts: dict[str, str | int | bool],
    *,
    person_id: str | None = None,
) -> None:
    """The next entry of an act's chain; with `person_id` it can be found by that person's key."""
    steps = c.execute(select(ledger_entry.c.step).where(ledger_entry.c.chain == act_id)).scalars().all()
    entry_id = parts.ids.entry()
    if person_id is not None:
        facts = {**facts, SUBJECT: parts.keys.commitment(c, person_id, entry_id.encode(), SUBJECT.encode())}
    record(
        c,
        entry_id=entry_id,
        chain=act_id,
        step=max(steps, default=0) + 1,
        event=event,
        at=parts.now(),
        facts=facts,
    )


def person_of(c: Connection, some_id: str) -> str:
    """Who the id of a person, or of a message that has one, stands for today. ActError for any other."""
    found = survivor_of(c, some_id)
    if found is None:
        found = c.execute(select(message.c.person_id).where(message.c.id == some_id)).scalar()
    if found is None:
        raise ActError("no person, and no message that has one, has this id")
    return str(found)


def by_of(c: Connection, parts: Parts, note: str) -> str:
    """Who said what a sealed note holds. SealedError where it does not open."""
    return str(json.loads(parts.keys.unseal(c, note))["by"])


def named(by: str) -> str:
    """The name as it is kept. ActError for what is none."""
    if not names.is_name(by):
        raise ActError("say who you are: --by")
    return names.as_written(by)
