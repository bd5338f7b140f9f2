"""Many of one kind in one work, so that each statement is said once for all of them; alone where one of them breaks it.

What one of them raises is its own. This module MUST NOT run anything again that was committed.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from gateway.store.alike import each_answered
from gateway.store.away import is_away
from gateway.store.engine import Store

A = TypeVar("A")
B = TypeVar("B")


def write_in_one(
    store: Store, work: Callable[[Connection, Sequence[A]], Sequence[B]], them: Sequence[A]
) -> list[B | Exception]:
    """What came of each, in their order, or what it raised. `work` answers as many as it is given; all of them share a commit."""
    pieces = [them[start : start + store.in_one] for start in range(0, len(them), store.in_one)]
    became = store.write_all([partial(each_answered, work, piece) for piece in pieces])
    found: list[B | Exception] = []
    for piece, answers in zip(pieces, became, strict=True):
        if not isinstance(answers, Exception):
            found += answers
        elif len(piece) == 1 or is_away(answers):
            # INVARIANT: a store that is away is no fault of one of them, and its commit may have been kept: it is not tried again here.
            found += [answers] * len(piece)
        else:
            found += [answer for one in piece for answer in _alone(store, work, one)]
    return found


def _alone(store: Store, work: Callable[[Connection, Sequence[A]], Sequence[B]], one: A) -> list[B] | list[Exception]:
    (answers,) = store.write_all([partial(each_answered, work, (one,))])
    return [answers] if isinstance(answers, Exception) else answers
