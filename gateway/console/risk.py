"""What security, commissioners and evaluators have received, and how much it can tell about a person at most, against its bounds.

It reads what was entered when a report was closed, a table was printed or an extract made. It MUST NOT show a count that was not printed: how many
were left out of an extract is for who makes it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from consent.aggregates import TOTAL
from consent.disclosure_control import BELONGS_AT_MOST, NOT_SHOWN, POSITIVE_AT_MOST
from consent.document import Table
from fhir_profiles.letters.indicators import COLUMNS
from fhir_profiles.shapes import Calendar
from gateway import whole_way
from gateway.console.asking import Ask, Page
from gateway.periods import period_of
from gateway.steps.indicators import chain_of
from gateway.steps.kept import KeptUnread
from gateway.store.schema import delivery, ledger_entry

LISTED: Final = 60
REPORT: Final = "report"
"""The letter that security gets."""
INDICATORS: Final = "indicators"
"""The letter that commissioners and boards get: their establishment's rows of the one table of a quarter."""
QUARTERS: Final = 4
_EXTRACTS: Final = "extract:%"
"""The chains of extracts, by agreement and quarter (gateway/extracts/)."""


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
    """The table of one quarter: when it was closed, and by which rules (the largest hidden number, what is rounded to).

    `hidden` of its `figures` are `*`; `smallest` is the smallest number above 0 that is printed, None where there is none.
    """

    quarter: str
    at: str
    small: int
    base: int
    figures: int
    hidden: int
    smallest: int | None

    @property
    def bound(self) -> float:
        """A printed number above 0 counts more people than are ever hidden: what a share of one of them is at most, in per cent."""
        return 100 / (self.small + 1)

    @property
    def belongs(self) -> float | None:
        """That one who is counted behind a printed number is a given person, in per cent: of the fewest that it can count."""
        if self.smallest is None:
            return None
        return 100 / max(self.small + 1, self.smallest - self.base // 2)


@dataclass(frozen=True, kw_only=True)
class Received:
    """One part of such a table, and to whom it went."""

    id: str
    quarter: str
    establishment: str
    recipient: str
    recipient_class: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """One extract: for whom, of which quarter, its rows, and how many of them look alike at least."""

    agreement: str
    evaluator: str
    quarter: str
    at: str
    rows: int
    alike: int

    @property
    def named(self) -> str:
        """The chance to name the right row of somebody who is in it, at most, in per cent."""
        return f"{100 / self.alike:.1f}"


def risk(ask: Ask) -> Page:
    """GET /console/risk."""
    with ask.gateway.store.read() as c:
        reported = [_reported(c, ask, row) for row in _newest(c, ask, REPORT)]
        received = [_received(c, row) for row in _newest(c, ask, INDICATORS)]
        printed = list(_printed(c, ask))
        extracted = list(_extracted(c, ask.most(LISTED)))
    return Page(
        template="risk.html",
        values={
            "reported": reported,
            "printed": printed,
            "received": received,
            "extracted": extracted,
            "belongs_at_most": BELONGS_AT_MOST,
            "positive_at_most": POSITIVE_AT_MOST,
            "listed": LISTED,
        },
        table=_table(reported, printed, received, extracted),
    )


def _newest(c: Connection, ask: Ask, letter: str) -> Sequence[Row[Any]]:
    """The newest letters of this name that no message made."""
    named = select(delivery).where(delivery.c.message_id.is_(None), delivery.c.letter == letter)
    return c.execute(named.order_by(delivery.c.sequence.desc()).limit(ask.most(LISTED))).all()


def _table(
    reported: list[Reported], printed: list[Printed], received: list[Received], extracted: list[Extracted]
) -> Table:
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
        (
            *("aggregate", f"hidden up to {each.small}, rounded to {each.base}", each.quarter, "", each.at),
            f"{each.figures - each.hidden} of {each.figures}",
            *(f"{each.belongs:.1f}" if each.belongs is not None else "", "", ""),
        )
        for each in printed
    ]
    rows += [
        (INDICATORS, each.establishment, each.quarter, each.recipient, each.state, "", "", "", each.id)
        for each in received
    ]
    rows += [
        (
            *(each.agreement, f"{each.alike} look alike at least", each.quarter, each.evaluator, each.at),
            *(f"{each.rows} rows", each.named, "", ""),
        )
        for each in extracted
    ]
    return Table(caption="What security, commissioners and evaluators have received", columns=heads, rows=tuple(rows))


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


def _received(c: Connection, row: Row[Any]) -> Received:
    facts = _closed(c, row)
    return Received(
        id=row.id,
        quarter=str(facts.get("period", "")),
        establishment=str(facts.get("establishment", "")),
        recipient=row.recipient or row.recipient_class,
        recipient_class=row.recipient_class,
        state=row.state,
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
    """What the form says of each cell; None once retention has taken it, or where it cannot be read."""
    try:
        kept = whole_way.kept_decision(c, ask.gateway, decision_id)
    except KeptUnread:
        kept = None
    if kept is None or kept.kept.composed is None:
        return None
    resources = [entry["resource"] for entry in kept.kept.composed.get("entry", ())]
    groups = [group for each in resources if each["resourceType"] == "MeasureReport" for group in each.get("group", ())]
    return [str(group["stratifier"][0]["stratum"][0]["value"]["text"]) for group in groups]


def _printed(c: Connection, ask: Ask) -> Iterator[Printed]:
    """The quarters of the last three years, the newest first."""
    quarter = period_of(ask.gateway.clock().date(), Calendar.QUARTER)
    number = int(quarter[:4]) * QUARTERS + int(quarter[-1]) - 1
    for each in range(number, number - 3 * QUARTERS, -1):
        quarter = f"{each // QUARTERS}-Q{each % QUARTERS + 1}"
        entered = select(ledger_entry.c.body).where(ledger_entry.c.chain == chain_of(quarter))
        bodies = c.execute(entered.order_by(ledger_entry.c.step)).scalars().all()
        if bodies:
            yield _table_of(quarter, [json.loads(body) for body in bodies])


def _table_of(quarter: str, entries: Sequence[Mapping[str, Any]]) -> Printed:
    """What was printed of a quarter: an entry a row, its figures by column."""
    first = entries[0]["facts"]
    names = [column.replace(" ", "_") for column in (*COLUMNS, TOTAL)]
    figures = [each["facts"][name] for each in entries for name in names if name in each["facts"]]
    shown = [figure for figure in figures if isinstance(figure, int)]
    return Printed(
        quarter=quarter,
        at=entries[0]["at"],
        small=int(first["small"]),
        base=int(first["base"]),
        figures=len(figures),
        hidden=len(figures) - len(shown),
        smallest=min((figure for figure in shown if figure > 0), default=None),
    )


def _extracted(c: Connection, most: int) -> Iterator[Extracted]:
    """The extracts, the newest first; one that was made again is the same file."""
    entered = select(ledger_entry.c.body).where(ledger_entry.c.chain.like(_EXTRACTS), ledger_entry.c.step == 1)
    for body in c.execute(entered.order_by(ledger_entry.c.sequence.desc()).limit(most)).scalars():
        entry = json.loads(body)
        facts = entry["facts"]
        yield Extracted(
            agreement=str(facts["agreement"]),
            evaluator=str(facts["recipient"]),
            quarter=str(facts["quarter"]),
            at=entry["at"],
            rows=int(facts["rows"]),
            alike=int(facts["k"]),
        )
