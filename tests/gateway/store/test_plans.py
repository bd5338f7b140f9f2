"""Whatever the line asks for every message is answered from an index: with ten times the store it reads no more rows.

What a sweep asks is held to the same, but for the few questions that are named here.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Select, bindparam, select

import gateway.metrics
import gateway.pipeline  # every module of the line
from gateway.store import MemoryStore
from gateway.store.schema import OF_A_PERSON, delivery, message, sealed
from gateway.store.statement import Statement, looked_at

OF_ONE_ENGINE = "pg_advisory_xact_lock"
OF_A_SWEEP = {
    "gateway.activation._IN_FORCE": "agreements are few",
    "gateway.metrics._ATTEMPTS": "the newest 10,000 letters, from the end of their own key",
    "gateway.overrides._TO_LOOK_AFTER": "overrides are few",
    "gateway.steps.close._FIRST_ENTRY": "one row, the first",
    "gateway.steps.unengaged._SILENT": "registered systems are few",
    "gateway.store.retention._ENDED": "agreements are few",
    "gateway.store.retention._FORGET_NAMED": "the numbers of messages that wait for a person",
    "gateway.store.row_retention._MONTH": "what no report has counted yet, from its own key",
    "gateway.store.row_retention._TASKS": "tasks, which go after their term",
}
"""What once in a sweep reads a whole table, and why that is little."""


OF_EVERYBODY = {
    "gateway.overrides._LATE": "overrides are few, and each names its letter",
    "gateway.steps.answering._DUE": "a sweep's",
    "gateway.steps.answering._LEFT": "a sweep's",
    "gateway.steps.deliver._ONE_OLD": "a sweep's",
    "gateway.steps.unconfirmed._DELIVERED": "a sweep's",
    "gateway.steps.unconfirmed._NOT_THERE": "a sweep's",
    "gateway.steps.unengaged._SILENT": "a sweep's",
    "gateway.unfinished._RECEIVED": "a sweep's, the oldest of them",
}
"""What is asked of everybody's letters or messages in a state, however many those are: all that wait for a recipient that is down, or a backlog."""


def found_in(value: Any) -> Iterator[Statement]:
    if isinstance(value, Statement):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from found_in(each)


def statements() -> Iterator[tuple[str, Statement]]:
    for module, what in list(sys.modules.items()):
        if module.startswith("gateway."):
            for name, value in list(vars(what).items()):
                for each in found_in(value):
                    yield f"{module}.{name}", each


def plan_of(statement: Statement) -> list[str]:
    """How SQLite would answer it, step by step."""
    store = MemoryStore.create()
    with store.read() as c:
        text = statement._text(c)
        if text.text.startswith("INSERT") or OF_ONE_ENGINE in text.text:
            return []
        plan = c.exec_driver_sql(f"EXPLAIN QUERY PLAN {text.text}", (None,) * len(text.order)).all()
    store.close()
    return [row[3] for row in plan]


def whole_tables(statement: Statement) -> list[str]:
    """The tables that SQLite would read from end to end to answer."""
    return [row for row in plan_of(statement) if "SCAN" in row and row != "SCAN CONSTANT ROW"]


def by_state(statement: Statement) -> list[str]:
    """Where SQLite would read all rows that have a state, or that go to a recipient and have one."""
    return [
        row for row in plan_of(statement) if re.search(r"ix_\w+ \((recipient=\? AND )?state=\?(?! AND person_id)", row)
    ]


def test_what_is_asked_about_one_person_reads_nobody_elses() -> None:
    """With a recipient down the door read every letter that waited for it, for each letter to anybody; in a backlog releasing read the backlog."""
    found = dict(statements())
    assert {name for name, each in found.items() if by_state(each)} == set(OF_EVERYBODY)


@pytest.mark.parametrize("to", [(), (delivery.c.recipient == bindparam("to"),)], ids=["all", "one-recipient"])
def test_a_question_that_reads_everybodys_is_found(to: tuple[ColumnElement[bool], ...]) -> None:
    """Sabotage: whatever is queued, for anybody or for one recipient; of a person it is looked at in each."""
    queued = delivery.c.state == bindparam("state")
    assert by_state(Statement(select(delivery.c.id).where(queued, *to))) != []
    of_a_person = delivery.c.person_id == bindparam("who")
    of_one = select(delivery.c.id).where(of_a_person, looked_at(delivery.c.state) == bindparam("state"), *to)
    assert by_state(Statement(of_one)) == []


def test_no_question_of_the_line_reads_a_whole_table() -> None:
    assert gateway.pipeline is not None
    assert gateway.metrics is not None
    found = dict(statements())
    assert len(found) > 40
    assert {
        name: tables for name, each in found.items() if (tables := whole_tables(each)) and name not in OF_A_SWEEP
    } == {}
    assert [name for name in OF_A_SWEEP if not whole_tables(found[name])] == []


def test_a_question_without_an_index_is_found() -> None:
    """Sabotage: a column that has none."""
    assert whole_tables(Statement(select(delivery.c.id).where(delivery.c.wire == bindparam("wire")))) == [
        "SCAN delivery"
    ]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (select(sealed.c.id).where(OF_A_PERSON, sealed.c.wrapped_by == bindparam("who")), "ix_sealed_wrapped_by"),
        (select(sealed.c.id).where(sealed.c.ends_at <= bindparam("now")), "ix_sealed_ends_at"),
        (select(message.c.id).where(message.c.bundle_index == bindparam("index")), "ix_message_bundle_index"),
        (select(message.c.id).where(message.c.person_id == bindparam("who")), "ix_message_person_id"),
        (
            select(message.c.id).where(message.c.person_id.is_(None), message.c.state == bindparam("state")),
            "ix_message_of_nobody",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_index_of_few_rows_answers_what_is_asked_of_it(query: Select[Any], index: str) -> None:
    store = MemoryStore.create()
    with store.read() as c:
        text = Statement(query)._text(c)
        plan = c.exec_driver_sql(f"EXPLAIN QUERY PLAN {text.text}", (None,) * len(text.order)).all()
    store.close()
    assert [index in row[3] for row in plan] == [True]
