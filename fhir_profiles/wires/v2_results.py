"""DiagnosticReports and Observations as OBR, OBX and NTE: the other way round of `mappings/oru_r01.py`, and read back by it.

It must never round a value, convert a unit, or say that a result was expected.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codes, codings, kind, referenced, words_of
from fhir_profiles.shapes import Json
from fhir_profiles.systems import DATA_ABSENT
from fhir_profiles.wires.amounts import number
from fhir_profiles.wires.er7 import comment, components, formatted, leaf, repeated, segment, timestamp
from fhir_profiles.wires.sentences import Found
from fhir_profiles.wires.v2_types import concept, order_number, staff, unit

_REPORT_STATUSES: Final = {
    "final": "F",
    "amended": "C",
    "corrected": "C",
    "appended": "C",
    "preliminary": "P",
    "partial": "A",
    "registered": "I",
    "cancelled": "X",
    "unknown": "R",
}
"""HL7 table 0123. INVARIANT: what nobody says of is stored and not verified (R): a receiver takes an empty status for final."""
_STATUSES: Final = {
    "final": "F",
    "amended": "C",
    "corrected": "C",
    "preliminary": "P",
    "registered": "I",
    "cancelled": "X",
    "entered-in-error": "W",
    "unknown": "R",
}
"""HL7 table 0085."""


def results(found: Found) -> Iterator[str]:
    """Write each report with its results, then each result that no report holds under an order of its own."""
    told: set[str] = set()
    numbers = count(2)  # the letter itself is the first order
    for report in found.values():
        if kind(report) == "DiagnosticReport":
            held = {referenced(each): found.get(referenced(each)) for each in as_objects(report.get("result"))}
            inside = {url: each for url, each in held.items() if each is not None and url not in told}
            told |= inside.keys()
            yield _obr(next(numbers), report, tuple(inside.values()))
            yield from _notes(as_object(each.get("valueAnnotation")) for each in as_objects(report.get("extension")))
            yield from _obx(tuple(inside.values()))
    for url, observation in found.items():
        if kind(observation) == "Observation" and url not in told:
            yield _obr(next(numbers), observation, (observation,))
            yield from _obx((observation,))


def _obr(place: int, order: Json, held: tuple[Json, ...]) -> str:
    concepts = [each for one in (order, *held) for each in as_objects(one.get("category"))]
    purposes = tuple(dict.fromkeys(codes(concepts, systems.TEST_PURPOSE)))
    return segment(
        "OBR",
        {
            1: str(place),
            2: order_number(order.get("identifier"), "PLAC"),
            3: order_number(order.get("identifier"), "FILL"),
            4: concept(order.get("code")),
            7: _taken(order),
            22: timestamp(as_text(order.get("issued"))),
            24: "LAB" if kind(order) == "DiagnosticReport" else "",
            25: _REPORT_STATUSES.get(as_text(order.get("status")), ""),
            31: repeated(*map(components, purposes)),
            32: next((staff(each) for each in as_objects(order.get("resultsInterpreter"))), ""),
        },
    )


def _obx(observations: tuple[Json, ...]) -> Iterator[str]:
    places = count(1)
    for each in observations:
        yield _result(next(places), each, each)
        yield from _notes(as_objects(each.get("note")))
        for part in as_objects(each.get("component")):
            yield _result(next(places), part, each)


def _notes(annotations: Iterable[Json]) -> Iterator[str]:
    texts = (as_text(each.get("text")) for each in annotations)
    for number_of_note, text in enumerate(filter(None, texts), start=1):
        yield segment("NTE", {1: str(number_of_note), 3: comment(text)})


def _result(place: int, said: Json, observation: Json) -> str:
    value_type, value, measured = _value(said)
    return segment(
        "OBX",
        {
            1: str(place),
            2: value_type,
            3: concept(said.get("code")),
            4: str(place),
            5: value,
            6: measured,
            7: next((leaf(_range(each)) for each in as_objects(said.get("referenceRange"))), ""),
            8: repeated(*map(_flag, as_objects(said.get("interpretation")))),
            11: _STATUSES.get(as_text(observation.get("status")), ""),
            14: _taken(observation),
            17: concept(_method(observation)),
        },
    )


def _method(observation: Json) -> Json:
    """Give the method without our own code where the sender named it in another."""
    method = as_object(observation.get("method"))
    named = [each for each in codings(method) if each.get("system") != systems.TEST_METHOD]
    return {**method, "coding": named} if named else method


def _taken(resource: Json) -> str:
    period = as_object(resource.get("effectivePeriod"))
    return timestamp(as_text(resource.get("effectiveDateTime")) or as_text(period.get("start")))


def _flag(interpretation: Json) -> str:
    """Write an interpretation by its code of HL7's table, else in its words; our own word of a drug test has no flag."""
    code = next(iter(codes(interpretation, systems.INTERPRETATION)), "")
    ours = codes(interpretation, systems.TEST_RESULT)
    return components(code or ("" if ours else words_of(interpretation)))


def _range(given: Json) -> str:
    low, high = (number(as_object(given.get(end)).get("value")) for end in ("low", "high"))
    return as_text(given.get("text")) or (f"{low}-{high}" if low or high else "")


def _value(said: Json) -> tuple[str, str, str]:
    """Give OBX-2, OBX-5 and OBX-6 of a value[x]; a value that there is not gives the reason in words, as text."""
    quantity = as_object(said.get("valueQuantity"))
    if number(quantity.get("value")):
        comparator = as_text(quantity.get("comparator"))
        digits = number(quantity.get("value"))
        written = components(comparator, digits) if comparator else digits
        return ("SN" if comparator else "NM"), written, unit(quantity)
    if said.get("valueCodeableConcept"):
        return "CWE", concept(said.get("valueCodeableConcept")), ""
    for member, value_type in (("valueDateTime", "TS"), ("valueTime", "TM")):
        if as_text(said.get(member)):
            return value_type, _moment(as_text(said.get(member))), ""
    return _pair(said) or _plain(said)


def _moment(text: str) -> str:
    return timestamp(text) or leaf(text.replace(":", ""))


def _pair(said: Json) -> tuple[str, str, str] | None:
    """Write a range, a ratio or a period."""
    for member, ends, sign in (("valueRange", ("low", "high"), "-"), ("valueRatio", ("numerator", "denominator"), ":")):
        held = as_object(said.get(member))
        first, second = (as_object(held.get(end)) for end in ends)
        if number(first.get("value")) and number(second.get("value")):
            written = components("", number(first.get("value")), sign, number(second.get("value")))
            return "SN", written, unit(first)
    period = as_object(said.get("valuePeriod"))
    if period:
        return "DR", components(*(timestamp(as_text(period.get(end))) for end in ("start", "end"))), ""
    return None


def _why_none(said: Json) -> str:
    """Say why there is no value, in the words of the sender. INVARIANT: a sample that was lost or refused is no empty final result."""
    reason = as_object(said.get("dataAbsentReason"))
    words = words_of(reason)
    return "" if words in codes(reason, DATA_ABSENT) and words == "unknown" else words


def _plain(said: Json) -> tuple[str, str, str]:
    for member in ("valueInteger", "valueBoolean"):
        value: Any = said.get(member)
        if isinstance(value, int):
            return ("NM" if member == "valueInteger" else "ST"), str(value).lower(), ""
    text = as_text(said.get("valueString")) or _why_none(said)
    if text:
        return "FT", formatted((text,)), ""
    return "", "", ""
