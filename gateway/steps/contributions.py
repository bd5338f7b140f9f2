"""Contributions: which people a calendar report counts in which cell, without saying who they are once the report is printed.

A contribution of month M is written under the key of M and under every older key of its cell that is still open, so that a cell carried
over can be united by person with the months after it. A token leads nowhere once its key is destroyed (gateway/steps/close.py).
"""

import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select

from consent.shapes import Agreement
from fhir_profiles.facts import Purpose, Test
from fhir_profiles.letters import LETTERS
from fhir_profiles.shapes import Calendar
from gateway.parts import Parts
from gateway.steps.kept import Counted
from gateway.store.locks import hold
from gateway.store.schema import contribution, report_key, report_period
from gateway.store.statement import Statement

CHANGES_RESULTS = frozenset(
    {
        "CarePlan",
        "Condition",
        "DiagnosticReport",
        "Medication",
        "MedicationAdministration",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "ServiceRequest",
        "Specimen",
    }
)
"""What can change whether a result counts or was expected: a file that gains one of these is counted again."""

_CLOSED: Final = Statement(
    select(report_period.c.establishment, func.max(report_period.c.period).label("period"))
    .where(report_period.c.report == bindparam("report"))
    .group_by(report_period.c.establishment)
)
_KEYS: Final = Statement(
    select(report_key).where(
        report_key.c.report == bindparam("report"), report_key.c.establishment == bindparam("establishment")
    )
)
_INSERT_KEY: Final = Statement.insert(report_key)
_INSERT: Final = Statement.insert(contribution)
_FORGET: Final = Statement(
    delete(contribution).where(*(column == bindparam(column.name) for column in contribution.primary_key))
)

Cell = tuple[str, str, str]
"""(establishment, substance group, month)."""


def counting(parts: Parts) -> tuple[Agreement, ...]:
    """The agreements under which results are counted: those of a report that is closed by the month."""
    return tuple(
        each
        for each in parts.agreements.values()
        if each.letter in LETTERS and LETTERS[each.letter].calendar is Calendar.MONTH
    )


def countable(test: Test) -> bool:
    """Does the security report count this test? Therapeutic, in an intervention, of somebody whose positive would be unexpected."""
    # INVARIANT: a mandatory test, or one without a stated purpose, is never counted; unknown is neither tested nor positive. Whoever is
    # prescribed the substance is not counted: who knows the medicines round would know that the positives are among the others.
    return (
        test.purpose is Purpose.THERAPEUTIC
        and test.in_intervention
        and test.result != "unknown"
        and test.unexplained is True
        and test.establishment is not None
    )


def counted_of(
    report: str, tests: Iterable[Test], observations: frozenset[str], closed: Mapping[str, str]
) -> tuple[Counted, ...]:
    """The cells that one message's own results are counted in; `closed` is what `read_closed` says."""
    cells = {
        (test.establishment or "", test.month, test.group)
        for test in tests
        if test.observation in observations
        and countable(test)
        and not is_closed(closed, test.establishment or "", test.month)
    }
    return tuple(
        Counted(report=report, establishment=establishment, period=month, cell=group)
        for establishment, month, group in sorted(cells)
    )


def read_closed(c: Connection, report: str, establishments: Iterable[str]) -> Mapping[str, str]:
    """For each establishment the last month whose report is done; it and every month before it take nothing more."""
    asked = frozenset(establishments)
    return {row.establishment: row.period for row in _CLOSED.all(c, report=report) if row.establishment in asked}


def is_closed(closed: Mapping[str, str], establishment: str, month: str) -> bool:
    """Is the report of this month done?"""
    return month <= closed.get(establishment, "")


def recount(
    c: Connection, parts: Parts, report: str, person_id: str, tests: Sequence[Test], places: Collection[str]
) -> None:
    """Write the person's contributions anew for every month that is not closed, from the tests of the person's whole file.

    `places` are the establishments of results that were taken back: nothing is left of them but what has to be forgotten.
    """
    establishments = sorted({*places, *(test.establishment for test in tests if test.establishment)})
    if not establishments:
        return
    for establishment in establishments:
        hold(c, "report", report, establishment)
    closed = read_closed(c, report, establishments)
    wanted = {cell: positive for cell, positive in _cells(tests).items() if not is_closed(closed, cell[0], cell[2])}
    keys = _open_keys(c, parts, report, establishments)
    for cell in wanted:
        if cell not in keys:
            keys[cell] = parts.ids.key()
            _INSERT_KEY.run(c, **_columns(report, cell), wrapped_key=parts.keys.report_key_wrap(keys[cell]))
    tokens = {cell: hmac.digest(key, person_id.encode(), "sha256") for cell, key in keys.items()}
    _forget(c, report, tokens, closed)
    rows = [
        {
            **_columns(report, cell),
            "key_period": key_period,
            "token": tokens[(place, group, key_period)],
            "positive": positive,
        }
        for cell, positive in wanted.items()
        for place, group, key_period in keys
        if (place, group) == cell[:2] and key_period <= cell[2]
    ]
    _INSERT.many(c, rows)


def _cells(tests: Sequence[Test]) -> Mapping[Cell, bool]:
    """One answer for each person and cell: unexpected once in the month is positive."""
    cells: dict[Cell, bool] = {}
    for test in tests:
        if countable(test) and test.establishment is not None:
            cell = (test.establishment, test.group, test.month)
            cells[cell] = cells.get(cell, False) or bool(test.unexpected)
    return cells


def _columns(report: str, cell: Cell) -> dict[str, str]:
    return {"report": report, "establishment": cell[0], "substance_group": cell[1], "period": cell[2]}


def _open_keys(c: Connection, parts: Parts, report: str, establishments: Sequence[str]) -> dict[Cell, bytes]:
    return {
        (row.establishment, row.substance_group, row.period): parts.keys.report_key_unwrap(row.wrapped_key)
        for establishment in establishments
        for row in _KEYS.all(c, report=report, establishment=establishment)
    }


def _forget(c: Connection, report: str, tokens: Mapping[Cell, bytes], closed: Mapping[str, str]) -> None:
    """Take the person out of every month that is not closed. What a closed month carries over stays."""
    rows = c.execute(
        select(*contribution.primary_key).where(
            contribution.c.report == report, contribution.c.token.in_(set(tokens.values()))
        )
    ).mappings()
    _FORGET.many(c, [dict(row) for row in rows.all() if not is_closed(closed, row["establishment"], row["period"])])
