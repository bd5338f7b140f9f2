"""Quantities, ranges, ratios and periods in words and figures. It must never compute or round: numbers keep their digits, units their words.

INVARIANT: a number that came as a power of ten (`4E+1`) is written out: nobody reads a dose of that, and an NM of HL7 v2 cannot hold it.
"""

from decimal import Decimal
from typing import Any

from fhir_profiles.elements import as_object, as_text
from fhir_profiles.profiles.prescription_copy import NO_UNIT


def number(value: Any) -> str:
    """Write a number with the digits that it has; empty when it is none."""
    text = "" if isinstance(value, bool) or not isinstance(value, int | Decimal) else str(value)
    return f"{value:f}" if "e" in text.casefold() else text


def quantity(value: Any) -> str:
    """Write a Quantity: comparator, digits as they are, unit."""
    item = as_object(value)
    digits = number(item.get("value"))
    unit = as_text(item.get("unit")) or as_text(item.get("code"))
    return " ".join(part for part in (as_text(item.get("comparator")) + digits, unit) if part) if digits else ""


def dose_amount(value: Any) -> str:
    """Write a Quantity of a medicine. INVARIANT: 40 of nobody says what is not read as 40 of what the reader is used to, millilitres or milligrams."""
    item = as_object(value)
    unit = as_text(item.get("unit")) or as_text(item.get("code"))
    return f"{quantity(value)} {NO_UNIT}" if quantity(value) and not unit else quantity(value)


def span_of(value: Any) -> str:
    """Write a Range; where one end is missing it says which end the other is."""
    low, high = (quantity(as_object(value).get(end)) for end in ("low", "high"))
    if low and high:
        return f"{low} to {high}"
    return f"{low} or more" if low else f"up to {high}" if high else ""


def ratio(value: Any, sign: str) -> str:
    """Write a Ratio with `sign` between its parts; the half that is there where the other is not."""
    parts = (quantity(as_object(value).get(part)) for part in ("numerator", "denominator"))
    return sign.join(part for part in parts if part)


def period(value: Any) -> str:
    """Write a Period as it stands."""
    held = as_object(value)
    start, end = as_text(held.get("start")), as_text(held.get("end"))
    return " ".join(part for part in (f"from {start}" if start else "", f"to {end}" if end else "") if part)
