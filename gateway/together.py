"""Many that come at once are done together: who comes while a turn is under way is in the next one. A lone one waits for nobody.

So a step looks, works and commits once for all of them. This module MUST NOT let one that fails touch the others of its turn.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Together(Generic[A, B]):
    """`do` takes those of one turn and answers as many, in their order: what came of each, or what it raised. For one event loop."""

    def __init__(self, do: Callable[[Sequence[A]], Awaitable[Sequence[B | Exception]]], largest: int) -> None:
        self._do = do
        self._largest = largest
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._turns: asyncio.Task[None] | None = None

    async def __call__(self, one: A) -> B:
        """What came of this one. Raises what it raised, or what the whole turn did."""
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns())
        return await future

    async def _take_turns(self) -> None:
        while self._waiting:
            turn, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
            try:
                answers = await self._do([one for one, _ in turn])
            except BaseException as error:
                _tell_all(turn, error)
                if not isinstance(error, Exception):
                    raise
                continue
            for (_, future), answer in zip(turn, answers, strict=True):
                _tell(future, answer)


def _tell_all(turn: Sequence[tuple[A, "asyncio.Future[B]"]], error: BaseException) -> None:
    for _, future in turn:
        if future.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)


def _tell(future: "asyncio.Future[B]", answer: B | Exception) -> None:
    if future.done():  # whoever asked has gone
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
