"""CLOSE: a calendar report is a release over many messages that the clock starts; it goes through the same gate as a letter.

Of a month (security's) a cell of too few people joins the next month's, by person; what was printed, or is too old, loses its keys, and with them the
way back to anybody. Of a quarter (indicators) each establishment's letter is its part of the one table that is printed. This module MUST NOT
compute what is shown (consent/disclosure_control.py and consent/aggregates.py do) nor make a row for a person.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import takewhile
from typing import Final

from sqlalchemy import Connection, Integer, bindparam, cast, delete, func, insert, select

from consent.aggregates import HIDDEN
from consent.disclosure_control import CellCount, Risk, ShownCell, close_cells, risk_of
from consent.shapes import Agreement
from fhir_profiles.compose import compose_report
from fhir_profiles.facts import SUBSTANCE_GROUPS
from fhir_profiles.letters import LETTERS
from fhir_profiles.shapes import Calendar, Composed, IndicatorFigures, LetterContext, ReportCell, ReportFigures
from gateway.failpoints import around, pass_point
from gateway.instants import LONDON
from gateway.journeys.tasks import add_tasks, task_of
from gateway.ledger.entry import decode
from gateway.log import Code, log
from gateway.moves import move_delivery, note_delivery
from gateway.parts import Parts
from gateway.periods import first_day, following, is_due, months_between, months_of, period_of, periods_from
from gateway.recipients import Recipient, choose
from gateway.states import DELIVERY_RECALLABLE, DeliveryState
from gateway.steps.indicators import printed
from gateway.steps.kept import KeptUnread, open_kept
from gateway.steps.release import NOBODY, Draft, Question, draft_composed, write_draft
from gateway.steps.standing import DeliveryRow, delivery_row, moved_since
from gateway.store.locks import hold
from gateway.store.schema import contribution, decision, ledger_entry, report_key, report_period
from gateway.store.statement import Statement

_LAST_CLOSED: Final = Statement(
    select(func.max(report_period.c.period).label("last")).where(
        report_period.c.report == bindparam("report"), report_period.c.establishment == bindparam("establishment")
    )
)
_FIRST_COUNTED: Final = Statement(
    select(func.min(contribution.c.period).label("first")).where(
        contribution.c.report == bindparam("report"), contribution.c.establishment == bindparam("establishment")
    )
)
_FIRST_ENTRY: Final = Statement(select(ledger_entry.c.body).order_by(ledger_entry.c.sequence).limit(1))
KEY_PERIODS = 6
"""A cell that was carried this often, unprinted, is dropped."""


class PeriodMoved(Exception):
    """A contribution came in while the report was made: make it again."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """One closed report: the cells as shown and what they tell at most, the delivery that carries it, the groups that join the
    next month and those that do not. Of a quarter it is `figures` instead, by column.
    """

    report: str
    establishment: str
    period: str
    cells: tuple[ShownCell, ...]
    risk: Risk
    carried: tuple[str, ...]
    dropped: tuple[str, ...]
    delivery_id: str
    figures: tuple[tuple[str, str], ...] = ()


def due_periods(parts: Parts) -> Iterator[tuple[Agreement, str, str]]:
    """(agreement, establishment, period) of every report that should be closed by now, oldest first."""
    today = parts.clock().astimezone(LONDON).date()
    for agreement in parts.agreements.values():
        calendar = _calendar(agreement)
        for establishment in parts.establishments if calendar is not None else ():
            served = _recipient(parts, agreement, establishment) is not None
            with parts.store.read() as c:
                first = _first_open(c, agreement, establishment, today, served=served)
            if first is None:
                continue
            for period in periods_from(first):
                if not is_due(period, today, parts.settings.reports.close_day):
                    break
                yield agreement, establishment, period


def _calendar(agreement: Agreement) -> Calendar | None:
    return LETTERS[agreement.letter].calendar if agreement.letter in LETTERS else None


def close_period(parts: Parts, agreement: Agreement, establishment: str, period: str) -> Report | None:
    """Make, decide and queue one report, once. None when it was closed before."""
    if _calendar(agreement) is Calendar.QUARTER:
        return _close_quarter(parts, agreement, establishment, period)
    while True:
        with parts.store.read() as c:
            if _is_closed(c, agreement.name, establishment, period):
                return None
            counts = count_cells(c, agreement.name, establishment, period)
        cells = close_cells(counts, SUBSTANCE_GROUPS)
        made = _draft(parts, agreement, establishment, period, cells)
        pass_point("close.before-commit")
        try:
            closed = parts.store.write(
                lambda c: _commit(c, parts, made, agreement.name, establishment, period, counts, cells)  # noqa: B023  used at once
            )
        except PeriodMoved:
            continue
        pass_point("close.after-commit")
        return closed


def count_cells(c: Connection, report: str, establishment: str, period: str) -> tuple[CellCount, ...]:
    """People counted in each cell of the month, with what earlier months carried over, united by person under the oldest open key."""
    oldest = (
        select(report_key.c.substance_group, func.min(report_key.c.period).label("period"))
        .where(
            report_key.c.report == report, report_key.c.establishment == establishment, report_key.c.period <= period
        )
        .group_by(report_key.c.substance_group)
        .subquery()
    )
    people = (
        select(
            contribution.c.substance_group,
            contribution.c.token,
            # A whole number, not a truth value: the sum over people below would else come back as "true", which counts as one.
            func.max(cast(contribution.c.positive, Integer)).label("positive"),
        )
        .join(
            oldest,
            (oldest.c.substance_group == contribution.c.substance_group)
            & (oldest.c.period == contribution.c.key_period),
        )
        .where(
            contribution.c.report == report,
            contribution.c.establishment == establishment,
            contribution.c.period <= period,
        )
        .group_by(contribution.c.substance_group, contribution.c.token)
        .subquery()
    )
    rows = c.execute(
        select(people.c.substance_group, func.count().label("tested"), func.sum(people.c.positive).label("positive"))
        .group_by(people.c.substance_group)
        .order_by(people.c.substance_group)
    )
    return tuple(
        CellCount(group=row.substance_group, tested=row.tested, positive=int(row.positive or 0)) for row in rows
    )


def _close_quarter(parts: Parts, agreement: Agreement, establishment: str, quarter: str) -> Report | None:
    """INVARIANT: its figures are a part of the one table of the quarter: whoever puts several letters together has that table at most."""
    with parts.store.read() as c:
        if _is_closed(c, agreement.name, establishment, quarter):
            return None
    table = printed(parts, quarter)
    # A place that was none of this installation's when the quarter was printed is in no row of it.
    figures = tuple((column, table.shown.get((establishment, column), HIDDEN)) for column in table.columns)
    made = _drafted(
        parts,
        agreement,
        establishment,
        quarter,
        compose_report(
            IndicatorFigures(
                establishment=establishment,
                establishment_name=parts.establishments.get(establishment, establishment),
                period=quarter,
                months=months_of(quarter),
                shown=figures,
            )
        ),
    )

    def commit(c: Connection) -> Report | None:
        hold(c, "report", agreement.name, establishment)
        if _is_closed(c, agreement.name, establishment, quarter):
            return None
        _enter_closed(c, parts, made, establishment, quarter, {})
        return Report(
            report=agreement.name,
            establishment=establishment,
            period=quarter,
            cells=(),
            risk=risk_of(()),
            carried=(),
            dropped=(),
            delivery_id=made.delivery_id,
            figures=figures,
        )

    with around("close"):
        return parts.store.write(commit)


def _draft(parts: Parts, agreement: Agreement, establishment: str, period: str, cells: Sequence[ShownCell]) -> Draft:
    composed = compose_report(
        ReportFigures(
            establishment=establishment,
            establishment_name=parts.establishments.get(establishment, establishment),
            period=period,
            cells=tuple(ReportCell(group=each.group, tested=each.tested, shown=each.shown) for each in cells),
        )
    )
    return _drafted(parts, agreement, establishment, period, composed)


def _drafted(parts: Parts, agreement: Agreement, establishment: str, period: str, composed: Composed) -> Draft:
    name = parts.establishments.get(establishment, establishment)
    question = Question(
        agreement=agreement,
        recipient=_recipient(parts, agreement, establishment),
        context=LetterContext(establishment=establishment, establishment_name=name, event="close", occurred=period),
        resources=(),
        consents=(),
        at=parts.now(),
    )
    return draft_composed(parts, question, composed)


def remake(parts: Parts, delivery_id: str) -> bool:
    """A report that has not left, decided under an agreement or for a recipient that is another now: the same figures, decided again."""
    with parts.store.read() as c:
        row = delivery_row(c, delivery_id)
        if row is None or moved_since(c, parts, row) is None:
            return False
        sealed_id = c.execute(select(decision.c.sealed_id).where(decision.c.id == row.decision_id)).scalar_one()
        try:
            kept = open_kept(c, parts.keys, sealed_id, of=row.decision_id)
        except KeptUnread:
            log(Code.DECISION_NOT_READ, delivery=row.id)
            kept = None  # its figures are not known any more: it does not leave, and is told
    agreement = parts.agreements.get(row.agreement)
    made: Draft | None = None
    if agreement is not None and kept is not None and kept.composed is not None:
        question = Question(
            agreement=agreement,
            recipient=_recipient(parts, agreement, kept.context.establishment),
            context=kept.context,
            resources=(),
            consents=(),
            at=parts.now(),
        )
        made = draft_composed(parts, question, Composed(bundle=kept.composed, missing=kept.missing))
    with around("remake"):
        return parts.store.write(lambda c: _replace(c, parts, row, made, is_unread=kept is None))


def _replace(c: Connection, parts: Parts, seen: DeliveryRow, made: Draft | None, *, is_unread: bool) -> bool:
    row = delivery_row(c, seen.id)
    if row is None or row.step != seen.step:
        return False
    state = DeliveryState(row.state)
    if state is DeliveryState.AMBIGUOUS:
        move_delivery(c, parts, row.id, DeliveryState.PARKED, reason="agreement-moved")
        add_tasks(c, parts, (task_of("recalled-left"),), delivery_id=row.id)
        return True
    if state not in DELIVERY_RECALLABLE:
        return False
    move_delivery(c, parts, row.id, DeliveryState.RECALLED, reason="agreement-moved")
    if is_unread:
        add_tasks(c, parts, (task_of("seal-broken"),), delivery_id=row.id)
    if made is not None:
        write_draft(c, parts, made, NOBODY, supersedes=row.id)
    return True


def _recipient(parts: Parts, agreement: Agreement, establishment: str) -> Recipient | None:
    return choose(
        parts.recipients,
        agreement.letter,
        agreement.recipient_class,
        establishment=establishment,
        postcode=None,
        gp_ods=None,
        pharmacy_ods=None,
    )


def _commit(
    c: Connection,
    parts: Parts,
    made: Draft,
    report: str,
    establishment: str,
    period: str,
    counts: Sequence[CellCount],
    cells: Sequence[ShownCell],
) -> Report | None:
    hold(c, "report", report, establishment)
    if _is_closed(c, report, establishment, period):
        return None
    if count_cells(c, report, establishment, period) != tuple(counts):
        raise PeriodMoved
    risk = risk_of(cells)
    _enter_closed(c, parts, made, establishment, period, asdict(risk))
    for cell in cells:
        _destroy(c, report, establishment, cell, period)
    someone = {count.group for count in counts if count.tested}
    left = set(
        c.execute(
            select(report_key.c.substance_group).where(
                report_key.c.report == report,
                report_key.c.establishment == establishment,
                report_key.c.period <= period,
            )
        ).scalars()
    )
    unprinted = [cell.group for cell in cells if cell.group in someone and cell.fate != "printed"]
    return Report(
        report=report,
        establishment=establishment,
        period=period,
        cells=tuple(cells),
        risk=risk,
        carried=tuple(group for group in unprinted if group in left),
        dropped=tuple(group for group in unprinted if group not in left),
        delivery_id=made.delivery_id,
    )


def _enter_closed(
    c: Connection, parts: Parts, made: Draft, establishment: str, period: str, risk: Mapping[str, int]
) -> None:
    report = made.agreement.name
    c.execute(
        insert(report_period).values(report=report, establishment=establishment, period=period, closed_at=parts.now())
    )
    write_draft(c, parts, made, NOBODY)
    facts: dict[str, str | int] = {"report": report, "establishment": establishment, "period": period, **risk}
    note_delivery(c, parts, made.delivery_id, "closed", facts)


def _destroy(c: Connection, report: str, establishment: str, cell: ShownCell, period: str) -> None:
    """Destroy the keys that this close ends, with the contributions under them."""
    rows = c.execute(
        select(report_key.c.period).where(
            report_key.c.report == report,
            report_key.c.establishment == establishment,
            report_key.c.substance_group == cell.group,
            report_key.c.period <= period,
        )
    ).scalars()
    # INVARIANT: a key ends when the cell it was counted in is printed or dropped, or after 6 periods unprinted.
    ended = [each for each in rows if cell.fate != "carried" or months_between(each, period) >= KEY_PERIODS - 1]
    for table, column in ((contribution, contribution.c.key_period), (report_key, report_key.c.period)):
        c.execute(
            delete(table).where(
                table.c.report == report,
                table.c.establishment == establishment,
                table.c.substance_group == cell.group,
                column.in_(ended),
            )
        )


def _is_closed(c: Connection, report: str, establishment: str, period: str) -> bool:
    same = (
        report_period.c.report == report,
        report_period.c.establishment == establishment,
        report_period.c.period == period,
    )
    return c.execute(select(report_period.c.closed_at).where(*same)).first() is not None


def _first_open(c: Connection, agreement: Agreement, establishment: str, today: date, *, served: bool) -> str | None:
    """The period after the last closed one. Before any: the first that anything was counted in, and where somebody gets reports the one that
    was over last, if this installation was at work then.

    INVARIANT: a report is sent when nothing was counted too, or that it comes would say that somebody was tested.
    """
    calendar = LETTERS[agreement.letter].calendar
    assert calendar is not None
    which = {"report": agreement.name, "establishment": establishment}
    last: str | None = _LAST_CLOSED.value(c, **which)
    if last is not None:
        return following(last)
    counted: str | None = _FIRST_COUNTED.value(c, **which)
    begun: bytes | None = _FIRST_ENTRY.value(c)
    periods = [counted] if counted is not None else []
    if served and begun is not None:
        over = period_of(first_day(period_of(today, calendar)) - timedelta(days=1), calendar)
        at_work = period_of(date.fromisoformat(decode(begun)["at"][:10]), calendar)
        periods.append(max(at_work, over))
    return min(periods, default=None)


def counted_months(parts: Parts, report: str) -> Sequence[tuple[str, str]]:
    """(establishment, period) from the first to the last month that was counted in, oldest first: what `try --close` closes."""
    with parts.store.read() as c:
        rows = c.execute(
            select(
                contribution.c.establishment,
                func.min(contribution.c.period).label("first"),
                func.max(contribution.c.period).label("last"),
            )
            .where(contribution.c.report == report)
            .group_by(contribution.c.establishment)
        ).all()
    found = [
        (period, row.establishment)
        for row in rows
        for period in takewhile(lambda month: month <= row.last, periods_from(row.first))  # noqa: B023  used at once
    ]
    return [(establishment, period) for period, establishment in sorted(found)]
