"""Where random ids and random keys come from, so that tests and `try` can have the same ones twice.

Ids are Crockford base32 (no I, L, O, U) and say nothing. Only `wiring.py` and tests construct a source.
"""

import hashlib
import itertools
import secrets
from typing import Protocol

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = _ALPHABET.encode("ascii") * 8
"""The letter of each byte: every letter has as many bytes as any other."""
ENTRY_LENGTH = 26  # 130 bits
DELIVERY_LENGTH = 20  # 100 bits: MSH-10 holds 20 characters (DESIGN rule 6)
KEY_BYTES = 32
_COUNT_LENGTH = 10
_COUNT_BITS = 5 * _COUNT_LENGTH
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(_COUNT_BITS - 10, -1, -10)


class Ids(Protocol):
    """A source of ids and keys."""

    def entry(self) -> str:
        """26 characters: the id of anything that stays inside."""
        ...

    def delivery(self) -> str:
        """20 characters: the id of a delivery, which is its idempotency key on every wire."""
        ...

    def key(self) -> bytes:
        """32 bytes for a key."""
        ...


def _crockford(source: bytes, length: int) -> str:
    number = int.from_bytes(source, "big")
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(length))


class RandomIds:
    """The operating system's randomness, five bits of each byte. What a gateway uses.

    What stays inside counts its first ten characters up from a random place, so that rows of one time lie beside each other in every index
    and a commit touches few pages; the other sixteen (80 bits) are random. What goes on a wire is random all through.
    """

    def __init__(self) -> None:
        self._count = itertools.count(secrets.randbits(_COUNT_BITS - 1))

    def entry(self) -> str:
        number = next(self._count)
        counted = "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])
        return counted + secrets.token_bytes(ENTRY_LENGTH - _COUNT_LENGTH).translate(_LETTERS).decode("ascii")

    def delivery(self) -> str:
        return secrets.token_bytes(DELIVERY_LENGTH).translate(_LETTERS).decode("ascii")

    def key(self) -> bytes:
        return secrets.token_bytes(KEY_BYTES)


class SeededIds:
    """The same ids and keys for the same seed, in the same order of asking. For `try` and tests only: whoever knows the seed knows the keys."""

    def __init__(self, seed: int | str) -> None:
        self._seed = str(seed).encode()
        self._count = itertools.count()

    def _next(self, kind: bytes) -> bytes:
        return hashlib.sha256(
            b"throughgate seeded ids\x00%s\x00%s\x00%d" % (self._seed, kind, next(self._count))
        ).digest()

    def entry(self) -> str:
        return _crockford(self._next(b"entry"), ENTRY_LENGTH)

    def delivery(self) -> str:
        return _crockford(self._next(b"delivery"), DELIVERY_LENGTH)

    def key(self) -> bytes:
        return self._next(b"key")
