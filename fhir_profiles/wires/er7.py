r"""Write HL7 v2 (ER7): segments, fields, components, escapes. The other side of `fhir_profiles/hl7v2.py`, which reads it.

INVARIANT: no value can end a field, a segment or a frame. The delimiters are escaped by name; every control character and every sign that
some reader takes for the end of a line is written in hexadecimal (`\X0D\`), in the character set that MSH-18 names (HL7 v2.5.1 chapter 2,
section 2.7). It must never write the explicit null: a text that is two quotation marks says so, and deletes nothing.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from fhir_profiles.days import instant_of
from fhir_profiles.hl7v2 import NULL

CHARSET: Final = "UNICODE UTF-8"
_NAMED: Final = {"|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\\": "\\E\\"}
_LINE_BREAK: Final = "\\.br\\"
_ENDS_OF_LINES: Final = re.compile("\r\n|\r|\n")
_ESCAPED: Final = re.compile("[|^&~\\\\\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONE: Final = re.compile("[\ud800-\udfff]")
_TIME: Final = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?"
)


def leaf(text: str) -> str:
    """Write one value: a component without subcomponents, or a subcomponent."""
    written = _ESCAPED.sub(_escape, _LONE.sub("\ufffd", text))
    return '\\X22\\"' if written == NULL else written


def formatted(lines: Iterable[str]) -> str:
    r"""Write lines as formatted text (FT): each line break is `\.br\`."""
    return _LINE_BREAK.join(leaf(part) for line in lines for part in _ENDS_OF_LINES.split(line))


def comment(text: str) -> str:
    """Write a text as the repetitions of a comment (FT), one for each line."""
    return "~".join(leaf(part) for part in _ENDS_OF_LINES.split(text))


def _escape(found: re.Match[str]) -> str:
    sign = found.group()
    return _NAMED.get(sign) or f"\\X{sign.encode().hex().upper()}\\"


def components(*values: str) -> str:
    """Write a field of components, each a value; what is empty at the end is left off."""
    return "^".join(map(leaf, values)).rstrip("^")


def repeated(*fields: str) -> str:
    """Write the repetitions of a field, each of them written already."""
    return "~".join(field for field in fields if field)


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Write a segment of fields that are written already, by their number."""
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join((name, *(fields.get(number, "") for number in range(1, last + 1))))


def timestamp(text: str) -> str:
    """Write a FHIR date, dateTime or instant as a TS, as precise as it is; empty when it is none of them."""
    found = _TIME.fullmatch(text)
    if found is None or instant_of(text) is None:
        return ""
    *parts, fraction, zone = found.groups()
    offset = {"Z": "+0000"}.get(zone or "", (zone or "").replace(":", ""))
    return "".join(part for part in parts if part) + (f".{fraction[:4]}" if fraction else "") + offset
