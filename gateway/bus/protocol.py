"""What a bus is to the rest of the gateway."""

import re
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from gateway.errors import ThroughgateError

Topic = Literal["messages", "deliveries", "answers"]
Handler = Callable[[str], Awaitable[None]]

_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{20,26}")


class BusError(ThroughgateError):
    """The id was not taken (full, returned, away). Nothing is lost: the sweep publishes it again."""


def check_id(id: str) -> None:  # noqa: A002  the word of the contract
    """INVARIANT: the bus carries opaque ids, never patient data. ValueError for anything but an id of keys/identifiers.py."""
    if not _ID.fullmatch(id):
        raise ValueError("the bus carries ids of 20 to 26 Crockford characters and nothing else")


class Bus(Protocol):
    """Ids in, handlers called, at least once or not at all. Use from one event loop."""

    async def publish(self, topic: Topic, id: str) -> None:  # noqa: A002  the word of the contract
        """Hands over an id after its commit. BusError when it was not taken; that is never a reason to undo anything."""
        ...

    def subscribe(self, topic: Topic, handler: Handler, concurrency: int) -> None:
        """One handler a topic, called for at most `concurrency` ids at once and never twice at once for the same id.

        Before `start`. What a handler raises is logged by code and ends there.
        """
        ...

    def lately(self, topic: Topic, id: str) -> bool:  # noqa: A002  the word of the contract
        """Was it handed over a moment ago, so that a sweep need not bring it again? False whenever that is not known."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Lets what is being handled finish; what only waits is forgotten."""
        ...

    def pending(self) -> int:
        """Ids that wait or are being handled here."""
        ...
