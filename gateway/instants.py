"""Instants as the store writes them: ISO 8601 UTC text with microseconds and `Z`, so that text order is time order.

This module MUST NOT read a clock; `Clock` is passed in by `wiring.py`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
"""What a day and a month are where people are."""
Clock = Callable[[], datetime]
"""Answers the present instant, aware, in UTC."""
_OFFSET_LENGTH = len("+00:00")


def to_text(instant: datetime) -> str:
    """`2026-01-15T12:00:00.000000Z`. A naive datetime is a ValueError: nobody can say when it was."""
    if instant.tzinfo is None:
        raise ValueError("an instant without a zone cannot be written")
    if instant.tzinfo is not UTC:  # clocks are in UTC, and ask for every change of state
        instant = instant.astimezone(UTC)
    return f"{instant.isoformat(timespec='microseconds')[:-_OFFSET_LENGTH]}Z"


def from_text(text: str) -> datetime:
    """Reads what `to_text` wrote, and any ISO 8601 instant with an offset. ValueError for anything else."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant without a zone cannot be read")
    return instant.astimezone(UTC)
