"""SMART system scopes, version 2, and nothing else: `system/(Type|*).c?r?u?d?s?`, exact. Pure.

Nothing is normalised: no `.read`, no `user/`, no letter out of order, no double. A permission is one letter of one type (`Bundle.c`).
A scope is only a ceiling: what a client may send, for which establishments, is compared at the register.
"""

import re
from collections.abc import Collection
from typing import Final

LETTERS: Final = "cruds"
MAX_CHARACTERS: Final = 2_048
_SCOPE: Final = re.compile(r"system/(\*|[A-Z][A-Za-z]{1,63})\.(?=[cruds])(c?r?u?d?s?)")


class ScopeError(ValueError):
    """A text that is not a list of system scopes. It never quotes the text."""


def requested(text: str) -> frozenset[str]:
    """The permissions of a scope parameter; `*` stays `*`. Raises ScopeError for anything that is not exactly the grammar."""
    if len(text) > MAX_CHARACTERS:
        raise ScopeError("too long")
    found: set[str] = set()
    for one in text.split(" "):
        match = _SCOPE.fullmatch(one)
        if match is None:
            raise ScopeError("not a system scope")
        found |= {f"{match[1]}.{letter}" for letter in match[2]}
    return frozenset(found)


def granted(asked: Collection[str], registered: Collection[str]) -> frozenset[str]:
    """What was asked for and is registered; `*` asks for every registered type. Never more than `registered`."""
    return frozenset(
        permission for permission in registered if permission in asked or f"*.{permission.partition('.')[2]}" in asked
    )


def scope_text(permissions: Collection[str]) -> str:
    """Permissions as scopes, one a type: `system/Binary.c system/Bundle.rus`."""
    types = sorted({permission.partition(".")[0] for permission in permissions})
    return " ".join(
        f"system/{kind}." + "".join(letter for letter in LETTERS if f"{kind}.{letter}" in permissions) for kind in types
    )
