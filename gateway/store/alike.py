"""A work that is done together with others of its kind that wait for the same commit: each statement is said once for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Alike(Generic[A, B]):
    """`many` done for `one`: given to `write_async` like any work. `many` answers as many as it is given, in their order.

    Works of the same `many` that wait one behind the other are done in one call. When that raises, all of it is undone and each is done
    alone, so that one that fails is nobody else's fault.
    """

    many: Callable[[Connection, Sequence[A]], Sequence[B]]
    one: A

    def __call__(self, c: Connection) -> B:
        """Alone."""
        (answer,) = self.many(c, (self.one,))
        return answer


def in_one(c: Connection, works: Sequence[Alike[A, B]]) -> Sequence[B]:
    """Several of one kind. Raises what that raised, of all of them."""
    answers = works[0].many(c, [work.one for work in works])
    if len(answers) != len(works):
        raise ValueError("a work has one answer for each that it is given")
    return answers
