"""Who comes while a turn is under way is in the next one; a lone one waits for nobody; what one raises is its own."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.together import Together


class Doing:
    """Turns that end when they are told to."""

    def __init__(self) -> None:
        self.turns: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, ones: Sequence[int]) -> Sequence[str | Exception]:
        self.turns.append(list(ones))
        await self.go.wait()
        return [ValueError("seven") if one == 7 else f"did {one}" for one in ones]


async def test_those_who_come_meanwhile_are_done_in_the_next_turn_and_never_more_than_the_largest() -> None:
    doing = Doing()
    together: Together[int, str] = Together(doing, 3)
    first = asyncio.create_task(together(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert doing.turns == [[0]]
    others = [asyncio.create_task(together(one)) for one in range(1, 6)]
    await asyncio.sleep(0)
    doing.go.set()
    assert await asyncio.gather(first, *others) == [f"did {one}" for one in range(6)]
    assert doing.turns == [[0], [1, 2, 3], [4, 5]]
    assert await together(8) == "did 8"


async def test_what_one_raises_is_its_own_and_who_has_gone_holds_up_nobody() -> None:
    doing = Doing()
    together: Together[int, str] = Together(doing, 9)
    tasks = [asyncio.create_task(together(one)) for one in (6, 7, 8)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    doing.go.set()
    gone, raised, done = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(raised, ValueError)
    assert done == "did 8"


async def test_a_turn_that_fails_fails_all_of_it_and_the_next_turn_is_taken() -> None:
    turns: list[int] = []

    async def fails(ones: Sequence[int]) -> Sequence[str | Exception]:
        turns.append(len(ones))
        if len(turns) == 1:
            raise OSError("the store is away")
        return [str(one) for one in ones]

    together: Together[int, str] = Together(fails, 2)
    with pytest.raises(OSError, match="away"):
        await together(1)
    found: list[str] = await asyncio.gather(*(together(each) for each in (2, 3, 4)))
    assert found == ["2", "3", "4"]
    assert turns == [1, 2, 1]
