"""Print a sheet. It must never fail on a text: a sign that no font has is printed as its number, `[U+6F22]`, and nothing is left out."""

import json
import re
import unicodedata
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources as package_files
from typing import Final

import typst

_SHOWN: Final = (
    *(range(0x20, 0x7F), range(0xA1, 0xAD), range(0xAE, 0x483), range(0x48A, 0x500)),  # Latin, Greek, Cyrillic, marks
    *(range(0x5B0, 0x5C4), range(0x5D0, 0x5EB), range(0x5EF, 0x5F5)),  # Hebrew
    *(
        range(0x606, 0x60D),
        range(0x61B, 0x61C),
        range(0x61F, 0x620),
        range(0x621, 0x63B),
        range(0x640, 0x656),
    ),  # Arabic
    *(range(0x660, 0x66E), range(0x679, 0x67C), range(0x67E, 0x681), range(0x686, 0x688), range(0x691, 0x692)),
    *(range(0x698, 0x699), range(0x6A4, 0x6A5), range(0x6A9, 0x6AA), range(0x6AF, 0x6B0), range(0x6BE, 0x6BF)),
    *(
        range(0x6CC, 0x6CD),
        range(0x6F0, 0x6FA),
        range(0x1E00, 0x2000),
    ),  # Urdu and Persian; Vietnamese, Welsh, polytonic Greek
    *(
        range(0x2010, 0x2028),
        range(0x2030, 0x2041),
        range(0x2042, 0x2043),
        range(0x2044, 0x2053),
        range(0x2054, 0x205F),
    ),
    *(
        range(0x2070, 0x20A0),
        range(0x20A0, 0x20C0),
        range(0x2190, 0x2300),
    ),  # raised and lowered, currencies, arrows, mathematics
)
"""What the fonts inside typst have (Libertinus Serif and DejaVu Sans Mono, both free to embed); a test prints each of them."""
_SAFE: Final = (range(0x20, 0x7F), range(0xA1, 0xAD), range(0xAE, 0x180))
_TOO_LONG: Final = re.compile(r"\S{24}(?=\S)")
"""The widest 24 signs of the largest print fit on a line."""
_LINES: Final = frozenset("\t\n\r")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A heading (empty for none) and its lines, as a list or as paragraphs."""

    heading: str
    lines: tuple[str, ...]
    listed: bool = True


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What is printed. `mark` and `foot` stand on every page; `points` is the size of the text; `time` an instant with offset."""

    title: str
    author: str
    mark: str
    foot: str
    time: str
    points: int
    parts: tuple[Part, ...]


def printed(sheet: Sheet) -> bytes:
    """Give the PDF. Raises ValueError when the time is none."""
    try:
        return _compiled(sheet, _SHOWN)
    except typst.TypstError:
        # INVARIANT: nothing waits in front of a handover: what the fonts will not have together is printed as numbers.
        return _compiled(sheet, _SAFE)


def _compiled(sheet: Sheet, shown: tuple[range, ...]) -> bytes:
    moment = datetime.fromisoformat(sheet.time).astimezone(UTC)
    held = {**asdict(sheet), "time": moment.timetuple()[:6]}
    return typst.compile(
        _form(),
        sys_inputs={"sheet": json.dumps(_visible(held, shown))},
        pdf_standards="ua-1",
        font_paths=_fonts(),
    )


@cache
def _form() -> bytes:
    return package_files.files("fhir_profiles.print").joinpath("sheet.typ").read_bytes()


@cache
def _fonts() -> typst.Fonts:
    """Only the fonts inside typst: those of a machine would make other bytes on another one."""
    return typst.Fonts(include_system_fonts=False)


def _visible(value: object, shown: tuple[range, ...]) -> object:
    """Copy what is printed with every sign that cannot be shown as its number."""
    if isinstance(value, str):
        # INVARIANT: no sign is printed beyond the edge of the page: a word that is wider than it is broken.
        return _TOO_LONG.sub("\\g<0>\u200b", "".join(_sign(sign, shown) for sign in value))
    if isinstance(value, dict):
        return {key: _visible(item, shown) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(item, shown) for item in value]
    return value


def _sign(sign: str, shown: tuple[range, ...]) -> str:
    if sign in _LINES or sign == "\xa0":
        return " " if sign == "\xa0" else sign
    known = any(ord(sign) in each for each in shown) and unicodedata.category(sign)[0] != "C"
    return sign if known else f"[U+{ord(sign):04X}]"
