"""The registers: sharing agreements with their review dates, consents, who has an account, and who looked at what. Metadata only."""

import json
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, select

from gateway.console import staff
from gateway.console.asking import Ask, NotThere, Page
from gateway.ledger import LedgerEvent
from gateway.store.schema import consent, ledger_entry, ledger_position
from gateway.store.schema import staff as staff_table

LISTED: Final = 100
DUE_DAYS: Final = 60
ACTS: Final = (
    LedgerEvent.VIEWED,
    LedgerEvent.SEARCHED,
    LedgerEvent.SEARCH_APPROVED,
    LedgerEvent.SEARCH_DECLINED,
    LedgerEvent.ACCESS_REFUSED,
    LedgerEvent.LOGGED_IN,
    LedgerEvent.LOGGED_OUT,
    LedgerEvent.STAFF_ADDED,
    LedgerEvent.STAFF_ENROLLED,
    LedgerEvent.STAFF_ENDED,
    LedgerEvent.HELD_RELEASED,
    LedgerEvent.HELD_REJECTED,
    LedgerEvent.TASK_ENDED,
)
"""What people do, as the ledger calls it."""
READ: Final = 2_000
"""How many of the newest entries are looked through for the acts of people."""


def agreements(ask: Ask) -> Page:
    """GET /console/agreements."""
    today = ask.gateway.clock().date()
    rows = [
        {"agreement": each, "review": each.text.get("review", ""), "due": _due(each.text.get("review", ""), today)}
        for each in sorted(ask.gateway.agreements.values(), key=lambda each: each.text.get("review", ""))
    ]
    return Page(template="agreements.html", values={"rows": rows, "days": DUE_DAYS})


def _due(review: str, today: date) -> str:
    """`overdue`, `soon` or nothing. A date that cannot be read is overdue: somebody has to look."""
    try:
        left = (date.fromisoformat(review) - today).days
    except ValueError:
        return "overdue"
    return "overdue" if left < 0 else "soon" if left <= DUE_DAYS else ""


def agreement(ask: Ask) -> Page:
    """GET /console/agreements/{name}: the words, and every path that may leave with the reason why it is necessary."""
    found = ask.gateway.agreements.get(ask.path["name"])
    if found is None:
        raise NotThere("no active agreement has this name")
    clauses: dict[str, list[str]] = {}
    for clause in found.fields:
        clauses.setdefault(clause.why, []).append(clause.path)
    takers = [each.id for each in ask.gateway.recipients.values() if each.recipient_class == found.recipient_class]
    values = {"agreement": found, "clauses": clauses, "takers": sorted(takers)}
    return Page(template="agreement.html", values=values, about=found.name)


def consents(ask: Ask) -> Page:
    """GET /console/consents: the newest versions that were registered."""
    with ask.gateway.store.read() as c:
        rows = c.execute(
            select(
                consent.c.id,
                consent.c.version,
                consent.c.authority,
                consent.c.withdrawn_by_person,
                consent.c.message_id,
                consent.c.registered_at,
            )
            .order_by(consent.c.registered_at.desc(), consent.c.id)
            .limit(LISTED)
        ).all()
    return Page(template="consents.html", values={"rows": rows, "listed": LISTED})


def acts(ask: Ask) -> Page:
    """GET /console/acts: what people did here, newest first."""
    wanted = ask.query.get("event", "")
    if wanted and wanted not in set(ACTS):
        raise NotThere("there is no such act")
    with ask.gateway.store.read() as c:
        found = _acts(c, {wanted} if wanted else {each.value for each in ACTS})
    return Page(
        template="acts.html",
        values={"acts": found, "wanted": wanted, "events": [each.value for each in ACTS], "read": READ},
    )


def _acts(c: Connection, wanted: set[str]) -> list[dict[str, Any]]:
    known = staff.names(c)
    rows = c.execute(
        select(ledger_entry.c.body, ledger_position.c.position)
        .outerjoin(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
        .order_by(ledger_entry.c.sequence.desc())
        .limit(READ)
    )
    found = []
    for row in rows:
        entry = json.loads(row.body)
        if entry["event"] in wanted:
            facts = dict(entry["facts"])
            who = str(facts.pop("staff", entry["chain"]))
            found.append(
                {"event": entry["event"], "at": entry["at"], "position": row.position, "facts": facts}
                | {"who": known.get(who, "")}
            )
        if len(found) == LISTED:
            break
    return found


def accounts(ask: Ask) -> Page:
    """GET /console/staff."""
    with ask.gateway.store.read() as c:
        rows = c.execute(
            select(
                staff_table.c.name,
                staff_table.c.role,
                staff_table.c.created_at,
                staff_table.c.enrolled_at,
                staff_table.c.ended_at,
                staff_table.c.locked_until,
            ).order_by(staff_table.c.name)
        ).all()
    return Page(template="staff.html", values={"rows": rows, "now": ask.gateway.now()})
