"""The form of a person's identifiers: NHS number (modulus 11) and prison number. It must never say whose a number is."""

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s-]+")
_NHS_NUMBER: Final = re.compile(r"[0-9]{10}")
_PRISON_NUMBER: Final = re.compile(r"[A-Z][0-9]{4}[A-Z]{2}")


def normal_nhs_number(text: str) -> str:
    """Give the number without blanks and hyphens, as every system compares it."""
    return _SEPARATORS.sub("", text)


def nhs_number_is_valid(number: str) -> bool:
    """Check ten digits and modulus 11: weights 10 to 2, check digit 11 - (sum mod 11), 11 counts as 0, 10 is never valid."""
    if _NHS_NUMBER.fullmatch(number) is None:
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1), strict=False)) % 11
    return (0 if check == 11 else check) == int(number[9])


def normal_prison_number(text: str) -> str:
    """Give the number without blanks and in capital letters."""
    return _SEPARATORS.sub("", text).upper()


def prison_number_is_valid(number: str) -> bool:
    """Check the form of a NOMIS number, A1234BC; it has no check digit (prison-api, hmpps-integration-api)."""
    return _PRISON_NUMBER.fullmatch(number) is not None
