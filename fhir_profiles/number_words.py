"""A number in words, as a controlled drug prescription has its total quantity (Misuse of Drugs Regulations 2001, regulation 15). Exact: nothing is rounded."""

from decimal import Decimal
from typing import Final

_ONES: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_LIMIT: Final = 1_000_000


def in_words(number: int | Decimal) -> str:
    """Write a number from 0 below a million: 280 is `two hundred and eighty`, 2.50 `two point five zero`. Raises ValueError for another."""
    text = format(number, "f") if isinstance(number, Decimal) else str(number)
    whole, _, fraction = text.partition(".")
    if not whole.isdigit() or int(whole) >= _LIMIT or not text.replace(".", "").isdigit():
        raise ValueError("no quantity of a prescription")
    digits = "".join(f" {_ONES[int(digit)]}" for digit in fraction)
    return _whole(int(whole)) + (f" point{digits}" if digits else "")


def _whole(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        ones = number % 10
        return _TENS[number // 10] + (f"-{_ONES[ones]}" if ones else "")
    unit, name = (100, "hundred") if number < 1_000 else (1_000, "thousand")
    rest = number % unit
    joined = (" and " if rest < 100 else " ") + _whole(rest) if rest else ""
    return f"{_whole(number // unit)} {name}{joined}"
