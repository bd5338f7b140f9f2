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
        (answer,) = each_answered(self.many, (self.one,), c)
        return answer


def each_answered(many: Callable[[Connection, Sequence[A]], Sequence[B]], them: Sequence[A], c: Connection) -> list[B]:
    """What `many` answers for them, in their order. Raises what it raised, of all of them."""
    answers = list(many(c, them))
    if len(answers) != len(them):
        raise ValueError("a work has one answer for each that it is given")
    return answers
