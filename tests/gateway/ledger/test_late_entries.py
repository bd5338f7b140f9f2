"""Where several processes write, an entry can show itself after one with a higher number: it is waited for, never lost, and not overtaken for long."""

import threading

from sqlalchemy import Connection, select

from gateway.ledger import record
from gateway.ledger.sequencer import Sequencer
from gateway.store import Store, open_store
from gateway.store.schema import ledger_entry, ledger_position
from tests.engines import database

AT = "2026-01-15T12:00:00.000000Z"


def enter(c: Connection, chain: str) -> None:
    record(c, entry_id=chain.rjust(26, "0"), chain=chain.rjust(26, "0"), step=1, event="received", at=AT, facts={})


def take_turn(sequencer: Sequencer, store: Store) -> int:
    with store.read() as c:
        sequencer.idle(c)
    turn = store.write(sequencer.turn)
    sequencer.remember(turn)
    return turn.given


def chains(store: Store) -> list[str]:
    """In the order of their positions."""
    with store.read() as c:
        query = select(ledger_entry.c.chain).join(ledger_position, ledger_position.c.entry_id == ledger_entry.c.id)
        return [chain.lstrip("0") for chain in c.scalars(query.order_by(ledger_position.c.position))]


def test_an_entry_of_a_slow_transaction_gets_its_position_when_it_shows() -> None:
    url = database().prepared()
    store, beside = open_store(url), open_store(url)
    inside, go = threading.Event(), threading.Event()
    sequencer = Sequencer()

    def slow(c: Connection) -> None:
        enter(c, "A")
        inside.set()
        assert go.wait(60)

    thread = threading.Thread(target=beside.write, args=(slow,))
    thread.start()
    assert inside.wait(60)
    store.write(lambda c: enter(c, "B"))
    assert take_turn(sequencer, store) == 1
    for _ in range(4):
        assert take_turn(sequencer, store) == 0
    go.set()
    thread.join()
    with store.read() as c:
        assert not sequencer.idle(c)
    assert take_turn(sequencer, store) == 1
    assert chains(store) == ["B", "A"]
    beside.close()
    store.close()


def test_a_number_that_was_never_used_is_given_up() -> None:
    store = open_store(database().prepared())
    sequencer = Sequencer()

    def fails(c: Connection) -> None:
        enter(c, "A")
        raise LookupError("on purpose")

    try:
        store.write(fails)
    except LookupError:
        store.write(lambda c: enter(c, "B"))
    for _ in range(4):
        take_turn(sequencer, store)
    with store.read() as c:
        assert sequencer.idle(c)
    assert chains(store) == ["B"]
    store.close()
