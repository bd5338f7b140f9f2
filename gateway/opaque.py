"""What may stand where anybody can read it: random ids, closed words, digests, times, small numbers.

The log and the ledger ask here before they write. It is a net below the rule, not the rule: callers pass ids and closed words by
design, and this module refuses what has the form of a person's identifier or of free text.
"""

import re

Opaque = str | int | bool

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:^|/+=*$-]{0,199}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NHS_NUMBER = re.compile(r"(?<![0-9A-Za-z])[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}(?![0-9A-Za-z])")
_PRISON_NUMBER = re.compile(r"(?<![0-9A-Za-z])[A-Z][0-9]{4}[A-Z]{2}(?![0-9A-Za-z])")
_NUMBER_LENGTH = 10
_LONGEST = 200
_LARGEST = 10**9 - 1
"""No NHS number of ten digits fits; counts, sizes and positions do."""


def is_name(name: str) -> bool:
    """Is this the name of a field: lower case, digits and underscores?"""
    return _NAME.fullmatch(name) is not None


def is_opaque(value: object) -> bool:
    """Is this an id, a closed word, a digest, an instant, a flag or a number below 10**9, and not a person's identifier?"""
    if not isinstance(value, str):
        return isinstance(value, int) and (isinstance(value, bool) or -_LARGEST <= value <= _LARGEST)
    if value.isascii() and value.isalnum() and _NUMBER_LENGTH < len(value) <= _LONGEST:
        return True  # an id: no identifier of a person fits, and most values are one
    return value == "" or (
        _WORD.fullmatch(value) is not None and not _NHS_NUMBER.search(value) and not _PRISON_NUMBER.search(value)
    )
