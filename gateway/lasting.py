"""A recipient that does not answer takes nobody else's turn: a send that lasts is waited for beside the turns, and its recipient gets no more
than so many of those at once.

So a recipient behind a wall, of which each send lasts until its time is up, keeps no handover to another one waiting. What is turned away
stays queued in the store; when a send to that recipient ends, one of them comes again, and all when none lasts any more. This module MUST NOT send anything.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final

from gateway.log import Code, log

LASTS_SECONDS: Final = 1.0
"""A send that is under way for so long is waited for apart."""
TURNED_AWAY: Final = 1_000
"""Ids that are remembered of one recipient. Those beyond are brought by the sweep."""


class Lasting:
    """For one event loop. `at_most` sends to one recipient are waited for apart; `again` brings a delivery to the door."""

    def __init__(self, at_most: int, again: Callable[[str], Awaitable[None]]) -> None:
        self._at_most = at_most
        self._again = again
        self._lasting: Counter[str] = Counter()
        self._turned_away: dict[str, OrderedDict[str, None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def full(self) -> frozenset[str]:
        """The recipients that get no more until one of their sends has ended."""
        return frozenset(each for each, count in self._lasting.items() if count >= self._at_most)

    def turn_away(self, recipient: str, delivery_id: str) -> None:
        """It comes again when there is room."""
        waiting = self._turned_away.setdefault(recipient, OrderedDict())
        if len(waiting) < TURNED_AWAY:
            waiting[delivery_id] = None

    async def send(self, recipient: str, delivery_id: str, sending: Coroutine[None, None, None]) -> None:
        """Returns when it is sent, and what it raised is raised; or when it lasts, and then it goes on by itself."""
        task = asyncio.create_task(sending)
        try:
            ended, _ = await asyncio.wait({task}, timeout=LASTS_SECONDS)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if ended:
            await task
            return
        beside = asyncio.create_task(self._beside(recipient, delivery_id, task))
        self._lasting[recipient] += 1
        self._tasks.add(beside)
        beside.add_done_callback(self._tasks.discard)

    async def _beside(self, recipient: str, delivery_id: str, task: asyncio.Task[None]) -> None:
        try:
            await task
        except Exception as error:  # noqa: BLE001  nobody is left to hear it; its state is in the store
            log(Code.BUS_HANDLER_FAILED, topic="deliveries", id=delivery_id, error=type(error).__name__)
        finally:
            self._lasting[recipient] -= 1
            waiting = self._turned_away.get(recipient, OrderedDict())
            room = 1
            if not self._lasting[recipient]:  # it answers
                del self._lasting[recipient]
                self._turned_away.pop(recipient, None)
                room = len(waiting)
            for each in list(waiting)[:room]:
                del waiting[each]
                await self._again(each)

    async def end(self, *, cancelled: bool = False) -> None:
        """Until nothing is under way."""
        for task in self._tasks:
            if cancelled:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
