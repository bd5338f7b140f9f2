"""Synthetic people for the demo and the tests: never anybody real.

NHS numbers come from the 999 range, which is reserved for tests and never issued. It MUST NOT make a number outside that range.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

PIECES: Final = 1_000
FAMILY_NAMES = (
    "Ashdown",
    "Birkett",
    "Calloway",
    "Dunmore",
    "Eastgarth",
    "Fennimore",
    "Garrick",
    "Holloway",
    "Ingleby",
    "Jessop",
)
GIVEN_NAMES = (
    "Alex",
    "Bailey",
    "Casey",
    "Drew",
    "Ellis",
    "Frankie",
    "Glenn",
    "Harper",
    "Indra",
    "Jordan",
    "Kit",
    "Lee",
    "Morgan",
)


@dataclass(frozen=True, kw_only=True)
class SyntheticPerson:
    """One made-up person. `postcode` is the release address; the ODS codes are not real. `born` is an ISO date."""

    nhs_number: str
    prison_number: str
    family: str
    given: str
    born: str
    gender: str
    postcode: str
    gp_ods: str
    pharmacy_ods: str | None


def check_digit(nine: str) -> int | None:
    """The NHS number's check digit (modulus 11, weights 10 to 2), or None for nine digits that can have none."""
    remainder = 11 - sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11
    return {10: None, 11: 0}.get(remainder, remainder)


def nhs_numbers() -> Iterator[str]:
    """Every valid NHS number of the 999 test range, in order."""
    return (number for at in range(PIECES) for number in _piece(at))


@lru_cache(maxsize=100)
def _piece(at: int) -> tuple[str, ...]:
    """Those of a thousand candidates: who asks for one after the other does not count from the first each time."""
    candidates = (f"999{tail:06d}" for tail in range(at * 1_000, (at + 1) * 1_000))
    return tuple(f"{nine}{digit}" for nine in candidates if (digit := check_digit(nine)) is not None)


def nhs_number(number: int) -> str:
    """The `number`-th valid NHS number of the 999 test range, counted from 0."""
    left = number
    for at in range(PIECES):
        piece = _piece(at)
        if left < len(piece):
            return piece[left]
        left -= len(piece)
    raise IndexError("the test range has no such number")


def prison_number(number: int) -> str:
    """The `number`-th prison number of the form that NOMIS uses (a letter, four digits, two letters)."""
    letters, digits = divmod(number, 10_000)
    first, last = divmod(letters, 26)
    return f"Z{digits:04d}{chr(ord('A') + first % 26)}{chr(ord('A') + last)}"


def synthetic_person(
    number: int,
    *,
    postcode: str = "ZA1 1AA",
    gp_ods: str = "ZZG01",
    pharmacy_ods: str | None = "ZZP01",
) -> SyntheticPerson:
    """The `number`-th made-up person: the same number is always the same person."""
    return SyntheticPerson(
        nhs_number=nhs_number(number),
        prison_number=prison_number(number),
        family=f"{FAMILY_NAMES[number % len(FAMILY_NAMES)]}-Test",
        given=GIVEN_NAMES[number % len(GIVEN_NAMES)],
        born=f"{1960 + number % 40}-{1 + number % 12:02d}-{1 + number % 28:02d}",
        gender="male",
        postcode=postcode,
        gp_ods=gp_ods,
        pharmacy_ods=pharmacy_ods,
    )
