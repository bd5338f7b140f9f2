"""What security and commissioners have received, and how much it can tell about a person at most: two measures, and how far below their bounds.

It reads what was entered when a report was closed or a table was printed. It MUST NOT show a count that was not printed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from consent.disclosure_control import BELONGS_AT_MOST, NOT_SHOWN, POSITIVE_AT_MOST
from consent.document import Table
from gateway import whole_way
from gateway.console.asking import Ask, Page
from gateway.evidence import aggregate_chains
from gateway.store.schema import delivery, ledger_entry

LISTED: Final = 60


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One report. `belongs` and `positive` in per cent, None where they were not entered; `shown` of `cells` were printed."""

    id: str
    decision: str
    recipient: str
    state: str
    report: str
    establishment: str
    period: str
    belongs: int | None
    positive: int | None
    cells: int | None
    shown: int | None

    @property
    def margins(self) -> tuple[float, float] | None:
        """How far both measures are below their bounds, in per cent."""
        if self.belongs is None or self.positive is None:
            return None
        return BELONGS_AT_MOST - self.belongs, float(POSITIVE_AT_MOST - self.positive)


@dataclass(frozen=True, kw_only=True)
class Printed:
    """Tables of one quarter: when each was made, and by which rules (the largest hidden number, what is rounded to)."""

    quarter: str
    made: tuple[tuple[str, int, int], ...]

    @property
    def can_be_subtracted(self) -> bool:
        """Were there several, so that whoever has two of them can subtract?"""
        return len(self.made) > 1


def risk(ask: Ask) -> Page:
    """GET /console/risk."""
    with ask.gateway.store.read() as c:
        rows = c.execute(
            select(delivery)
            .where(delivery.c.message_id.is_(None))
            .order_by(delivery.c.sequence.desc())
            .limit(ask.most(LISTED))
        ).all()
        reported = [_reported(c, ask, row) for row in rows]
        printed = list(_printed(c, ask))
    return Page(
        template="risk.html",
        values={
            "reported": reported,
            "printed": printed,
            "belongs_at_most": BELONGS_AT_MOST,
            "positive_at_most": POSITIVE_AT_MOST,
            "listed": LISTED,
        },
        table=_table(reported, printed),
    )


def _table(reported: list[Reported], printed: list[Printed]) -> Table:
    heads = (
        "What",
        "Establishment or rules",
        "Period",
        "To",
        "State or made",
        "Cells printed",
        "Belongs",
        "Positive",
        "Delivery",
    )
    rows = [
        (
            *(each.report, each.establishment, each.period, each.recipient, each.state),
            f"{each.shown} of {each.cells}" if each.cells is not None else "",
            *("" if number is None else str(number) for number in (each.belongs, each.positive)),
            each.id,
        )
        for each in reported
    ]
    rows += [
        ("aggregate", f"hidden up to {small}, rounded to {base}", each.quarter, "", at, "", "", "", "")
        for each in printed
        for at, small, base in each.made
    ]
    return Table(caption="What security and commissioners have received", columns=heads, rows=tuple(rows))


def _reported(c: Connection, ask: Ask, row: Row[Any]) -> Reported:
    facts = _closed(c, row)
    cells = _cells(c, ask, row.decision_id)
    return Reported(
        id=row.id,
        decision=row.decision_id,
        recipient=row.recipient or row.recipient_class,
        state=row.state,
        report=str(facts.get("report", row.letter)),
        establishment=str(facts.get("establishment", "")),
        period=str(facts.get("period", "")),
        belongs=facts.get("belongs"),
        positive=facts.get("positive"),
        cells=len(cells) if cells is not None else None,
        shown=sum(text != NOT_SHOWN for text in cells) if cells is not None else None,
    )


def _closed(c: Connection, row: Row[Any]) -> Mapping[str, Any]:
    """What was entered when the report was closed: in the chain of the delivery that was made first, where it was made again."""
    first, before = row.id, row.supersedes
    while before is not None:
        first = before
        before = c.execute(select(delivery.c.supersedes).where(delivery.c.id == before)).scalar()
    for body in c.execute(select(ledger_entry.c.body).where(ledger_entry.c.chain == first)).scalars():
        entry = json.loads(body)
        if entry["event"] == "closed":
            return dict(entry["facts"])
    return {}


def _cells(c: Connection, ask: Ask, decision_id: str) -> list[str] | None:
    """What the form says of each cell; None once retention has taken it."""
    kept = whole_way.kept_decision(c, ask.gateway, decision_id)
    if kept is None or kept.kept.composed is None:
        return None
    resources = [entry["resource"] for entry in kept.kept.composed.get("entry", ())]
    groups = [group for each in resources if each["resourceType"] == "MeasureReport" for group in each.get("group", ())]
    return [str(group["stratifier"][0]["stratum"][0]["value"]["text"]) for group in groups]


def _printed(c: Connection, ask: Ask) -> Iterator[Printed]:
    for quarter, chain in aggregate_chains(ask.gateway):
        bodies = c.execute(
            select(ledger_entry.c.body).where(ledger_entry.c.chain == chain).order_by(ledger_entry.c.step)
        ).scalars()
        entries = [json.loads(body) for body in bodies]
        if entries:
            made = [(each["at"], int(each["facts"]["small"]), int(each["facts"]["base"])) for each in entries]
            yield Printed(quarter=quarter, made=tuple(made))
