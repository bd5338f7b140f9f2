"""Three-valued matching: no, unknown, yes. An unknown is carried to the end, never rounded to whichever answer is convenient."""

from collections.abc import Iterable
from enum import IntEnum


class Match(IntEnum):
    """Ordered so that AND is the smaller and OR is the greater of two answers."""

    NO = 0
    UNKNOWN = 1
    YES = 2


def any_of(answers: Iterable[Match]) -> Match:
    """OR. Nothing to choose from is NO."""
    best = Match.NO
    for answer in answers:
        if answer is Match.YES:
            return answer
        best = max(best, answer)
    return best


def all_of(answers: Iterable[Match]) -> Match:
    """AND. Nothing to satisfy is YES."""
    worst = Match.YES
    for answer in answers:
        if answer is Match.NO:
            return answer
        worst = min(worst, answer)
    return worst
