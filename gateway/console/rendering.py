"""Templates to HTML. Every value is escaped, a value that is not there is an error, and what times and closed words look like is said here."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.instants import from_text

_HERE: Final = Path(str(files("gateway.console")))
STYLE: Final = (_HERE / "static" / "console.css").read_bytes()
STYLE_PATH: Final = f"/console/static/{hashlib.sha256(STYLE).hexdigest()[:16]}.css"
_LONDON: Final = ZoneInfo("Europe/London")
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


def when(instant: str | datetime | None) -> str:
    """`15 Jan 2026, 12:00`, as clocks in England show it; a dash where there is none."""
    if not instant:
        return "-"
    read = from_text(instant) if isinstance(instant, str) else instant
    return read.astimezone(_LONDON).strftime("%d %b %Y, %H:%M").lstrip("0")


def age(seconds: float) -> str:
    """`3 days 4 hours`, `12 minutes`: the two largest parts."""
    left = int(timedelta(seconds=max(0.0, seconds)).total_seconds())
    if left < _MINUTE:
        return "under a minute"
    parts = []
    for name, size in (("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {name}{'' if number == 1 else 's'}")
    return " ".join(parts[:2])


def plain(word: str | None) -> str:
    """A closed word as people write it: `community-provider` is `community provider`."""
    return word.replace("-", " ") if word else "-"


ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals.update(style=STYLE_PATH)
ENVIRONMENT.filters.update(when=when, age=age, plain=plain)


def render(template: str, values: Mapping[str, Any]) -> str:
    """A page. Raises jinja2's UndefinedError for a value that is not given."""
    return ENVIRONMENT.get_template(template).render(values)
