"""Works of one kind that wait together are done in one; what one of them breaks is its own, on every engine."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Connection

from gateway.store import Store
from gateway.store.alike import Alike
from tests.gateway.store.rows import names, put


class Puts:
    """Puts names; says which were put in one call, and breaks at those that are told."""

    def __init__(self, *breaks: str, swallows: bool = False) -> None:
        self.calls: list[list[str]] = []
        self._breaks = frozenset(breaks)
        self._swallows = swallows
        self.many = self._many  # one bound method: works of one kind have the very same

    def _many(self, c: Connection, them: Sequence[str]) -> list[str]:
        self.calls.append(list(them))
        answers = [put(each)(c) for each in them]
        if broken := self._breaks & set(them):
            raise LookupError(*broken)
        return answers[: 1 if self._swallows else None]

    def work(self, name: str) -> Alike[str, str]:
        return Alike(self.many, name)


async def together(store: Store, *works: Callable[[Connection], str]) -> list[str | BaseException]:
    """All of them wait behind one work that holds the writer."""
    inside, go = threading.Event(), threading.Event()

    def holds(c: Connection) -> None:
        inside.set()
        assert go.wait(20)

    first = asyncio.create_task(store.write_async(holds))
    await asyncio.to_thread(inside.wait, 20)
    tasks = [asyncio.create_task(store.write_async(work)) for work in works]
    await asyncio.sleep(0)
    go.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=["file", "shared"])
def several(request: pytest.FixtureRequest) -> Store:
    """The stores that have a writer of their own."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


async def test_those_that_wait_are_done_in_one_call_and_answered_in_their_order(several: Store) -> None:
    puts = Puts()
    assert await together(several, *(puts.work(each) for each in "abc")) == ["a", "b", "c"]
    assert puts.calls == [["a", "b", "c"]]
    assert names(several) == ["a", "b", "c"]


async def test_one_that_breaks_is_nobody_else_s_fault(several: Store) -> None:
    puts = Puts("b")
    first, broken, last = await together(several, *(puts.work(each) for each in "abc"))
    assert (first, last) == ("a", "c")
    assert isinstance(broken, LookupError)
    assert puts.calls == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert names(several) == ["a", "c"]


async def test_a_call_that_does_not_answer_each_is_not_believed(several: Store) -> None:
    puts = Puts(swallows=True)
    assert await together(several, *(puts.work(each) for each in "ab")) == ["a", "b"]
    assert puts.calls == [["a", "b"], ["a"], ["b"]]
    assert names(several) == ["a", "b"]


async def test_another_kind_between_them_keeps_its_place(several: Store) -> None:
    one, other = Puts(), Puts()
    asked = (one.work("a"), one.work("b"), put("plain"), other.work("x"), one.work("c"))
    assert await together(several, *asked) == ["a", "b", "plain", "x", "c"]
    assert one.calls == [["a", "b"], ["c"]]
    assert other.calls == [["x"]]


async def test_alone_it_is_a_work_like_any_other(store: Store) -> None:
    puts = Puts()
    assert await store.write_async(puts.work("a")) == "a"
    assert puts.calls == [["a"]]
    assert names(store) == ["a"]
