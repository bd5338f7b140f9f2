"""RXE or RXO, TQ1 and RXR as Dosage: the text as the prescriber wrote it, and timing, dose and route where they are exact. It must never compute a dose.

What has no exact meaning stays as text; no unit is converted. A timing word that the list does not know is kept as the text of Timing.code.

INVARIANT: a timing that says another quantity than the order says another dose: then no dosage of the order has a figure, and the words have both.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import fhir_date_time, is_before
from fhir_profiles.mappings.datatypes import coding, concept, number_of, unit_of, words
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.profiles.prescription_copy import NO_UNIT
from fhir_profiles.shapes import Json
from fhir_profiles.supervision import supervised_in_words
from fhir_profiles.terminology import lookup

_EVERY: Final = re.compile(r"Q([1-9][0-9]{0,2})(H|D|W|L|M|S)")
_UNITS: Final = {"H": "h", "D": "d", "W": "wk", "L": "mo", "M": "min", "S": "s"}
_DURATION: Final = re.compile(r"(H|D|W|M|L|S)([1-9][0-9]{0,3})")
_HOUR: Final = re.compile(r"(?:[01][0-9]|2[0-3])(?::?[0-5][0-9]){0,2}")
_TO: Final = "MedicationRequest.dosageInstruction"
ABSENT: Final = 10_000
"""A field number that no segment has."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a segment that says what is ordered says each thing: RXE and RXO differ in nothing else. `ABSENT`: it does not say it.

    `timing` is the field with a TQ of messages without TQ1; None: ORC-7 has it. The unit of `strength`, `volume` and `rate` is in the field after it.
    """

    code: int
    low: int
    high: int
    unit: int
    instructions: int
    substitution: int
    amount: int
    amount_unit: int
    repeats: int
    prescriber: int
    number: int
    notes: int
    indication: int
    original: int
    pharmacy: int
    timing: int | None
    form: int
    strength: int
    volume: int
    rate: int
    per: int
    daily: int


def dosages(
    reading: Reading,
    rx: Row,
    at: Places,
    timings: list[Row],
    routes: list[Row],
    components: list[Row],
    stopped_at: str | None,
    orc: Row,
) -> list[Json]:
    """Make one Dosage for each TQ1, or for each repetition of RXE-1 or ORC-7 in the way of older messages. `stopped_at` ends what has no end of its own."""
    dose, words = _dose(reading, rx, at)
    # a sender that has said it in the ORC need not say it again in the RXE: "1" alone says nothing of when
    old = (orc, 7) if at.timing is None or rx.repetition(at.timing) in {"", "1"} else (rx, at.timing)
    dosed = dose is not None or bool(words)
    said = [_Timing(reading, row, (row, 0), 1, dosed=dosed) for row in timings]
    said = said or [
        _Timing(reading, None, old, place, dosed=dosed) for place in range(1, max(old[0].count(old[1]), 1) + 1)
    ]
    if dose is not None and any(each.differs_from(dose) for each in said):
        reading.warn(
            rx.place(at.low),
            "a timing of this order says another quantity than its dose: both are carried as written, in the dosage text",
        )
        highest = _as_written(rx, at, "maximum dose", at.high) if "doseRange" in dose else ""
        dose, words = None, "; ".join(part for part in (_as_written(rx, at, "dose", at.low), highest, words) if part)
        for each in said:  # beside a 4 the 1 is a part of the dose too
            each.dosed = False
    given = (
        instructions(rx, at.instructions),
        words,
        in_words(rx, "form", at.form, to=f"{_TO}.text"),
        strength(rx, at.strength, at.volume, to=f"{_TO}.text"),
        in_words(rx, "rate", at.rate, at.rate + 1, to=f"{_TO}.text"),
        in_words(rx, "per unit of time", at.per, to=f"{_TO}.text"),
        in_words(rx, "total daily dose", at.daily, at.daily, to=f"{_TO}.text"),
        *(_component(row) for row in components),
        *_more_of_routes(routes),
    )
    text = "; ".join(part for part in given if part)
    route = read_route(routes)
    found = []
    for quantity_timing, sequence in zip(said, _sequence(said), strict=True):
        dosage: Json = {"sequence": sequence} if sequence else {}
        written = "; ".join(dict.fromkeys(part for part in (text, quantity_timing.text()) if part))
        if written:
            dosage["text"] = written
        supervised = supervision(written)
        if supervised is not None:
            dosage["additionalInstruction"] = [supervised]
        dosage |= quantity_timing.elements(stopped_at)
        dosage |= route
        if dose is not None:
            dosage["doseAndRate"] = [dose]
        if dosage:
            found.append(dosage)
    return found


def _sequence(said: list["_Timing"]) -> list[int]:
    """Number the dosages as their conjunctions say (TQ1-12, TQ.9): after another, or beside it; none where one of them does not say which.

    In FHIR different numbers are doses that follow one another, equal ones are taken beside each other: two doses of a day are no reduction.
    """
    joints = [each.conjunction() for each in said[:-1]]
    if not joints or not all(joints):
        return [0] * len(said)
    numbers = [1]
    for joint in joints:
        numbers.append(numbers[-1] + (joint == "S"))
    return numbers


def strength(row: Row, number: int, volume: int, *, to: str) -> str:
    """Write a strength with the volume that it is of, each with its unit in the field after it: 10 mg in 5 mL is no 10 mg in 1 mL."""
    written = in_words(row, "strength", number, number + 1, to=to)
    of_volume = in_words(row, "in a volume", volume, volume + 1, to=to)
    return ", ".join(each for each in (written, of_volume) if each)


def in_words(row: Row, name: str, number: int, unit_number: int | None = None, *, to: str) -> str:
    """Write what no element holds beside a coded medicine as the sender wrote it: a strength that is lost changes the dose.

    The unit is a field of its own, or the second component of an amount (`unit_number` is `number`); None: a coded word without one. What is
    no number is no amount: it stays in the message.
    """
    if unit_number is None:
        parts = [words(row, number, to=to)]
    elif number_of(row.peek(number)) is None:
        parts = []
    elif unit_number == number:
        parts = [row.text(number, to=to), row.text(number, 2, to=to) or row.text(number, 2, 1, 2, to=to)]
    else:
        parts = [row.text(number, to=to), words(row, unit_number, to=to)]
    written = " ".join(part for part in parts if part)
    return f"{name} as written: {written}" if written else ""


def _component(row: Row) -> str:
    """Write a component of a mixture (RXC): which part it is, what, how much and of which strength."""
    to = f"{_TO}.text"
    what = words(row, 2, to=to)
    if not what:
        return ""
    kind = {"A": "additive", "B": "base"}.get(row.text(1, to=to).upper(), "component")
    amounts = (in_words(row, "amount", 3, 4, to=to), strength(row, 5, 8, to=to))
    return ", ".join((f"{kind} as written: {what}", *(each for each in amounts if each)))


def instructions(rx: Row, number: int) -> str:
    """Join the provider's administration instructions as one text."""
    texts = [words(rx, number, repetition, to=f"{_TO}.text") for repetition in range(1, rx.count(number) + 1)]
    return "; ".join(text for text in texts if text)


def supervision(text: str) -> Json | None:
    """Say `supervised` or `unsupervised` where the instruction states it; a text that says both says nothing."""
    supervised = supervised_in_words(text)
    if supervised is None:
        return None
    word = "supervised" if supervised else "unsupervised"
    return {"coding": [coding(systems.SUPERVISION, word)], "text": f"{word} consumption"}


def _dose(reading: Reading, rx: Row, at: Places) -> tuple[Json | None, str]:
    """Read minimum, maximum and unit. What is no amount is no figure, with an issue; it is given as words, because a lost dose can kill."""
    low, high = rx.peek(at.low), rx.peek(at.high)
    first = number_of(low)
    if low and (first is None or first < 0):
        reading.warn(rx.place(at.low), "the dose is not an amount: it is carried as written, in the dosage text")
        return None, _as_written(rx, at, "dose", at.low)
    if first is None:
        return None, ""
    rx.mapped(at.low, to=f"{_TO}.doseAndRate")
    last = number_of(high)
    spans = last is not None and last > first
    unit_of_dose = unit_of(rx, at.unit, to=f"{_TO}.doseAndRate.{'doseRange.low' if spans else 'doseQuantity'}")
    if last is None or last <= first:
        words = ""
        if high and last == first:
            rx.mapped(at.high, to=f"{_TO}.doseAndRate")
        elif high:
            reading.warn(
                rx.place(at.high),
                "the maximum of the dose is not an amount above its minimum: it is carried as written",
            )
            words = _as_written(rx, at, "maximum dose", at.high)
        return {"doseQuantity": {"value": first, **unit_of_dose}}, words
    rx.mapped(at.high, to=f"{_TO}.doseAndRate")
    return {"doseRange": {"low": {"value": first, **unit_of_dose}, "high": {"value": last, **unit_of_dose}}}, ""


def _as_written(rx: Row, at: Places, what: str, number: int) -> str:
    amount = rx.text(number, to=f"{_TO}.text")
    unit_words = rx.text(at.unit, 2, to=f"{_TO}.text") or rx.text(at.unit, 1, to=f"{_TO}.text")
    if not unit_words and number_of(amount) is not None:
        unit_words = NO_UNIT
    return " ".join(part for part in (f"{what} as written: {amount}", unit_words) if part)


def _more_of_routes(routes: list[Row]) -> Iterator[str]:
    """Write the instruction of a route (RXR-5), and every route after the first, in words: FHIR has one a dosage."""
    for place, row in enumerate(routes):
        if place:
            route = words(row, 1, to=f"{_TO}.text")
            yield f"another route as written: {route}" if route else ""
        routing = words(row, 5, to=f"{_TO}.text")
        yield f"routing as written: {routing}" if routing else ""


def read_route(routes: list[Row], *, to: str = _TO) -> Json:
    """Read the first RXR: route, site and method; the route by the dm+d list where its word is known."""
    if not routes:
        return {}
    row = routes[0]
    found: Json = {}
    for name, number in (("site", 2), ("route", 1), ("method", 4)):
        item = concept(row, number, to=f"{to}.{name}")
        if item is not None:
            found[name] = item
    if "route" in found:
        table = lookup("routes").by("written")
        written = (row.peek(1), found["route"]["text"])
        known = next((table[word.upper()] for word in written if word.upper() in table), None)
        codings = found["route"].get("coding", [])
        if known is not None and not any(item.get("system") == systems.SNOMED for item in codings):
            code = coding(systems.SNOMED, known["code"], known["display"])
            found["route"] = {**found["route"], "coding": [code, *codings]}
    return found


class _Timing:
    """Timing of one TQ1, or of a repetition of RXE-1 or ORC-7 (a TQ) where there is none: pattern, start, end, duration, text, priority.

    `dosed`: the order itself says how much is taken at a time.
    """

    def __init__(self, reading: Reading, row: Row | None, old: tuple[Row, int], place: int, *, dosed: bool) -> None:
        self.reading = reading
        self.dosed = dosed
        self.row, self.number = (row, 0) if row is not None else old
        self.old = row is None
        self.place = place

    def _value(self, number: int, component: int, to: str) -> str:
        """Read TQ1-`number`, or component `component` of the old field."""
        if self.old:
            return self.row.text(self.number, component, self.place, to=to)
        return self.row.text(number, to=to)

    def _peek(self, number: int, component: int) -> str:
        return self.row.peek(self.number, component, self.place) if self.old else self.row.peek(number)

    def conjunction(self) -> str:
        """Read TQ1-12 or TQ.9: `S`, the next comes after this one; `A`, beside it; empty where it says neither."""
        joint = self._peek(12, 9).upper()
        return self._value(12, 9, f"{_TO}.sequence").upper() if joint in {"S", "A"} else ""

    def _quantity(self) -> tuple[int | Decimal | None, str]:
        """Look at how much the timing says (TQ1-2, TQ.1), and in which unit."""
        if self.old:
            return number_of(self.row.peek(self.number, 1, self.place)), self.row.peek(self.number, 1, self.place, 2)
        return number_of(self.row.peek(2)), self.row.peek(2, 2) or self.row.peek(2, 2, 1, 2)

    def _says_an_amount(self) -> bool:
        """One without a unit is what a sender writes who has nothing to say (the default, HL7 v2.5.1 4.5.4.2): it is no amount."""
        number, unit_of_it = self._quantity()
        return number is not None and not (number == 1 and not unit_of_it)

    def differs_from(self, dose: Json) -> bool:
        """Does it say another amount than the order, in the same unit or in none? Which of the two is taken nobody can say."""
        number, unit_of_it = self._quantity()
        span = dose.get("doseRange", {})
        amounts = [each for each in (dose.get("doseQuantity"), span.get("low"), span.get("high")) if each]
        units = {each.get(name, "").casefold() for each in amounts for name in ("unit", "code")} | {""}
        return (
            self._says_an_amount()
            and unit_of_it.casefold() in units
            and all(number != each["value"] for each in amounts)
        )

    def text(self) -> str:
        """Read TQ1-11 or TQ.8, the condition TQ1-10 or TQ.7, and in words for how long, where a start is known and no end is."""
        parts = [
            self._value(11, 8, f"{_TO}.text"),
            self._value(10, 7, f"{_TO}.text"),
            self._lasting(),
            *self._in_words(),
        ]
        return "; ".join(part for part in parts if part)

    def _in_words(self) -> Iterator[str]:
        """Give how much at a time, unless the order says it and this is no amount, at which hours, for how long and how often in all."""
        row, to = self.row, f"{_TO}.text"
        says = self._says_an_amount() if self.dosed else self._quantity()[0] is not None
        if self.old:
            if says:
                parts = (row.text(self.number, 1, self.place, part, to=to) for part in (1, 2))
                yield f"quantity as written: {' '.join(part for part in parts if part)}{self._of_nobody()}"
            return
        if says:
            yield in_words(row, "quantity", 2, 2, to=to) + self._of_nobody()
        hours = [row.text(4, 1, n, to=to) for n in range(1, row.count(4) + 1) if _HOUR.fullmatch(row.peek(4, 1, n))]
        if hours:
            yield f"times as written: {', '.join(hours)}"
        yield in_words(row, "relative time", 5, 5, to=to)
        if not self._duration(to="text"):
            yield in_words(row, "duration", 6, 6, to=to)
        yield in_words(row, "duration of each", 13, 13, to=to)
        yield in_words(row, "number of times", 14, 14, to=to)

    def _of_nobody(self) -> str:
        """What stands behind an amount without a unit."""
        return "" if self._quantity()[1] else f" {NO_UNIT}"

    def _lasting(self) -> str:
        """Write a duration that no element can hold: a Timing has a period or a duration, and neither is computed from the other."""
        edges = [fhir_date_time(self._peek(*place), self.row.zone) for place in ((7, 4), (8, 5))]
        if not any(edges):
            return ""
        found = self._duration(to="text").get("boundsDuration")
        if found is not None and _is_as_long(edges, found):
            self.row.residual(*((self.number, 3, self.place) if self.old else (6, 0, 1)), reason="the period says it")
            return ""
        return f"for {found['value']} {found['unit']}{'' if found['value'] == 1 else 's'}" if found is not None else ""

    def elements(self, stopped_at: str | None) -> Json:
        """Give `timing` and `asNeededBoolean`."""
        patterns = (
            [self.row.peek(self.number, 2, self.place)]
            if self.old
            else [self.row.peek(3, 1, n) for n in range(1, self.row.count(3) + 1)]
        )
        patterns = [pattern for pattern in patterns if pattern]
        for index in range(1, len(patterns) + 1):
            place = (self.number, 2, self.place) if self.old else (3, 1, index)
            self.row.mapped(*place, to=f"{_TO}.timing")
        repeat = self._bounds(stopped_at)
        known = [_pattern(pattern) for pattern in patterns]
        often = [each for each in known if each is None or "as_needed" not in each]
        found: Json = {"asNeededBoolean": True} if len(often) < len(known) else {}
        timing: Json = {}
        # INVARIANT: of two patterns neither is the timing: a dose of the morning and one of the night are two
        if len(often) == 1 and often[0] is not None:
            repeat |= often[0]
        elif often:
            timing["code"] = {"text": "; ".join(patterns)}
        if repeat:
            timing = {"repeat": repeat, **timing}
        return found | ({"timing": timing} if timing else {})

    def _bounds(self, stopped_at: str | None) -> Json:
        """Give boundsPeriod, else boundsDuration. An end before the start is left out, with an issue."""
        start = self._moment(7, 4, "start")
        end = self._moment(8, 5, "end")
        place_of_end = (self.number, 5, self.place) if self.old else (8, 1, 1)
        place = self.row.place(self.number, 5, self.place) if self.old else self.row.place(8)
        if start is not None and end is not None and is_before(end, start):
            self.reading.warn(place, "the end of the prescription lies before its start, and was left out")
            self.row.unsupported(*place_of_end, reason="the end lies before the start")
            end = None
        if stopped_at is not None and (end is None or is_before(stopped_at, end)):
            late = start is not None and is_before(stopped_at, start)
            if end is not None:
                self.row.residual(*place_of_end, reason="it was stopped before")
            end = start if late else stopped_at
        period = {edge: moment for edge, moment in (("start", start), ("end", end)) if moment is not None}
        if not period:
            duration = self._duration(to="timing.repeat.boundsDuration")
            if duration:
                return duration
        return {"boundsPeriod": period} if period else {}

    def _moment(self, number: int, component: int, edge: str) -> str | None:
        written = self._value(number, component, f"{_TO}.timing.repeat.boundsPeriod.{edge}")
        moment = fhir_date_time(written, self.row.zone) if written else None
        if written and moment is None:
            place = (self.number, component, self.place) if self.old else (number, 1, 1)
            self.row.unsupported(*place, reason="not a real date and time")
            self.reading.warn(self.row.place(*place), "this is not a real date and time, and was left out")
        return moment

    def _duration(self, *, to: str) -> Json:
        """Read TQ1-6 (a CQ) in days, or TQ.3 written like D7; `to` is where it goes."""
        if self.old:
            found = _DURATION.fullmatch(self.row.peek(self.number, 3, self.place).upper())
            if found is None or found.group(1) not in "DW":
                return {}
            self.row.mapped(self.number, 3, self.place, to=f"{_TO}.{to}")
            return _bounds_duration(int(found.group(2)), _UNITS[found.group(1)])
        number = number_of(self.row.peek(6))
        written = (self.row.peek(6, 2) or self.row.peek(6, 2, 1, 2)).lower()
        code = {"d": "d", "day": "d", "days": "d", "wk": "wk", "week": "wk", "weeks": "wk"}.get(written)
        if not isinstance(number, int) or number <= 0 or code is None:
            return {}
        self.row.mapped(6, to=f"{_TO}.{to}")
        return _bounds_duration(number, code)


def _is_as_long(edges: list[str | None], duration: Json) -> bool:
    """Does a period last as long as a duration says, whether its last day counts or not?"""
    days = [date.fromisoformat(edge[:10]) for edge in edges if edge is not None and len(edge) >= len("2026-01-15")]
    lasting = duration["value"] * {"d": 1, "wk": 7}[duration["code"]]
    return len(days) == len(edges) and 0 <= lasting - (days[1] - days[0]).days <= 1


def _bounds_duration(value: int, code: str) -> Json:
    name = {"d": "day", "wk": "week"}[code]
    return {"boundsDuration": {"value": value, "unit": name, "system": systems.UCUM, "code": code}}


def _pattern(written: str) -> Json | None:
    """Give Timing.repeat of a repeat pattern (table 0335) or a usual English word; None when no row knows it."""
    row = lookup("timings").by("written").get(written.upper())
    if row is not None:
        if row["as_needed"]:
            return {"as_needed": True}
        found: Json = {"frequency": int(row["frequency"]), "period": int(row["period"]), "periodUnit": row["unit"]}
        return found | ({"when": [row["when"]]} if row["when"] else {})
    every = _EVERY.fullmatch(written.upper())
    if every is None:
        return None
    return {"frequency": 1, "period": int(every.group(1)), "periodUnit": _UNITS[every.group(2)]}
