"""While somebody is at the door, releasing gives way: custody first, for at most as long as the last turn took.

One interpreter does both. A sender that is not answered in time sends again and again, and what nobody has taken can be lost with the sender,
so that a burst is taken into custody before it is worked on (decision 0074). It MUST NOT make a release wait longer than that: of a burst that does not end,
half of the time stays for what was taken before.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

QUIET_SECONDS: Final = 0.002
"""Nobody is at the door when nobody has come for so long: senders that were answered together come again together."""


class CustodyFirst:
    """For one event loop: `arrival` around the taking of each arrival, `turn` around each turn of work."""

    def __init__(self) -> None:
        self._taking = 0
        self._taken_at = 0.0
        self._until = 0.0

    @contextmanager
    def arrival(self) -> Iterator[None]:
        """Somebody is at the door."""
        self._taking += 1
        try:
            yield
        finally:
            self._taking -= 1
            self._taken_at = _clock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Begins when the door is quiet, or when the last turn has been over for as long as it took."""
        while self._somebody_comes() and (left := self._until - _clock()) > 0:  # noqa: ASYNC110  it is time that is waited for
            await asyncio.sleep(min(left, QUIET_SECONDS))
        began = _clock()
        try:
            yield
        finally:
            ended = _clock()
            self._until = ended + (ended - began)

    def _somebody_comes(self) -> bool:
        return self._taking > 0 or _clock() - self._taken_at < QUIET_SECONDS


def _clock() -> float:
    return asyncio.get_running_loop().time()
