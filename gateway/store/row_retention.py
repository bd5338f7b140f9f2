"""Retention of rows: messages with their letters and decisions, refusals, tasks, contributions, each after its term, in bounded pieces.

It MUST NOT delete what is not finished: an open message, letter or task, or one whose content is still kept, stays whatever its age.
The ledger is not touched: its entries outlive the rows that they speak of.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Delete, Table, and_, bindparam, delete, exists, or_, select

from gateway.states import ANSWER_OPEN, DELIVERY_OPEN, MessageState
from gateway.store.locks import hold_message
from gateway.store.schema import (
    attempt,
    consent,
    contribution,
    decision,
    delivery,
    message,
    named_number,
    owed_answer,
    report_key,
    resource,
    task,
)
from gateway.store.statement import Statement, one_of

BATCH = 200
SCANNED = 2_000
"""Rows that one piece looks at: a sweep costs the same whatever the age of the store; the next one goes on behind it."""

_OPEN_LETTERS = [state.value for state in DELIVERY_OPEN]
_OPEN_ANSWERS = [state.value for state in ANSWER_OPEN]
_ENDED = (MessageState.RELEASED.value, MessageState.REJECTED.value)

# Asked at every sweep, whether anything ended or not.
_PIECE: Final = Statement(
    select(
        message.c.sequence,
        message.c.id,
        message.c.state,
        message.c.step,
        message.c.ended_at,
        message.c.received_at,
    )
    .where(message.c.sequence > bindparam("after"))
    .order_by(message.c.sequence)
    .limit(SCANNED)
)
_REPORTS: Final = Statement(
    select(delivery.c.id, delivery.c.decision_id)
    .join(decision, decision.c.id == delivery.c.decision_id)
    .where(
        delivery.c.message_id.is_(None),
        ~one_of(delivery.c.state, _OPEN_LETTERS),
        delivery.c.ended_at <= bindparam("until"),
        delivery.c.sealed_id.is_(None),
        decision.c.sealed_id.is_(None),
        ~exists().where(task.c.delivery_id == delivery.c.id, task.c.ended_at.is_(None)),
    )
    .limit(BATCH)
)
_TASKS: Final = Statement(
    select(task.c.id).where(task.c.ended_at.is_not(None), task.c.ended_at <= bindparam("until")).limit(BATCH)
)
_MONTH: Final = Statement(
    select(contribution.c.period).where(contribution.c.period < bindparam("first")).distinct().limit(1)
)
_UNUSED_KEYS: Final = delete(report_key).where(
    report_key.c.period < bindparam("first"),
    ~exists().where(
        contribution.c.report == report_key.c.report,
        contribution.c.establishment == report_key.c.establishment,
        contribution.c.substance_group == report_key.c.substance_group,
        contribution.c.key_period == report_key.c.period,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What ended at or before these instants may go; `contribution` is the first month (YYYY-MM) that stays."""

    message: str
    rejected: str
    task: str
    contribution: str


class RowSweep:
    """Goes through the messages in the order of acceptance, a piece at a time, and begins again. Only this process's memory of where it is."""

    def __init__(self) -> None:
        self._after = 0

    def find(self, c: Connection, terms: Terms) -> tuple[str, ...]:
        """Up to `BATCH` messages of the next piece whose term has passed. A read."""
        rows = _PIECE.all(c, after=self._after)
        due = [row for row in rows if _is_due(row, terms)][:BATCH]
        whole = len(due) < BATCH
        last = rows[-1] if rows else None
        if not whole:
            self._after = due[-1].sequence
        elif last is None or len(rows) < SCANNED or last.received_at > max(terms.message, terms.rejected):
            self._after = 0  # everything behind it is younger
        else:
            self._after = last.sequence
        return tuple(row.id for row in due)


def _is_due(row: Any, terms: Terms) -> bool:
    """A refusal at the door was ended by its first word; what a person rejected was a message, and is kept as one."""
    if row.state not in _ENDED or row.ended_at is None:
        return False
    at_the_door = row.state == MessageState.REJECTED and row.step == 1
    return bool(row.ended_at <= (terms.rejected if at_the_door else terms.message))


def delete_messages(c: Connection, ids: Sequence[str]) -> Counter[str]:
    """Delete these messages with their letters and decisions, as far as nothing needs them. How many rows of each went."""
    gone: Counter[str] = Counter()
    if not ids:
        return gone
    for each in ids:
        hold_message(c, each)
    needed = _needed(c, ids)
    free = [each for each in ids if each not in needed]
    if not free:
        return gone
    letters = c.execute(select(delivery.c.id).where(delivery.c.message_id.in_(free))).scalars().all()
    _delete(c, gone, attempt, attempt.c.delivery_id.in_(letters))
    _delete(c, gone, delivery, delivery.c.id.in_(letters))
    _delete(c, gone, decision, decision.c.message_id.in_(free))
    _delete(c, gone, named_number, named_number.c.message_id.in_(free))
    _delete(c, gone, owed_answer, owed_answer.c.message_id.in_(free))
    _delete(c, gone, message, message.c.id.in_(free))
    return gone


def _needed(c: Connection, ids: Collection[str]) -> frozenset[str]:
    """INVARIANT: a message stays while it is open, anything of it is still kept, or a person still has to see to it."""
    own = message.c.id.in_(ids)
    letters = delivery.c.message_id == message.c.id
    reasons = or_(
        message.c.state.not_in(_ENDED),
        message.c.body_id.is_not(None),
        message.c.answer_id.is_not(None),
        exists().where(resource.c.person_id == message.c.person_id, resource.c.message_id == message.c.id),
        exists().where(consent.c.person_id == message.c.person_id, consent.c.message_id == message.c.id),
        exists().where(letters, or_(delivery.c.state.in_(_OPEN_LETTERS), delivery.c.sealed_id.is_not(None))),
        exists().where(decision.c.message_id == message.c.id, decision.c.sealed_id.is_not(None)),
        exists().where(owed_answer.c.message_id == message.c.id, owed_answer.c.state.in_(_OPEN_ANSWERS)),
        exists().where(task.c.message_id == message.c.id, task.c.ended_at.is_(None)),
        exists().where(letters, task.c.delivery_id == delivery.c.id, task.c.ended_at.is_(None)),
    )
    return frozenset(c.execute(select(message.c.id).where(own, reasons)).scalars())


def delete_reports(c: Connection, terms: Terms) -> Counter[str]:
    """The letters and decisions of calendar reports, which no message made, after the same term as a message's."""
    gone: Counter[str] = Counter()
    rows = _REPORTS.all(c, until=terms.message)
    if rows:
        letters, decisions = [row.id for row in rows], [row.decision_id for row in rows]
        _delete(c, gone, attempt, attempt.c.delivery_id.in_(letters))
        _delete(c, gone, delivery, delivery.c.id.in_(letters))
        others = exists().where(delivery.c.decision_id == decision.c.id)
        _delete(c, gone, decision, and_(decision.c.id.in_(decisions), ~others))
    return gone


def delete_tasks(c: Connection, terms: Terms) -> Counter[str]:
    """Tasks that somebody has seen to. An open one is never too old."""
    gone: Counter[str] = Counter()
    ids = _TASKS.column(c, until=terms.task)
    if ids:
        _delete(c, gone, task, task.c.id.in_(ids))
    return gone


def delete_contributions(c: Connection, terms: Terms) -> Counter[str]:
    """What was never printed and never dropped, because nobody closed its month; and the keys that nothing is left under."""
    gone: Counter[str] = Counter()
    for month in _MONTH.column(c, first=terms.contribution):
        _delete(c, gone, contribution, contribution.c.period == month)
    _run(c, gone, report_key, _UNUSED_KEYS, {"first": terms.contribution})
    return gone


def _delete(c: Connection, gone: Counter[str], table: Table, where: Any) -> None:
    _run(c, gone, table, delete(table).where(where), {})


def _run(c: Connection, gone: Counter[str], table: Table, query: Delete, values: Mapping[str, str]) -> None:
    count = c.execute(query, values).rowcount
    if count > 0:
        gone[table.name] += count
