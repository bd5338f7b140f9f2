"""What every engine promises: a work is whole or not at all, its error stays with its caller, the store alone ends transactions."""

import asyncio
import threading

import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.store import Store, StoreError
from gateway.store.schema import installation
from tests.gateway.store.rows import names, put


def test_a_work_answers_and_its_rows_are_there(store: Store) -> None:
    assert store.write(put("a")) == "a"
    assert names(store) == ["a"]


def test_a_work_that_raises_leaves_nothing_and_the_next_one_works(store: Store) -> None:
    def half(c: Connection) -> None:
        put("half")(c)
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        store.write(half)
    store.write(put("b"))
    assert names(store) == ["b"]


def test_a_database_error_is_raised_to_its_caller_without_the_values(store: Store) -> None:
    store.write(put("a"))
    with pytest.raises(IntegrityError) as raised:
        store.write(put("a", "SECRETVALUE"))
    assert "SECRETVALUE" not in str(raised.value)
    assert names(store) == ["a"]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_work_may_not_end_the_transaction(store: Store, end: str) -> None:
    def ends(c: Connection) -> None:
        put("early")(c)
        getattr(c, end)()

    with pytest.raises(StoreError, match="must not commit or roll back"):
        store.write(ends)
    store.write(put("later"))
    assert names(store) == ["later"]


def test_a_work_may_use_a_savepoint_of_its_own(store: Store) -> None:
    def tries(c: Connection) -> None:
        put("a")(c)
        with pytest.raises(IntegrityError), c.begin_nested():
            put("a")(c)
        put("b")(c)

    store.write(tries)
    assert names(store) == ["a", "b"]


def test_a_savepoint_left_open_is_kept_with_its_work(store: Store) -> None:
    def leaves(c: Connection) -> None:
        c.begin_nested()
        put("a")(c)

    store.write(leaves)
    store.write(put("b"))
    assert names(store) == ["a", "b"]


def test_a_work_may_not_write_again(store: Store) -> None:
    def nests(c: Connection) -> None:
        put("outer")(c)
        store.write(put("inner"))

    with pytest.raises(StoreError, match="must not call write again"):
        store.write(nests)
    assert names(store) == []


def test_a_read_cannot_write(store: Store) -> None:
    with store.read() as c, pytest.raises(DBAPIError, match=r"read-?only"):
        c.execute(insert(installation).values(name="x", value=""))
    store.write(put("y"))
    assert names(store) == ["y"]


def test_a_write_inside_a_read_of_the_same_thread_works(store: Store) -> None:
    with store.read():
        store.write(put("a"))
        with store.read() as c, pytest.raises(DBAPIError, match=r"read-?only"):
            c.execute(insert(installation).values(name="x", value=""))
    assert names(store) == ["a"]


def test_many_threads_lose_nothing(store: Store) -> None:
    def many(caller: int) -> None:
        for turn in range(20):
            store.write(put(f"{caller:02}/{turn:02}"))

    threads = [threading.Thread(target=many, args=(caller,)) for caller in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(store) == [f"{caller:02}/{turn:02}" for caller in range(16) for turn in range(20)]


async def test_many_coroutines_lose_nothing_and_errors_stay_where_they_belong(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.write_async(put(f"{number % 90:02}")) for number in range(100)), return_exceptions=True
    )
    assert sum(isinstance(answer, IntegrityError) for answer in answers) == 10
    assert names(store) == [f"{number:02}" for number in range(90)]


def test_foreign_keys_hold(store: Store) -> None:
    from gateway.store.schema import token  # noqa: PLC0415  only this test needs it

    with pytest.raises(IntegrityError):
        store.write(
            lambda c: c.execute(insert(token).values(digest=b"d", client_id="nobody", scope="", expires_at="never"))
        )
