"""The primitive types of FHIR R4 as JSON Schema, for the compiler only. It must never depend on anything but the specification.

Source: http://hl7.org/fhir/R4/datatypes.html. Stricter than the published patterns in one point: dates are real calendar dates.
"""

from typing import Any, Final

_YEAR: Final = "(?:[0-9](?:[0-9](?:[0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_LEAP_YEAR: Final = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY: Final = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_FULL_DATE: Final = f"(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)"
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE: Final = "(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_PARTIAL_DATE: Final = f"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?"

_CONTROL: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f"
_SOME_TEXT: Final = rf"^[^{_CONTROL}]*[^{_CONTROL}\s][^{_CONTROL}]*$"

_NO_SPACE: Final = r"^\S+$"


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


PRIMITIVES: Final[dict[str, dict[str, Any]]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "unsignedInt": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "decimal": {"type": "number"},
    "string": _text(_SOME_TEXT),
    "markdown": _text(_SOME_TEXT),
    "xhtml": _text(_SOME_TEXT),
    "code": _text(r"^\S+(?:\s\S+)*$"),
    "id": _text(r"^[A-Za-z0-9.\-]{1,64}$"),
    "uri": _text(_NO_SPACE),
    "url": _text(_NO_SPACE),
    "canonical": _text(_NO_SPACE),
    "oid": _text(r"^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$"),
    "uuid": _text("^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    "base64Binary": {
        "type": "string",
        "minLength": 1,
        "pattern": r"^(?:\s*[A-Za-z0-9+/]{4})*(?:\s*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=))?\s*$",
    },
    "date": _text(f"^(?:{_PARTIAL_DATE}|{_FULL_DATE})$"),
    "dateTime": _text(f"^(?:{_PARTIAL_DATE}|{_FULL_DATE}(?:T{_CLOCK}{_ZONE})?)$"),
    "instant": _text(f"^{_FULL_DATE}T{_CLOCK}{_ZONE}$"),
    "time": _text(f"^{_CLOCK}$"),
}
