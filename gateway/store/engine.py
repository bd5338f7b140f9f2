"""What a store is to the rest of the gateway: snapshots to read, and works that are durable when `write` returns.

Nothing outside this folder and `wiring.py` may know which engine is behind it.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from gateway.errors import ThroughgateError

T = TypeVar("T")


class StoreError(ThroughgateError):
    """The store was asked for what it never does (a work that commits, a database of a newer program). Not for trying again."""


class Store(Protocol):
    """One durable memory. Safe to use from any thread."""

    in_one: int
    """How many of a turn go into one work (store/in_one.py): fewer where somebody on a wire waits behind a whole work."""

    def read(self) -> AbstractContextManager[Connection]:
        """A read-only snapshot as of entry; later commits do not show in it."""
        ...

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction and returns its answer after the fsynced commit.

        Several callers may share one commit; each work has its own savepoint. What `work` raises is raised here and only its own
        changes are undone. `work` MUST be short, MUST NOT commit, roll back, send, or call `write` again.
        Raises gateway.errors.StoreUnavailable when the commit failed (disk full, I/O error, locked): nobody of the batch was acknowledged.
        """
        ...

    def write_all(self, works: Sequence[Callable[[Connection], T]]) -> list[T | Exception]:
        """`write` for several at once, which need not wait for one another's commit: what each answered or raised, in their order."""
        ...

    async def write_async(self, work: Callable[[Connection], T]) -> T:
        """`write` for coroutines: `work` runs in the writer, the event loop is not blocked. Works that are `Alike` are done together."""
        ...

    def lead(self, duty: str) -> bool:
        """Is this the one process that does `duty` now? Asked before each turn of it; a process that lost it hears so here and stops."""
        ...

    def compact(self, asked_for: str, *, at_most_bytes: int | None) -> bool:
        """Writes every table anew, so that of what was deleted before this call nothing stays in the files. Answers whether that is so.

        Nobody is acknowledged meanwhile. False: it is larger than `at_most_bytes` (None: whatever it holds), somebody reads or writes
        it for too long, or the disk has no room; nothing is lost then. With a bound it is tried once in a process for the same `asked_for`.
        """
        ...

    def close(self) -> None:
        """Finishes what was asked for, then lets go of the files."""
        ...
