"""Positions: first seen first, never a step before the one in front of it, nothing twice, nothing forgotten."""

import random

import pytest
from sqlalchemy import insert, select

from gateway.ledger.entry import encode
from gateway.ledger.sequencer import BATCH
from gateway.store.schema import ledger_entry, ledger_position
from tests.gateway.ledger.lines import AT, Line


def visible(line: Line, *entries: tuple[int, str, int]) -> None:
    """Entries with the sequence that an engine with many writers would have given: (sequence, chain, step)."""
    for sequence, chain, step in entries:
        entry_id = f"E{sequence}"
        body = encode(entry_id=entry_id, chain=chain, step=step, event="told", at=AT, facts={})
        row = {"sequence": sequence, "id": entry_id, "chain": chain, "step": step, "body": body}
        line.store.write(lambda c: c.execute(insert(ledger_entry).values(row)))  # noqa: B023  # called at once


def order(line: Line) -> list[tuple[str, int]]:
    with line.store.read() as c:
        rows = c.execute(
            select(ledger_position.c.position, ledger_entry.c.chain, ledger_entry.c.step)
            .join(ledger_entry, ledger_entry.c.id == ledger_position.c.entry_id)
            .order_by(ledger_position.c.position)
        ).all()
    assert [row.position for row in rows] == list(range(len(rows)))
    return [(row.chain, row.step) for row in rows]


def test_entries_get_the_order_they_were_seen_in() -> None:
    line = Line()
    line.enter("A", "told", "told")
    line.enter("B", "told")
    line.enter("A", "told", first=3)
    assert line.ledger.sequence() == 4
    assert order(line) == [("A", 1), ("A", 2), ("B", 1), ("A", 3)]
    assert line.ledger.sequence() == 0


def test_a_step_that_was_seen_early_waits_for_the_one_before() -> None:
    line = Line()
    visible(line, (1, "A", 2), (2, "B", 1), (3, "A", 3), (4, "A", 1), (5, "C", 1))
    assert line.ledger.sequence() == 5
    assert order(line) == [("B", 1), ("A", 1), ("A", 2), ("A", 3), ("C", 1)]


def test_a_gap_holds_up_its_own_chain_only_and_closes_later() -> None:
    line = Line()
    visible(line, (1, "A", 1), (2, "A", 3), (3, "B", 1))
    assert line.ledger.sequence() == 2
    assert line.ledger.lag() == 1
    visible(line, (4, "B", 2))
    assert line.ledger.sequence() == 1
    visible(line, (5, "A", 2))
    assert line.ledger.sequence() == 2
    assert order(line) == [("A", 1), ("B", 1), ("B", 2), ("A", 2), ("A", 3)]
    assert line.ledger.lag() == 0


def test_a_chain_starts_with_step_1() -> None:
    line = Line()
    visible(line, (1, "A", 2), (2, "A", 3))
    assert line.ledger.sequence() == 0
    assert line.ledger.lag() == 2


def test_a_new_process_goes_on_where_the_last_one_was() -> None:
    line = Line()
    visible(line, (1, "A", 1), (2, "A", 3), (3, "B", 1))
    line.ledger.sequence()
    again = line.open()
    assert again.sequence() == 0
    visible(line, (4, "A", 2))
    assert again.sequence() == 2
    assert order(line) == [("A", 1), ("B", 1), ("A", 2), ("A", 3)]


def test_more_than_a_batch() -> None:
    line = Line()
    visible(line, *((number + 1, f"C{number % 7}", number // 7 + 1) for number in range(2 * BATCH + 30)))
    assert line.ledger.sequence() == 2 * BATCH + 30
    assert line.ledger.lag() == 0


def test_a_whole_batch_that_waits_does_not_hold_up_what_is_behind_it() -> None:
    line = Line()
    visible(line, *((number + 1, f"C{number}", 2) for number in range(BATCH + 10)), (BATCH + 11, "Z", 1))
    assert line.ledger.sequence() == 1
    visible(line, *((2 * BATCH + number, f"C{number}", 1) for number in range(BATCH + 10)))
    assert line.ledger.sequence() == 2 * (BATCH + 10)


def test_a_turn_that_was_rolled_back_is_taken_again() -> None:
    line = Line()
    line.enter("A", "told")
    line.edit(
        lambda c: c.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON ledger_position BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    )
    with pytest.raises(Exception, match="full"):
        line.ledger.sequence()
    line.edit(lambda c: None)
    assert line.ledger.sequence() == 1


def test_any_order_of_seeing_gives_steps_in_order_and_loses_nothing() -> None:
    choose = random.Random(1)
    for _ in range(50):
        line = Line()
        chains = {f"C{number}": choose.randrange(1, 8) for number in range(6)}
        entries = [(chain, step) for chain, steps in chains.items() for step in range(1, steps + 1)]
        choose.shuffle(entries)
        numbered = [(number + 1, chain, step) for number, (chain, step) in enumerate(entries)]
        cut = choose.randrange(len(numbered))
        visible(line, *numbered[:cut])
        line.ledger.sequence()
        visible(line, *numbered[cut:])
        line.ledger.sequence()
        found = order(line)
        assert sorted(found) == sorted(entries)
        for chain, steps in chains.items():
            assert [step for name, step in found if name == chain] == list(range(1, steps + 1))
