"""A new epoch: only where the ledger does not continue its head, never in silence, and asked for again after a crash."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from gateway.failpoints import hooked
from gateway.ledger import Break, LedgerFault, record
from gateway.ledger.head import HeadFile
from gateway.store import MemoryStore
from tests.gateway.ledger.lines import AT, Line


def turned_back() -> Line:
    """A copy of the database from before the last two messages, under the head that covers them."""
    line = Line()
    line.deliver("m1", "d1")
    line.seal()
    old: MemoryStore = line.store.copy()
    line.deliver("m2", "d2")
    line.seal()
    return Line(old, line.head.read(), seed="restored")


def entering(line: Line) -> Callable[[Connection, Break], None]:
    def enter(c: Connection, found: Break) -> None:
        facts: dict[str, str | int | bool] = {
            "former_size": found.former_size,
            "former_root": found.former_root,
            "size": found.size,
        }
        entry_id = line.ids.entry()
        record(c, entry_id=entry_id, chain=entry_id, step=1, event="epoch-began", at=AT, facts=facts)

    return enter


def test_a_store_that_was_turned_back_is_refused_and_an_epoch_says_what_is_missing() -> None:
    line = turned_back()
    with pytest.raises(LedgerFault, match="older"):
        line.ledger.require_continued()
    with pytest.raises(LedgerFault, match="older"):
        line.ledger.sign_head()
    found = line.ledger.begin_epoch(entering(line))
    line.ledger.require_continued()
    line.deliver("m3", "d3")
    line.seal()
    verified = line.ledger.verify()
    assert verified.verified, verified.faults
    (said,) = verified.epochs
    assert f"the last {found.former_size - found.size} of them are not here" in said
    assert found.former_size > found.size


def test_a_ledger_that_continues_has_no_new_epoch() -> None:
    """Otherwise one could be begun to hide an edit that nobody has made yet."""
    line = Line()
    line.deliver("m1", "d1")
    line.seal()
    line.deliver("m2", "d2")
    with pytest.raises(LedgerFault, match="no new epoch"):
        line.ledger.begin_epoch(entering(line))
    assert line.ledger.verify().epochs == ()


def test_a_head_of_another_key_or_none_is_an_epoch_too() -> None:
    line = turned_back()
    line.head._text = "nothing that was ever signed"
    found = line.ledger.begin_epoch(entering(line))
    assert (found.former_size, found.former_root) == (0, "")
    assert "was lost" in line.ledger.verify().epochs[0]


class Killed(BaseException):
    """The process ends at a point."""


@pytest.mark.parametrize("point", ["epoch.before-commit", "epoch.after-commit", "keep-head.before-commit"])
def test_killed_anywhere_it_is_asked_for_again(point: str) -> None:
    """Until the head is there the store is refused; afterwards it continues."""
    line = turned_back()

    def kill(name: str) -> None:
        if name == point:
            raise Killed

    with hooked(kill), pytest.raises(Killed):
        line.ledger.begin_epoch(entering(line))
    if point == "keep-head.before-commit":
        line.ledger.require_continued()
    else:
        with pytest.raises(LedgerFault):
            line.ledger.require_continued()
        line.ledger.begin_epoch(entering(line))
    line.deliver("m3", "d3")
    line.seal()
    verified = line.ledger.verify()
    assert verified.verified, verified.faults
    assert len(verified.epochs) in (1, 2)


def test_the_head_before_is_kept_beside(tmp_path: Path) -> None:
    head = HeadFile.create(tmp_path / "ledger.head", "the old head")
    with head.locked():
        head.begin_again("the new head", former="before-7")
    assert head.read() == "the new head"
    assert (tmp_path / "ledger.head.before-7").read_text() == "the old head"
    lost = HeadFile(tmp_path / "other.head")
    with lost.locked():
        lost.begin_again("first", former="before-7")
    assert lost.read() == "first"
