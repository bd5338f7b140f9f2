"""Whatever the line asks for every message is answered from an index: with ten times the store it reads no more rows.

What a sweep asks is held to the same, but for the few questions that are named here.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Select, bindparam, select

import gateway.metrics
import gateway.pipeline  # every module of the line
from gateway.store import MemoryStore
from gateway.store.schema import OF_A_PERSON, delivery, message, sealed
from gateway.store.statement import Statement

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


def whole_tables(statement: Statement) -> list[str]:
    """The tables that SQLite would read from end to end to answer."""
    store = MemoryStore.create()
    with store.read() as c:
        text = statement._text(c)
        if text.text.startswith("INSERT") or OF_ONE_ENGINE in text.text:
            return []
        plan = c.exec_driver_sql(f"EXPLAIN QUERY PLAN {text.text}", (None,) * len(text.order)).all()
    store.close()
    return [row[3] for row in plan if "SCAN" in row[3] and row[3] != "SCAN CONSTANT ROW"]


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
