"""The registers: sharing agreements with their review dates, consents, and who has an account. Metadata only."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from sqlalchemy import select

from consent.document import Table
from consent.lint import TEXTS
from consent.shapes import Agreement
from gateway.console.asking import Ask, NotThere, Page
from gateway.store.schema import consent
from gateway.store.schema import staff as staff_table

LISTED: Final = 100
DUE_DAYS: Final = 60


def agreements(ask: Ask) -> Page:
    """GET /console/agreements."""
    today = ask.gateway.clock().date()
    rows = [
        {"agreement": each, "review": each.text.get("review", ""), "due": _due(each.text.get("review", ""), today)}
        for each in sorted(ask.gateway.agreements.values(), key=lambda each: each.text.get("review", ""))
    ]
    return Page(template="agreements.html", values={"rows": rows, "days": DUE_DAYS}, table=_agreements(rows))


def _agreements(rows: Iterable[Mapping[str, Any]]) -> Table:
    columns = ("Agreement", "Title", "Flow", "Letter", "With", "Regime", "Without a consent", "Owner", "Review", "Ends")
    found = []
    for row in rows:
        one: Agreement = row["agreement"]
        words = (one.name, one.title, one.flow, one.letter, one.recipient_class, one.regime, one.without_consent)
        found.append((*words, *(one.text.get(name, "") for name in ("owner", "review", "ends")), one.digest))
    return Table(caption="Sharing agreements in force", columns=(*columns, "Digest"), rows=tuple(found))


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
                consent.c.remarks,
            )
            .order_by(consent.c.registered_at.desc(), consent.c.id)
            .limit(ask.most(LISTED))
        ).all()
    table = Table(
        caption="Consents",
        columns=(
            "Registered",
            "Consent",
            "Source may widen",
            "Withdrawn by the person",
            "The person's version",
            "Remarks",
            "Message",
        ),
        rows=tuple(
            (
                *(row.registered_at, row.id, _yes(row.authority), _yes(row.withdrawn_by_person)),
                *(str(row.version), row.remarks, row.message_id),
            )
            for row in rows
        ),
    )
    return Page(template="consents.html", values={"rows": rows, "listed": LISTED, "odd": TEXTS}, table=table)


def _yes(said: bool) -> str:
    return "yes" if said else "no"


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
    table = Table(
        caption="Who has an account",
        columns=("Name", "Role", "Made", "Begun", "Ended"),
        rows=tuple((row.name, row.role, row.created_at, row.enrolled_at or "", row.ended_at or "") for row in rows),
    )
    return Page(template="staff.html", values={"rows": rows, "now": ask.gateway.now()}, table=table)
