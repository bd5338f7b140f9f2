"""Signing: only what continues the last signed head, kept outside the database, compared and swapped."""

import stat
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from gateway.failpoints import hooked
from gateway.ledger import Entry, HeadFile, Ledger, LedgerFault, record_all
from gateway.ledger.head import HeadConflict, HeadMissing
from gateway.store.schema import ledger_head, ledger_position
from tests.gateway.ledger.lines import AT, ORIGIN, Line, clock, filled


def test_a_head_covers_what_has_a_position() -> None:
    line = Line()
    line.deliver("M", "D")
    line.ledger.sign_head()  # nothing is sequenced yet
    assert line.ledger.verify().covered == 0
    line.seal()
    line.enter("M2", "received")
    found = line.ledger.verify()
    assert (found.entries, found.covered, found.uncovered, found.verified) == (7, 6, 1, True)


def test_no_thousand_entries_are_without_a_head() -> None:
    """However many come at once: a batch of 2,600, and then 400 more."""
    line = Line()

    def at_once(some: int) -> None:
        entries = [
            Entry(id=line.ids.entry(), chain=line.ids.entry(), step=1, event="told", at=AT, facts={})
            for _ in range(some)
        ]
        line.store.write(lambda c: record_all(c, entries))
        line.ledger.advance()

    at_once(2_600)
    at_once(400)
    with line.store.read() as c:
        sizes = list(c.scalars(select(ledger_head.c.size).order_by(ledger_head.c.size)))
    assert max(after - before for before, after in pairwise([0, *sizes])) <= 1_000
    assert sizes[-1] == 3_000
    assert line.ledger.verify().verified


def test_a_tree_that_did_not_grow_is_not_signed_again() -> None:
    line = filled()
    before = line.head.read()
    line.seal()
    assert line.head.read() == before


def test_a_new_process_signs_on_from_the_last_head() -> None:
    line = filled()
    line.enter("M", "received")
    again = line.open()
    again.sequence()
    again.sign_head()
    assert again.verify().verified
    assert again.verify().uncovered == 0


def test_a_crash_between_the_file_and_the_row_is_made_good() -> None:
    line = Line()
    line.deliver("M", "D")
    line.ledger.sequence()

    def crash(point: str) -> None:
        if point == "ledger.after-sign":
            raise OSError(point)

    with hooked(crash), pytest.raises(OSError, match="after-sign"):
        line.ledger.sign_head()
    assert line.ledger.verify().verified
    assert line.ledger.verify().uncovered == 0
    line.deliver("M2", "D2")
    line.seal()
    assert line.ledger.verify().verified
    assert line.ledger.verify().uncovered == 0


def test_a_lost_or_false_frontier_only_costs_time() -> None:
    line = filled()
    line.edit(lambda c: c.execute(update(ledger_head).values(frontier=b"\x00" * 64)))
    line.enter("M", "received")
    line.seal()
    assert line.ledger.verify().verified
    line.edit(lambda c: c.execute(delete(ledger_head)))
    line.enter("M2", "received")
    line.seal()
    assert line.ledger.verify().verified


def test_a_database_that_was_turned_back_is_refused() -> None:
    line = Line()
    line.deliver("M", "D")
    line.seal()
    backup = line.store.copy()
    line.deliver("M2", "D2")
    line.seal()
    restored = Line(backup, line.head.read())
    with pytest.raises(LedgerFault, match="older than the signed head"):
        restored.ledger.sign_head()
    found = restored.ledger.verify()
    assert not found.verified
    assert any("cut off" in fault for fault in found.faults)


def test_a_database_that_was_turned_back_and_went_on_is_refused() -> None:
    line = Line()
    line.deliver("M", "D")
    line.seal()
    backup = line.store.copy()
    line.deliver("M2", "D2")
    line.seal()
    forked = Line(backup, line.head.read(), seed="fork")
    for number in range(5):
        forked.deliver(f"F{number}", f"FD{number}")
    forked.ledger.sequence()
    with pytest.raises(LedgerFault, match="does not lead to the signed head"):
        forked.ledger.sign_head()
    assert not forked.ledger.verify().verified
    assert forked.head.read() == line.head.read()


def test_a_head_file_that_was_turned_back_is_refused() -> None:
    line = Line()
    line.deliver("M", "D")
    line.seal()
    old = line.head.read()
    line.deliver("M2", "D2")
    line.seal()
    turned = Line(line.store, old)
    with pytest.raises(LedgerFault, match="head file is older"):
        turned.ledger.sign_head()
    assert not turned.ledger.verify().verified


def test_an_edited_entry_is_never_signed_over() -> None:
    line = filled()
    line.enter("M", "received")
    line.ledger.sequence()
    with line.store.read() as c:
        last = c.scalar(select(ledger_position.c.position).order_by(ledger_position.c.position.desc()).limit(1))
    line.edit(
        lambda c: c.execute(
            update(ledger_position).where(ledger_position.c.position == last).values(leaf_hash=b"x" * 32)
        )
    )
    before = line.head.read()
    with pytest.raises(LedgerFault, match="not an entry and its leaf"):
        line.ledger.sign_head()
    assert line.head.read() == before


# The file


def test_the_head_file_is_private_made_once_and_missed(tmp_path: Path) -> None:
    line = Line()
    path = tmp_path / "head"
    Ledger.create_head_file(path, line.signer, ORIGIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        Ledger.create_head_file(path, line.signer, ORIGIN)
    ledger = Ledger(store=line.store, signer=line.signer, head=HeadFile(path), origin=ORIGIN, clock=clock)
    line.deliver("M", "D")
    ledger.sequence()
    ledger.sign_head()
    assert ledger.verify().verified
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["head", "head.lock"]
    path.unlink()
    with pytest.raises(LedgerFault, match="missing"):
        ledger.sign_head()
    assert ledger.verify().faults[0] == "head file: missing"
    assert not path.exists()


def test_replace_compares_first(tmp_path: Path) -> None:
    head = HeadFile.create(tmp_path / "head", "one")
    head.replace("one", "two")
    with pytest.raises(HeadConflict):
        head.replace("one", "three")
    assert head.read() == "two"
    (tmp_path / "head").unlink()
    with pytest.raises(HeadMissing):
        head.replace("two", "three")


def test_of_many_at_once_each_replaces_what_it_read(tmp_path: Path) -> None:
    """Separate objects, as separate processes have them: only the lock of the file is shared."""
    HeadFile.create(tmp_path / "head", "0")

    def count() -> None:
        head = HeadFile(tmp_path / "head")
        for _ in range(25):
            with head.locked():
                text = head.read()
                head.replace(text, str(int(text) + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "head").read_text() == "200"


def test_two_ledgers_on_one_database_take_turns(tmp_path: Path) -> None:
    line = Line()
    Ledger.create_head_file(tmp_path / "head", line.signer, ORIGIN)
    ledgers = [
        Ledger(store=line.store, signer=line.signer, head=HeadFile(tmp_path / "head"), origin=ORIGIN, clock=clock)
        for _ in range(2)
    ]
    for number in range(6):
        line.deliver(f"M{number}", f"D{number}")
        ledgers[0].sequence()
        ledgers[number % 2].sign_head()
    assert ledgers[0].verify().verified
    assert ledgers[1].verify().uncovered == 0
