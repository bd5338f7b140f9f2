"""Works that wait for a writer, in two rows: whoever is waited for on a wire, and the line's own work behind it.

An acknowledgement waits for few of the others, and they are never kept waiting by a stream of acknowledgements. It MUST NOT lose a work.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

J = TypeVar("J")

OTHERS_IN_FRONT = 2
"""Works of the line that still run in a batch before somebody on a wire does: each is a few milliseconds."""


class Waiting(Generic[J]):
    """Use from any thread. Several writers may take from one."""

    def __init__(self) -> None:
        self._urgent: deque[J] = deque()
        self._others: deque[J] = deque()
        self._ends = 0
        self._some = threading.Condition(threading.Lock())

    def put(self, works: list[J], *, urgent: bool) -> None:
        """`urgent`: somebody on a wire waits for it."""
        with self._some:
            (self._urgent if urgent else self._others).extend(works)
            self._some.notify()

    def end(self) -> None:
        """One of those who take is to stop, after everything that was put before."""
        with self._some:
            self._ends += 1
            self._some.notify()

    def first(self) -> J | None:
        """The first of a batch: waits for it. None when there is nothing left and somebody is to stop."""
        with self._some:
            while True:
                if self._others:
                    return self._taken(self._others)
                if self._urgent:
                    return self._taken(self._urgent)
                if self._ends:
                    self._ends -= 1
                    return None
                self._some.wait()

    def next(self, length: int, *, only_urgent: bool) -> J | None:
        """One more for a batch of this length. `only_urgent`: its last one is, so that nothing else may come before the commit."""
        with self._some:
            if self._urgent and (only_urgent or not self._others or length >= OTHERS_IN_FRONT):
                return self._urgent.popleft()
            return self._others.popleft() if self._others and not only_urgent else None

    def more(self, *, urgent: bool, fits: Callable[[J], bool], at_most: int) -> list[J]:
        """Those at the front of one row that fit to what was just taken from it."""
        found: list[J] = []
        with self._some:
            row = self._urgent if urgent else self._others
            while row and len(found) < at_most and fits(row[0]):
                found.append(row.popleft())
        return found

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def _taken(self, row: deque[J]) -> J:
        found = row.popleft()
        if row or self._urgent or self._others or self._ends:
            self._some.notify()  # another writer has something to take too
        return found
