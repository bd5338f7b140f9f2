r"""Read HL7 v2 (ER7) byte-exactly and lazily: segments, fields, repetitions, components, subcomponents, escapes.

It must never change a byte, guess a meaning or decide anything: `Message.encode()` gives back what was parsed. A segment is split into fields
only when it is asked for, a field into components only when one is read (HL7 v2.5.1 chapter 2, sections 2.5 to 2.7).

Delimiters are those of MSH-1 and MSH-2. Segments end with CR, LF after CR is tolerated; a message without any CR may end its segments with LF.
Paths: `PID-3[2].1` is the first component of the second repetition of the third field of the first PID; `OBX[4]-5.1.2` names the fourth OBX
and a subcomponent. An index that is left out is 1.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from fhir_profiles.limits import MAX_SEGMENTS

MAX_VALUES: Final = 200_000
"""Fields, repetitions, components and subcomponents of one message."""
NULL: Final = '""'
"""The explicit null of HL7 v2: the sender says that there is no value. Nothing at all between two delimiters says nothing."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CHARSETS: Final[dict[str, str]] = {
    "ASCII": "",
    "8859/1": "iso8859-1",
    "8859/2": "iso8859-2",
    "8859/3": "iso8859-3",
    "8859/4": "iso8859-4",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ISO-8859-1": "iso8859-1",
    "ISO8859-1": "iso8859-1",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}
"""HL7 table 0211 and the usual other spellings; only encodings in which the delimiters are single ASCII bytes."""
_SEGMENT_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_PATH: Final = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[([1-9]\d*)\])?-([1-9]\d*)(?:\[([1-9]\d*)\])?(?:\.([1-9]\d*)(?:\.([1-9]\d*))?)?"
)
KEPT_BYTES: Final = 16_384
"""A larger message is read anew each time: those that were read last must not fill memory."""
KEPT_MESSAGES: Final = 64
"""Read last: what comes at once is peeked at when it comes and translated in the turn after, and is read once for both."""
_MAX_BLANKS: Final = 64
"""Blank lines or blanks that one formatting escape may ask for (`\\.sp60\\`)."""


class Hl7Error(Exception):
    """The bytes are not a readable HL7 v2 message. `code` is a word of `RefusalCode`, `path` the place; the text has no content."""

    def __init__(self, code: str, path: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.path = path
        self.text = text


class Delimiters(NamedTuple):
    """The separators of one message; an empty text is one that the message does not have."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


STANDARD: Final = Delimiters()


class Segment:
    """One segment: its name, its occurrence among those of the same name (from 1), its raw text, and its fields on demand."""

    __slots__ = ("_components", "_fields", "delimiters", "name", "occurrence", "raw")

    def __init__(self, name: str, occurrence: int, raw: str, delimiters: Delimiters) -> None:
        self.name = name
        self.occurrence = occurrence
        self.raw = raw
        self.delimiters = delimiters
        self._fields: list[str] | None = None
        self._components: dict[tuple[int, int], list[str]] = {}

    @property
    def fields(self) -> list[str]:
        """The raw fields, numbered as HL7 numbers them: index 0 is the segment's name; MSH-1 is the field separator itself."""
        if self._fields is None:
            fields = self.raw.split(self.delimiters.field)
            if self.name == "MSH":
                fields.insert(1, self.delimiters.field)
            self._fields = fields
        return self._fields

    def field(self, number: int) -> str:
        """Give a whole field as it is written; an empty text when it is absent."""
        fields = self.fields
        return fields[number] if number < len(fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """Give the repetitions of a field as they are written; none when the field is absent."""
        raw = self.field(number)
        if not raw:
            return []
        if self.name == "MSH" and number <= 2:
            return [raw]
        return _split(raw, self.delimiters.repetition)

    def raw_value(self, number: int, repetition: int = 1, component: int = 1, subcomponent: int = 1) -> str:
        """Give one leaf as it is written, escapes included."""
        fields = self._fields or self.fields
        raw = fields[number] if number < len(fields) else ""
        if not raw:
            return ""
        if self.name == "MSH" and number <= 2:
            return raw if repetition == component == subcomponent == 1 else ""
        components = self._components.get((number, repetition))
        if components is None:
            # Split once: a mapping reads one component of a field after the other.
            components = _split(_part(raw, self.delimiters.repetition, repetition), self.delimiters.component)
            self._components[number, repetition] = components
        if component > len(components):
            return ""
        return _part(components[component - 1], self.delimiters.subcomponent, subcomponent)


def _part(raw: str, separator: str, index: int) -> str:
    """Give the part with that number, an empty text when there are fewer."""
    if not separator or separator not in raw:
        return raw if index == 1 else ""
    parts = raw.split(separator)
    return parts[index - 1] if index <= len(parts) else ""


def _split(raw: str, separator: str) -> list[str]:
    return raw.split(separator) if separator else [raw]


class Message:
    """A parsed message. `charset` is the encoding that was used; `charset_declared` is False when MSH-18 did not name it."""

    __slots__ = ("_by_name", "_prefix", "_text", "charset", "charset_declared", "delimiters", "segments")

    def __init__(self, text: str, prefix: bytes, charset: str, *, declared: bool) -> None:
        self._text = text
        self._prefix = prefix
        self.charset = charset
        self.charset_declared = declared
        self.delimiters = _delimiters(text)
        _check_size(text, self.delimiters)
        self.segments: tuple[Segment, ...] = tuple(_segments(text, self.delimiters))
        self._by_name: dict[str, list[Segment]] = {}
        for segment in self.segments:
            self._by_name.setdefault(segment.name, []).append(segment)

    def encode(self) -> bytes:
        """Give the bytes that were parsed."""
        return self._prefix + self._text.encode(self.charset)

    def all(self, name: str) -> list[Segment]:
        """Give every segment of that name, in order."""
        return self._by_name.get(name, [])

    def first(self, name: str) -> Segment | None:
        """Give the first segment of that name."""
        found = self._by_name.get(name)
        return found[0] if found else None

    def text(self, raw: str) -> str:
        """Resolve the escapes of a leaf that was read as it is written."""
        return unescape(raw, self.delimiters, self.charset)

    def get(self, path: str) -> str | None:
        """Give the value at a path with its escapes resolved: None when absent, an empty text for the explicit null.

        Raises ValueError when the path is not written like `PID-3[2].1`.
        """
        name, occurrence, number, repetition, component, subcomponent = parse_path(path)
        segments = self.all(name)
        if occurrence > len(segments):
            return None
        raw = segments[occurrence - 1].raw_value(number, repetition, component, subcomponent)
        if not raw:
            return None
        return "" if raw == NULL else self.text(raw)

    def values(self) -> Iterator[tuple[str, str]]:
        """Give every leaf that is not empty, as (path, raw text), in the order of the message."""
        for segment in self.segments:
            for number in range(1, len(segment.fields)):
                for repetition, component, subcomponent, raw in leaves(segment, number):
                    yield path_of(segment.name, segment.occurrence, number, repetition, component, subcomponent), raw


def leaves(segment: Segment, number: int) -> Iterator[tuple[int, int, int, str]]:
    """Give the leaves of one field that are not empty: (repetition, component, subcomponent, raw); 0 where there is only one.

    A component of 0 is a field without components, a subcomponent of 0 a component without subcomponents.
    """
    raw = segment.field(number)
    if not raw:
        return
    delimiters = segment.delimiters
    if segment.name == "MSH" and number <= 2:
        yield 1, 0, 0, raw
        return
    for repetition, repeated in enumerate(_split(raw, delimiters.repetition), start=1):
        components = _split(repeated, delimiters.component)
        for position, component in enumerate(components, start=1):
            subcomponents = _split(component, delimiters.subcomponent)
            for subposition, value in enumerate(subcomponents, start=1):
                if value:
                    yield (
                        repetition,
                        position if len(components) > 1 or len(subcomponents) > 1 else 0,
                        subposition if len(subcomponents) > 1 else 0,
                        value,
                    )


@lru_cache(maxsize=16_384)
def path_of(name: str, occurrence: int, number: int, repetition: int, component: int, subcomponent: int) -> str:
    """Write a path: `PID-3[2].1`. An index of 1, and a component or subcomponent of 0, is left out."""
    text = f"{name}[{occurrence}]-{number}" if occurrence > 1 else f"{name}-{number}"
    if repetition > 1:
        text += f"[{repetition}]"
    if component:
        text += f".{component}"
        if subcomponent:
            text += f".{subcomponent}"
    return text


@lru_cache(maxsize=1_024)
def parse_path(path: str) -> tuple[str, int, int, int, int, int]:
    """Read a path into (segment, occurrence, field, repetition, component, subcomponent). Raises ValueError."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise ValueError(f"not an HL7 v2 path: {path!r}")
    name, *indexes = found.groups()
    occurrence, number, repetition, component, subcomponent = (int(index) if index else 1 for index in indexes)
    return name, occurrence, number, repetition, component, subcomponent


def parse(body: bytes) -> Message:
    """Parse one message. Raises `Hl7Error` when it does not begin with a readable MSH or its character set cannot be read.

    A message is read only, so that the peek and the mapping of the same bytes share one.
    """
    return _lately_parsed(body) if len(body) <= KEPT_BYTES else _parse(body)


@lru_cache(maxsize=KEPT_MESSAGES)
def _lately_parsed(body: bytes) -> Message:
    return _parse(body)


def _parse(body: bytes) -> Message:
    start = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0
    while start < len(body) and body[start] in b"\r\n\t ":
        start += 1
    prefix, content = body[:start], body[start:]
    if not content.startswith(b"MSH"):
        raise Hl7Error("unreadable", "MSH", "the message does not begin with an MSH segment")
    charset, declared = _charset(content)
    try:
        text = content.decode(charset)
    except UnicodeDecodeError:
        raise Hl7Error("unreadable", "MSH-18", "the bytes are not in the character set that MSH-18 names") from None
    return Message(text, prefix, charset, declared=declared)


def _charset(content: bytes) -> tuple[str, bool]:
    """Read MSH-18: (encoding, whether it was declared). Undeclared is UTF-8 where the bytes are that, else ISO 8859-1, which never fails."""
    header = re.split(rb"[\r\n]", content, maxsplit=1)[0]
    fields = header.split(header[3:4]) if len(header) > 3 else []
    declared = (
        fields[17].split(fields[1][1:2])[0] if len(fields) > 17 and len(fields[1]) > 1 else b"".join(fields[17:18])
    )
    name = declared.strip().decode("ascii", "replace").upper().replace("_", "-")
    if name and name not in _CHARSETS:
        raise Hl7Error(
            "unreadable", "MSH-18", "this character set is not supported; use ASCII, UNICODE UTF-8 or 8859/1"
        )
    if name and _CHARSETS[name]:
        return _CHARSETS[name], True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "iso8859-1", False
    return "utf-8", bool(name) and content.isascii()


def _delimiters(text: str) -> Delimiters:
    """Read MSH-1 and MSH-2. Raises `Hl7Error` when they are missing, the same twice, letters, digits or control characters."""
    field = text[3:4]
    rest = text[4:].split(field, 1)[0] if field else ""
    encoding = re.split(r"[\r\n]", rest, maxsplit=1)[0]
    used = field + encoding
    if not 2 <= len(encoding) <= 5:
        raise Hl7Error("unreadable", "MSH-2", "MSH-2 must hold the encoding characters, such as ^~\\&")
    if len(set(used)) != len(used) or any(sign.isalnum() or not "!" <= sign <= "~" for sign in used):
        raise Hl7Error("unreadable", "MSH-2", "the delimiters of MSH-1 and MSH-2 must be different printable signs")
    return Delimiters(
        field=field,
        component=encoding[0],
        repetition=encoding[1],
        escape=encoding[2:3],
        subcomponent=encoding[3:4],
    )


def _check_size(text: str, delimiters: Delimiters) -> None:
    """Refuse a message whose parts would cost more memory than any real one is worth. Raises `Hl7Error`."""
    if text.count("\r") > MAX_SEGMENTS or text.count("\n") > MAX_SEGMENTS:
        raise Hl7Error("too-large", "MSH", f"the message has more than {MAX_SEGMENTS} segments")
    separators = (delimiters.field, delimiters.component, delimiters.repetition, delimiters.subcomponent)
    if sum(text.count(sign) for sign in separators if sign) > MAX_VALUES:
        raise Hl7Error("too-large", "MSH", f"the message has more than {MAX_VALUES} fields and components")


def _segments(text: str, delimiters: Delimiters) -> Iterator[Segment]:
    counts: dict[str, int] = {}
    separator = "\r" if "\r" in text else "\n"
    place = "MSH"
    for line in text.split(separator):
        raw = line.lstrip("\n") if separator == "\r" else line
        if not raw.strip():
            continue
        name = raw.split(delimiters.field, 1)[0].strip()
        if _SEGMENT_NAME.fullmatch(name) is None:
            raise Hl7Error("structure-invalid", place, "the line after this segment does not begin with a segment name")
        counts[name] = counts.get(name, 0) + 1
        place = f"{name}[{counts[name]}]"
        yield Segment(name, counts[name], raw, delimiters)


def unescape(raw: str, delimiters: Delimiters = STANDARD, charset: str = "utf-8") -> str:
    r"""Resolve `\F\ \S\ \T\ \R\ \E\ \X..\` and the formatting escapes; what is not understood stays as it is written."""
    sign = delimiters.escape
    if not sign or sign not in raw:
        return raw
    pieces = raw.split(sign)
    result = [pieces[0]]
    position = 1
    while position < len(pieces):
        if position + 1 == len(pieces):  # an escape that nobody closes is text
            result.append(sign + pieces[position])
            break
        resolved = _resolve(pieces[position], delimiters, charset)
        if resolved is None:
            result.append(sign + pieces[position])
            position += 1
            continue
        result.append(resolved + pieces[position + 1])
        position += 2
    return "".join(result)


def _resolve(code: str, delimiters: Delimiters, charset: str) -> str | None:
    """Give the text of one escape, or None when it is no escape that has a text."""
    signs = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "H": "",
        "N": "",
    }
    if code in signs:
        return signs[code]
    if code.startswith("X"):
        try:
            return bytes.fromhex(code[1:]).decode(charset) if len(code) > 1 and code[1:].isalnum() else None
        except ValueError:
            return None
    if code.startswith("."):
        return _format(code[1:].strip().lower())
    return None


def _format(command: str) -> str | None:
    """Resolve a formatting command of FT text (HL7 v2.5.1 section 2.7.6)."""
    name, count = command[:2], command[2:].strip().lstrip("+")
    repeat = int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 1
    repeat = min(repeat, _MAX_BLANKS)
    texts = {"br": "\n", "ce": "\n", "sp": "\n" * repeat, "sk": " " * repeat, "in": "", "ti": "", "fi": "", "nf": ""}
    return texts.get(name)


def standard(raw: str, delimiters: Delimiters) -> str:
    r"""Write a raw field with the usual delimiters `|^~\&`, ready to be put into an acknowledgement."""
    if delimiters == STANDARD or not raw:
        return raw
    pairs = (
        (delimiters.repetition, "~"),
        (delimiters.component, "^"),
        (delimiters.subcomponent, "&"),
        (delimiters.escape, "\\"),
    )
    written = {own: usual for own, usual in pairs if own}
    escapes = {"|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "\\": "\\E\\", "&": "\\T\\"}
    return "".join(written.get(sign) or escapes.get(sign, sign) for sign in raw)
