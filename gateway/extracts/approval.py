"""Two people for one extract: one asks and says why, another one approves. It is about an agreement and a quarter, and about nobody.

INVARIANT: what they approved is one text of one agreement: another text, another quarter or too long a time, and they are asked again.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from consent.extracts import LETTER
from consent.shapes import Agreement
from gateway import names
from gateway.failpoints import around
from gateway.instants import from_text
from gateway.keys import SealedError
from gateway.ledger.entry import decode
from gateway.parts import Parts
from gateway.steps.indicators import bounds
from gateway.steps.reasons import seal_reason
from gateway.store.schema import ledger_entry
from gateway.subject.acts import APPROVED_DAYS, ActError, by_of, enter, named

ASKED: Final = "extract-asked"
EXTRACT: Final = "extract"
"""The chains of what was made, by agreement and quarter."""


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One act as its chain tells it. `approved_at` is None until a second person has said."""

    id: str
    agreement: str
    agreement_digest: str
    quarter: str
    by: str
    approved_at: str | None


def ask(parts: Parts, agreement: str, quarter: str, *, reason: str, by: str) -> str:
    """Ask for the extract of a quarter that is over under an agreement in force. The id of the act, for who approves."""
    bounds(parts, quarter)
    asked = agreed(parts, agreement)
    digest, act = asked.digest, parts.ids.entry()

    def work(c: Connection) -> None:
        refuse_another(c, agreement, asked.text["evaluator"], quarter)
        note = seal_reason(c, parts, None, reason=reason, by=named(by))
        facts: dict[str, str | int | bool] = {"agreement": agreement, "agreement_digest": digest, "quarter": quarter}
        enter(c, parts, act, ASKED, {**facts, "note": note})

    with around("extract-asked"):
        parts.store.write(work)
    return act


def approve(parts: Parts, act_id: str, *, reason: str, by: str) -> Approval:
    """A second person's word. ActError when it is the same person, or it was approved before."""

    def work(c: Connection) -> None:
        act = _read(c, parts, act_id)
        if act.approved_at is not None:
            raise ActError("this was approved already")
        # INVARIANT: nobody approves what they asked for
        if names.is_same(by, act.by):
            raise ActError("who asked cannot approve: a second person is needed")
        note = seal_reason(c, parts, None, reason=reason, by=named(by))
        enter(c, parts, act_id, "extract-approved", {"note": note})

    with around("extract-approved"):
        parts.store.write(work)
    with parts.store.read() as c:
        return _read(c, parts, act_id)


def approved(c: Connection, parts: Parts, act_id: str) -> tuple[Approval, Agreement]:
    """The act and its agreement, still of the text that was approved, by a second person and not too long ago. ActError otherwise."""
    act = _read(c, parts, act_id)
    agreement = agreed(parts, act.agreement)
    if act.approved_at is None:
        raise ActError("a second person has to approve this first")
    if parts.clock() - from_text(act.approved_at) > timedelta(days=APPROVED_DAYS):
        raise ActError(f"this was approved more than {APPROVED_DAYS} days ago: ask again")
    if agreement.digest != act.agreement_digest:
        raise ActError("the agreement has another text now than the one that was approved: ask again")
    return act, agreement


def agreed(parts: Parts, name: str) -> Agreement:
    """The agreement in force of this name, if it is one for an extract. ActError otherwise."""
    found = parts.agreements.get(name)
    if found is None or found.letter != LETTER:
        raise ActError(f"no agreement in force of this name is for `{LETTER}`")
    return found


def refuse_another(c: Connection, agreement: str, body: str, quarter: str) -> None:
    """INVARIANT: one body has one extract of a quarter: of two, under whatever agreements, what is in one alone could be subtracted. ActError."""
    made = select(ledger_entry.c.body).where(ledger_entry.c.chain.like(f"{EXTRACT}:%:{quarter}"))
    for entry in c.execute(made).scalars():
        facts = decode(entry)["facts"]
        if facts["agreement"] != agreement and facts["recipient"] == body:
            raise ActError("this body has an extract of this quarter under another agreement: they could be subtracted")


def _read(c: Connection, parts: Parts, act_id: str) -> Approval:
    query = select(ledger_entry.c.body).where(ledger_entry.c.chain == act_id).order_by(ledger_entry.c.step)
    members: list[dict[str, Any]] = [decode(body) for body in c.execute(query).scalars()]
    if not members or members[0]["event"] != ASKED:
        raise ActError("there is no act of this id: `ask` prints it")
    facts = members[0]["facts"]
    try:
        by = by_of(c, parts, facts["note"])
    except SealedError:
        raise ActError("what was said in this act is gone: its time is over") from None
    return Approval(
        id=act_id,
        agreement=facts["agreement"],
        agreement_digest=facts["agreement_digest"],
        quarter=facts["quarter"],
        by=by,
        approved_at=members[1]["at"] if len(members) > 1 else None,
    )
