"""OBX-5 by OBX-2 as a FHIR value[x]: exact decimals, codes with their text, and for a drug test what the result means. It must never guess.

A value that does not fit its type stays as text with its unit, with an issue; nothing is rounded, and no unit is converted.
"""

import binascii
import re
from base64 import b64decode
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import fhir_time
from fhir_profiles.mappings.datatypes import coding, concept, number_of, quantity, words
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import ResultWord, drug_result

CODED: Final = frozenset({"CE", "CWE", "CNE", "CF", "IS", "ID"})
TEXTS: Final = frozenset({"ST", "TX", "FT", "CX", "EI", "XCN", "XPN", "XAD", "XTN", "HD", ""})
DOCUMENTS: Final = frozenset({"ED"})
POINTERS: Final = frozenset({"RP"})
"""A path or an address in the sender's own system: nobody else can follow it, and it names what a document is called there."""
_COMPARATORS: Final = frozenset({"<", "<=", ">", ">="})
_BEYOND: Final = re.compile(r"([<>]=?) ?([0-9.]+)")
_FIGURE: Final = re.compile(r"[<>=]* ?[0-9][0-9.,]*")
"""A text that is a figure and no more: it has the unit of OBX-6."""
_SNOMED: Final = {"positive": ("10828004", "Positive"), "negative": ("260385009", "Negative")}
_MEDIA_TYPES: Final = {
    "PDF": "application/pdf",
    "RTF": "application/rtf",
    "HTML": "text/html",
    "XML": "application/xml",
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "TXT": "text/plain",
}


def value(reading: Reading, row: Row) -> Json:
    """Give the value[x] of an OBX as the one element that it becomes, `{}` when OBX-5 is empty or null."""
    if not row.has(5):
        return {}
    kind = row.peek(2).upper()
    if kind in CODED:
        return _coded(row)
    if kind in POINTERS:
        row.unsupported(5, reason="a pointer into the sender's system")
        reading.warn(row.place(5), "OBX-5 points to something in the sender's system; it stays in the original message")
        return {}
    if row.count(5) == 1:
        found = _single(row, kind)
        if found is not None:
            return found
    if kind not in TEXTS:
        reading.warn(row.place(5), "OBX-5 is not a value of the type in OBX-2; it is kept as text")
    return _text(row, "\n" if kind in {"TX", "FT"} else "; ")


def _single(row: Row, kind: str) -> Json | None:
    """Read a value that has one repetition and a type of its own; None when it is text or does not fit."""
    match kind:
        case "NM":
            return _number(row)
        case "SN":
            return _structured_number(row)
        case "DR":
            return _date_range(row)
        case "DT" | "TS" | "DTM":
            return _moment(row, "valueDateTime", row.moment(5))
        case "TM":
            return _moment(row, "valueTime", fhir_time(row.peek(5)))
        case _:
            return None


def _number(row: Row) -> Json | None:
    number = number_of(row.peek(5))
    if number is not None:
        row.mapped(5, to="Observation.valueQuantity.value")
        return {"valueQuantity": quantity(number, row, 6, to="Observation.valueQuantity")}
    beyond = _BEYOND.fullmatch(row.peek(5))  # below, or above, what can be measured: a number in the way of an SN
    number = number_of(beyond.group(2)) if beyond is not None else None
    if beyond is None or number is None:
        return None
    row.mapped(5, to="Observation.valueQuantity")
    return {"valueQuantity": quantity(number, row, 6, to="Observation.valueQuantity") | {"comparator": beyond.group(1)}}


def _moment(row: Row, name: str, found: str | None) -> Json | None:
    if found is None:
        return None
    row.mapped(5, to=f"Observation.{name}")
    return {name: found}


def _structured_number(row: Row) -> Json | None:
    """Read an SN: `<^10`, `^1^-^5` (a range), `^1^:^128` (a ratio)."""
    comparator, separator = row.peek(5, 1), row.peek(5, 3)
    first, second = number_of(row.peek(5, 2)), number_of(row.peek(5, 4))
    if first is None or comparator not in _COMPARATORS | {"", "="}:
        return None
    if not separator and not row.peek(5, 4):
        row.mapped(5, to="Observation.valueQuantity")
        found = quantity(first, row, 6, to="Observation.valueQuantity")
        return {"valueQuantity": found | ({"comparator": comparator} if comparator in _COMPARATORS else {})}
    if second is None or comparator in _COMPARATORS:
        return None
    if separator == "-" and first <= second:
        row.mapped(5, to="Observation.valueRange")
        low, high = (quantity(number, row, 6, to="Observation.valueRange") for number in (first, second))
        return {"valueRange": {"low": low, "high": high}}
    if separator not in {":", "/"}:
        return None
    row.mapped(5, to="Observation.valueRatio")
    return {"valueRatio": {"numerator": {"value": first}, "denominator": {"value": second}}}


def _date_range(row: Row) -> Json | None:
    start, end = row.moment(5, 1), row.moment(5, 2)
    if start is None or end is None or start[:10] > end[:10]:
        return None
    row.mapped(5, to="Observation.valuePeriod")
    return {"valuePeriod": {"start": start, "end": end}}


def _coded(row: Row) -> Json:
    """Read one code or several; several are the codings of one concept only when they are alternatives, so here their texts are joined."""
    if row.count(5) == 1:
        single = concept(row, 5, to="Observation.valueCodeableConcept")
        return {} if single is None else {"valueCodeableConcept": single}
    found = [
        item
        for item in (
            concept(row, 5, repetition, to="Observation.valueCodeableConcept")
            for repetition in range(1, row.count(5) + 1)
        )
        if item is not None
    ]
    if not found:
        return {}
    codings = [item for each in found for item in each.get("coding", [])]
    texts = "; ".join(each["text"] for each in found)
    return {"valueCodeableConcept": {"coding": codings, "text": texts} if codings else {"text": texts}}


def _text(row: Row, joint: str) -> Json:
    """Give every part of OBX-5 as text, repetitions joined by `joint`."""
    delimiters = row.segment.delimiters
    lines = []
    for repetition, raw in enumerate(row.segment.repetitions(5), start=1):
        row.mapped(5, 0, repetition, to="Observation.valueString")
        parts = [row.message.text(part).strip() for part in raw.split(delimiters.component)]
        lines.append(" ".join(part for part in parts if part and part != '""'))
    text = joint.join(lines).strip()
    if _FIGURE.fullmatch(text) and (unit_words := words(row, 6, to="Observation.valueString")):
        text = f"{text} {unit_words}"
    return {"valueString": text} if text else {}


def drug_value(found: Json, flags: list[Json]) -> tuple[Json, ResultWord]:
    """Say what a drug test found, by its value and by OBX-8, and put codes that every reader knows beside the words of the laboratory.

    A value and a flag that contradict each other are unknown.
    """
    said: Json | str = found.get("valueCodeableConcept") or found.get("valueString") or ""
    result = drug_result([said, *flags] if isinstance(said, dict) else [{"text": said}, *flags])
    if "valueString" in found and drug_result(found["valueString"]) != "unknown":
        found = {"valueCodeableConcept": {"text": found["valueString"]}}
    if "valueCodeableConcept" in found and result in _SNOMED:
        known = coding(systems.SNOMED, *_SNOMED[result])
        concept_now = found["valueCodeableConcept"]
        codings = concept_now.get("coding", [])
        if not any(item.get("system") == systems.SNOMED for item in codings):
            found = {"valueCodeableConcept": {**concept_now, "coding": [*codings, known]}}
    return found, result


def attachment(reading: Reading, row: Row, *, to: str) -> Json | None:
    """Read an ED as an Attachment; one that is not Base64 stays in the original message, with an issue."""
    data = "".join(row.peek(5, 5).split())
    try:
        readable = bool(data) and bool(b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        readable = False
    if not readable or row.peek(5, 4).upper() not in {"BASE64", ""}:
        row.unsupported(5, 5, reason="not Base64")
        reading.warn(row.place(5), "an attached document could not be read; it stays in the original message")
        return None
    subtype = row.peek(5, 3).upper()
    written = row.peek(5, 2).lower()
    for component in (2, 3, 4, 5):
        row.mapped(5, component, to=to)
    fallback = (
        f"{written}/{subtype.lower()}" if written in {"application", "image", "text"} and subtype.isalnum() else ""
    )
    media_type = _MEDIA_TYPES.get(subtype) or fallback or "application/octet-stream"
    return {"contentType": media_type, "data": data}
