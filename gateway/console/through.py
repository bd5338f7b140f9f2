"""What a letter goes through in the picture of flows: its name, what it is for, or the kinds of data that may leave in it.

Purpose and kinds are what the agreements in force say of that letter to that class of recipient. Pure; it MUST NOT say what one letter held.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from consent.ig_document import PURPOSES
from consent.kinds import KINDS, HowMuch, how_much
from consent.shapes import Agreement

NO_AGREEMENT: Final = "no agreement in force"
NOBODY: Final = "nothing about anybody"


class Through(StrEnum):
    """What stands in the middle of the picture."""

    LETTER = "letter"
    PURPOSE = "purpose"
    DATA = "data"


Pair = tuple[str, str]
"""A letter and a class of recipient."""


def through(agreements: Iterable[Agreement], by: Through, pair: Pair) -> tuple[str, ...]:
    """The names in the middle for one letter to one class: one, or as many as there are kinds of data."""
    if by is Through.LETTER:
        return (pair[0],)
    own = [each for each in agreements if (each.letter, each.recipient_class) == pair]
    if not own:
        return (NO_AGREEMENT,)
    if by is Through.PURPOSE:
        codes = dict.fromkeys(coding.code for each in own for coding in each.purpose)
        return (", ".join(PURPOSES.get(code, code) for code in codes),)
    kinds = (kind for kind in KINDS if any(how_much(each, kind) is not HowMuch.NO for each in own))
    return tuple(kinds) or (NOBODY,)
