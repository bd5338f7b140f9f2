"""FHIR JSON without loss: bytes to a plain dict and back, every digit and the order of members kept.

It refuses what two readers could understand differently: a byte order mark, bytes that are not UTF-8, duplicate keys, NaN, lone surrogates,
nesting or numbers beyond `limits`. It must never put content into an error: only a place (line and column) and a fixed sentence.
Sources: RFC 8259, http://hl7.org/fhir/R4/json.html, reference results of JSONTestSuite.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, NoReturn, Self

import msgspec

from fhir_profiles.limits import MAX_BODY_BYTES, MAX_DEPTH, MAX_NUMBER_CHARACTERS, MAX_NUMBER_EXPONENT
from fhir_profiles.shapes import Json


class JsonFault(StrEnum):
    """Why bytes are not FHIR JSON."""

    SIZE = "size"
    MARK = "byte-order-mark"
    ENCODING = "encoding"
    SYNTAX = "syntax"
    DEPTH = "depth"
    DUPLICATE = "duplicate-key"
    NUMBER = "number"
    ROOT = "root"
    VALUE = "value"


_SENTENCES: Final = {
    JsonFault.SIZE: f"the body is larger than {MAX_BODY_BYTES} bytes",
    JsonFault.MARK: "the body starts with a byte order mark, which JSON does not allow",
    JsonFault.ENCODING: "the body is not UTF-8",
    JsonFault.SYNTAX: "the body is not JSON",
    JsonFault.DEPTH: f"objects and arrays are nested deeper than {MAX_DEPTH}",
    JsonFault.DUPLICATE: "an object has two members of the same name",
    JsonFault.NUMBER: f"a number has more than {MAX_NUMBER_CHARACTERS} characters, or an exponent beyond {MAX_NUMBER_EXPONENT}",
    JsonFault.ROOT: "the body is not one JSON object",
    JsonFault.VALUE: "a value cannot be written as JSON",
}


class FhirJsonError(ValueError):
    """Bytes that are not FHIR JSON. `place` is `line 3 column 14` or empty; `text` is one of a fixed set of sentences."""

    def __init__(self, code: JsonFault, place: str = "") -> None:
        self.code = code
        self.place = place
        self.text = _SENTENCES[code]
        super().__init__(f"{self.text} ({place})" if place else self.text)


class ExactDecimal(Decimal):
    """A decimal whose written form is not the one that Python would give it (`1e2`, `0.0000001`, `-0`): it keeps its text."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.text,)


class _NumberRefusedError(ValueError):
    """A number beyond the limits, before its place is known."""


def _number(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise _NumberRefusedError
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _NumberRefusedError from None
    if number and abs(number.adjusted()) > MAX_NUMBER_EXPONENT:
        raise _NumberRefusedError
    return number if str(number) == text else ExactDecimal(text)


def _integer(text: str) -> int | Decimal:
    return ExactDecimal(text) if text == "-0" else int(text)


def _refuse_constant(_name: str) -> NoReturn:
    raise FhirJsonError(JsonFault.SYNTAX)


def _write_exact(value: object) -> msgspec.Raw:
    if isinstance(value, ExactDecimal):
        return msgspec.Raw(value.text.encode("ascii"))
    raise NotImplementedError


_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_write_exact)
_CANONICAL: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_write_exact, order="sorted")
_NEGATIVE_ZERO: Final = re.compile(rb"-0(?=[\s,\]}]|$)")
_MARK: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|-?[0-9][0-9.eE+-]*')
_CONTAINERS: Final = frozenset({dict, list})
_BYTE: Final = re.compile(r"\(byte ([0-9]+)\)")


def decode(body: bytes) -> Json:
    """Give the object that `body` holds, decimals as `Decimal` with their text. Raises `FhirJsonError` for anything else."""
    value = decode_value(body)
    if type(value) is not dict:
        raise FhirJsonError(JsonFault.ROOT)
    return value


def decode_value(body: bytes) -> Any:
    """Give whatever JSON value `body` holds, as strictly as `decode`."""
    if len(body) > MAX_BODY_BYTES:
        raise FhirJsonError(JsonFault.SIZE)
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise FhirJsonError(JsonFault.MARK, "line 1 column 1")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise FhirJsonError(JsonFault.ENCODING, _place(body, fault.start)) from None
    value = _parse(body, text)
    keys = _count_keys(value)
    # INVARIANT: every member of an object ends its name with `":`, whatever white space stands between; so the count of that pair is never
    # below the number of members, and when it equals the number of members kept, none was dropped as a duplicate.
    if body.translate(None, b" \t\r\n").count(b'":') != keys:
        _refuse_duplicates(text)
    if _NEGATIVE_ZERO.search(body):
        return json.loads(text, parse_float=_number, parse_int=_integer, parse_constant=_refuse_constant)
    return value


def read_again(body: bytes) -> Json:
    """Give the object that `encode` wrote: bytes that were read strictly when they came, and that nobody can have changed since.

    A fifth of the time of `decode`, and the same for whatever `encode` writes. Not for what anybody sends.
    """
    if _NEGATIVE_ZERO.search(body):
        return decode(body)
    value: Json = _DECODER.decode(body)
    return value


def encode(value: Any) -> bytes:
    """Give the bytes of `value`, members in their order and numbers with their text. Raises `FhirJsonError` for what JSON cannot hold."""
    return _encode(_ENCODER, value)


def canonical(value: Any) -> bytes:
    """Give the bytes of `value` with members sorted by name: equal content gives equal bytes, numbers keep their text."""
    return _encode(_CANONICAL, value)


def plain(value: Any) -> Any:
    """Give a copy of `value` in which every number is an `int` or a `Decimal` proper, for a reader that knows no other types."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, ExactDecimal):
        return Decimal(value.text)
    return value


def _encode(encoder: msgspec.json.Encoder, value: Any) -> bytes:
    try:
        return encoder.encode(value)
    except (TypeError, NotImplementedError, UnicodeEncodeError, RecursionError):
        raise FhirJsonError(JsonFault.VALUE) from None


def _parse(body: bytes, text: str) -> Any:
    try:
        return _DECODER.decode(body)
    except RecursionError:
        raise FhirJsonError(JsonFault.DEPTH) from None
    except _NumberRefusedError:
        raise FhirJsonError(JsonFault.NUMBER, _place_of_number(text)) from None
    except msgspec.ValidationError:
        raise FhirJsonError(JsonFault.NUMBER, _place_of_number(text)) from None
    except msgspec.DecodeError as fault:
        found = _BYTE.search(str(fault))
        raise FhirJsonError(JsonFault.SYNTAX, _place(body, int(found[1]) if found else len(body))) from None


def _count_keys(value: Any) -> int:
    """Count the members of all objects, level by level, and refuse what is nested too deep."""
    level = [value]
    depth = keys = 0
    while level:
        below: list[Any] = []
        for item in level:
            children = item
            if type(item) is dict:
                keys += len(item)
                children = item.values()
            elif type(item) is not list:
                continue
            below += [child for child in children if type(child) is not str and type(child) in _CONTAINERS]
        depth += 1
        if below and depth == MAX_DEPTH:
            raise FhirJsonError(JsonFault.DEPTH)
        level = below
    return keys


def _marks(text: str) -> Iterator[tuple[str, int]]:
    return ((found[0], found.start()) for found in _MARK.finditer(text))


def _refuse_duplicates(text: str) -> None:
    """Read the tokens one by one; slower than the count, and exact. Escaped names are compared as what they mean."""
    open_objects: list[set[str] | None] = []
    last, last_at = "", 0
    for mark, at in _marks(text):
        if mark == "{":
            open_objects.append(set())
        elif mark == "[":
            open_objects.append(None)
        elif mark in ("}", "]"):
            open_objects.pop()
        elif mark == ":":
            names = open_objects[-1]
            name = str(json.loads(last))
            if names is not None:
                if name in names:
                    raise FhirJsonError(JsonFault.DUPLICATE, _place_in(text, last_at))
                names.add(name)
        last, last_at = mark, at


def _place_of_number(text: str) -> str:
    for mark, at in _marks(text):
        if mark[0] in "-0123456789":
            try:
                _number(mark)
            except _NumberRefusedError:
                return _place_in(text, at)
    return ""


def _place(body: bytes, offset: int) -> str:
    before = body[:offset]
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8", "replace")) + 1
    return _line_column(before.count(b"\n"), column)


def _place_in(text: str, offset: int) -> str:
    return _line_column(text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset))


def _line_column(lines_before: int, column: int) -> str:
    return f"line {lines_before + 1} column {column}"
