"""Many in one work: what one of them raises is its own, and a store that is away is asked once."""

from collections.abc import Sequence

from sqlalchemy import Connection

from gateway.failpoints import hooked
from gateway.store import SqliteStore, Store, StoreUnavailable
from gateway.store.in_one import write_in_one
from gateway.store.postgres import PostgresStore
from tests.gateway.store.rows import names, put

MANY = [f"row-{number}" for number in range(2 * PostgresStore.in_one + 1)]
"""In several works, whichever the store."""


def _put_all(c: Connection, given: Sequence[str]) -> list[str]:
    for name in given:
        if name == "broken":
            raise ValueError(name)
        put(name)(c)
    return [name.upper() for name in given]


def test_each_has_its_answer_in_order_and_one_that_raises_has_its_own(store: Store) -> None:
    """Those of its work are written all the same, once; those of other works were not touched."""
    given = [*MANY[:2], "broken", *MANY[2:]]
    found = write_in_one(store, _put_all, given)
    assert [str(each) for each in found] == [name.upper() if name != "broken" else name for name in given]
    assert isinstance(found[2], ValueError)
    assert sorted(names(store)) == sorted(MANY)
    assert write_in_one(store, _put_all, []) == []


def test_all_of_them_share_a_commit_and_one_that_fails_is_tried_once(file_store: SqliteStore) -> None:
    """INVARIANT: what the store did not keep is told to each of them, and nothing is run again behind its back."""
    passed: list[str] = []
    with hooked(passed.append):
        write_in_one(file_store, _put_all, MANY)
    assert passed.count("store.before-commit") == 1

    def fail(name: str) -> None:
        passed.append(name)
        if name == "store.before-commit":
            raise OSError("the disk")

    passed.clear()
    with hooked(fail):
        found = write_in_one(file_store, _put_all, ["one", "two"])
    assert [type(each) for each in found] == [StoreUnavailable] * 2
    assert passed.count("store.before-commit") == 1
    assert sorted(names(file_store)) == sorted(MANY)


def test_a_work_that_forgets_one_of_them_is_no_answer(file_store: SqliteStore) -> None:
    """Sabotage: a work that answers fewer than it was given."""
    found = write_in_one(file_store, lambda c, given: _put_all(c, given)[:-1], ["one", "two"])
    assert [type(each) for each in found] == [ValueError] * 2
    assert names(file_store) == []
