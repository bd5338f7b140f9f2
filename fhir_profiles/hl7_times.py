"""HL7 v2 timestamps as FHIR dates. It must never read a clock or fill in a precision that was not sent.

`YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]` (HL7 v2.5.1 section 2.A.22). A time without an offset is Europe/London, or in the zone
of the message (MSH-7, HL7 v2.5.1 2.15.9.7) where that is another; of an hour that comes twice in autumn the first is meant. FHIR wants minutes
and seconds with every time: they are zero where they were not sent.
"""

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,4}))?)?)?)?)?)?([+-][0-9]{4})?"
)
_TIME: Final = re.compile(r"([0-9]{2})([0-9]{2})?([0-9]{2})?(?:\.[0-9]{1,4})?(?:[+-][0-9]{4})?")


@lru_cache(maxsize=256)
def zone_of_message(written: str) -> str:
    """Give the offset of MSH-7 (`+0000`) where the sender's clock is not London's at that time; empty where it is, or where nothing says so."""
    found = _TIMESTAMP.fullmatch(written.strip())
    moment = fhir_date_time(written)
    if found is None or moment is None or "T" not in moment or not found.group(8):
        return ""
    at_home = _london(datetime.fromisoformat(moment).replace(tzinfo=None))
    return "" if moment.endswith(at_home) else found.group(8)


@lru_cache(maxsize=4_096)
def fhir_date_time(text: str, zone: str = "") -> str | None:
    """Give a FHIR dateTime with the precision that was sent; None when the text is no timestamp or no real date. `zone` is the message's."""
    found = _TIMESTAMP.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
        if hour is None:
            return "-".join(part for part in (year, month, day) if part)
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}")
    except ValueError:
        return None
    offset = offset or zone
    written = _offset(offset) if offset else _london(moment)
    if written is None:
        return None
    return moment.isoformat() + (f".{fraction}" if fraction else "") + written


def _offset(text: str) -> str | None:
    hours, minutes = int(text[1:3]), int(text[3:5])
    return f"{text[:3]}:{text[3:]}" if minutes < 60 and (hours < 14 or (hours, minutes) == (14, 0)) else None


def _london(moment: datetime) -> str:
    offset = moment.replace(tzinfo=LONDON).utcoffset()
    minutes = int(offset.total_seconds()) // 60 if offset is not None else 0
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def fhir_date(text: str) -> str | None:
    """Give a FHIR date: the day as it is written, whatever time follows it."""
    moment = fhir_date_time(text)
    return moment[:10] if moment is not None else None


def fhir_instant(text: str, zone: str = "") -> str | None:
    """Give a FHIR instant: only a timestamp that has a time is one. `zone` is the message's."""
    moment = fhir_date_time(text, zone)
    return moment if moment is not None and "T" in moment else None


def fhir_time(text: str) -> str | None:
    """Give a FHIR time (`14:05:00`) of an HL7 TM; None when it is none. An offset is left out: FHIR's time has no zone."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute, second = (int(part) if part else 0 for part in found.groups())
    return f"{hour:02d}:{minute:02d}:{second:02d}" if hour < 24 and minute < 60 and second < 60 else None


def is_before(first: str, second: str) -> bool:
    """Say whether one FHIR dateTime surely lies before another; of two precisions the coarser decides."""
    if "T" in first and "T" in second:
        return datetime.fromisoformat(first[:19] + _zone(first)) < datetime.fromisoformat(second[:19] + _zone(second))
    length = min(len(first), len(second), 10)
    return first[:length] < second[:length]


def _zone(text: str) -> str:
    return text[-6:] if text[-6] in "+-" else "+00:00"
