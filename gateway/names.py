"""Whose name is it? Where two people are needed, one person's name in two spellings is one name.

It says when two names are one; it MUST NOT be taken for proof of who acts: a name is what somebody types.
"""

import re
import unicodedata
from typing import Final

SHORTEST: Final = 3
"""Letters and digits of the shortest name of a person."""


def as_written(by: str) -> str:
    """A name without needless space."""
    return " ".join(by.split())


def is_name(by: str) -> bool:
    """Does this name anybody?"""
    return len(_plain(by)) >= SHORTEST


def is_same(one: str, other: str) -> bool:
    """Is this one person's name: whatever its case, accents, spaces, marks that nobody sees, hyphens, or the order of its words?"""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    seen = "".join(each for each in folded if unicodedata.category(each) not in {"Mn", "Cf"})
    return "".join(sorted(re.findall(r"[^\W_]+", seen)))
