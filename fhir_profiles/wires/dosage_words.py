"""One Dosage in words and figures: how much, how often, when, for how long, at most, and what was written. It must never compute or leave out.

INVARIANT: whoever reads nothing but the text (paper, a document of HL7 v2, a narrative) reads the whole dosage. A dose without how often it is
taken is another dose.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fhir_profiles.elements import as_object, as_objects, as_text, words_of
from fhir_profiles.shapes import Json
from fhir_profiles.wires.amounts import dose_amount, number, period, quantity, ratio, span_of

_UNITS: Final = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}
_TIMES: Final = {"1": "once", "2": "twice"}
_WHEN: Final[Mapping[str, str]] = {
    "MORN": "in the morning",
    "MORN.early": "early in the morning",
    "MORN.late": "late in the morning",
    "NOON": "at noon",
    "AFT": "in the afternoon",
    "AFT.early": "early in the afternoon",
    "AFT.late": "late in the afternoon",
    "EVE": "in the evening",
    "EVE.early": "early in the evening",
    "EVE.late": "late in the evening",
    "NIGHT": "at night",
    "PHS": "after falling asleep",
    "HS": "before sleep",
    "WAKE": "on waking",
    "C": "with a meal",
    "CM": "with breakfast",
    "CD": "with lunch",
    "CV": "with the evening meal",
    "AC": "before a meal",
    "ACM": "before breakfast",
    "ACD": "before lunch",
    "ACV": "before the evening meal",
    "PC": "after a meal",
    "PCM": "after breakfast",
    "PCD": "after lunch",
    "PCV": "after the evening meal",
}
"""HL7 EventTiming. A code that is not in it is written as it is."""


def dosages(given: tuple[Json, ...]) -> Iterator[str]:
    """Write each dosage; of several, which one the words belong to, and whether it is for after the one before or beside it."""
    for place, dosage in enumerate(given, start=1):
        if len(given) > 1:
            yield f"dosage {place} of {len(given)}{_follows(given[place - 2], dosage) if place > 1 else ''}"
        yield from dosage_words(dosage)


def _follows(before: Json, dosage: Json) -> str:
    """FHIR's Dosage.sequence: a higher number follows, an equal one is taken beside the other; a reader who takes one for the other gives half, or twice."""
    first, second = before.get("sequence"), dosage.get("sequence")
    if not isinstance(first, int) or not isinstance(second, int) or second < first:
        return ""
    return ", beside the one before" if first == second else ", after the one before"


def dosage_words(dosage: Json) -> Iterator[str]:
    """The dose in figures, then the text as it was written. Empty parts are for the caller to leave off."""
    yield from _amounts(dosage)
    yield from timing_words(as_object(dosage.get("timing")))
    yield from _condition(dosage)
    yield from _most(dosage)
    for member in ("route", "site", "method"):
        yield words_of(dosage.get(member))
    text, for_person = as_text(dosage.get("text")), as_text(dosage.get("patientInstruction"))
    yield f"as written: {text or for_person}" if text or for_person else ""
    yield f"told the person: {for_person}" if text and for_person and text != for_person else ""
    for instruction in as_objects(dosage.get("additionalInstruction")):
        yield f"instruction: {words_of(instruction)}" if words_of(instruction) else ""


def _amounts(dosage: Json) -> Iterator[str]:
    for rate in as_objects(dosage.get("doseAndRate")):
        kind = f" ({words_of(rate.get('type'))})" if words_of(rate.get("type")) else ""
        dose = dose_amount(rate.get("doseQuantity")) or span_of(rate.get("doseRange"))
        yield f"{dose}{kind}" if dose else ""
        yield f"{speed}{kind}" if (speed := speed_of(rate)) else ""


def speed_of(held: Json) -> str:
    """Write rate[x] of a Dosage or of what was given."""
    rate = quantity(held.get("rateQuantity")) or span_of(held.get("rateRange")) or ratio(held.get("rateRatio"), " in ")
    return f"at a rate of {rate}" if rate else ""


def timing_words(timing: Json) -> Iterator[str]:
    """Write a Timing: how often, when, for how long."""
    repeat = as_object(timing.get("repeat"))
    yield words_of(timing.get("code"))
    yield _how_often(repeat)
    for member, known in (("when", _WHEN), ("dayOfWeek", {}), ("timeOfDay", {})):
        said = [known.get(text, text) for text in _texts(repeat.get(member))]
        yield (
            f"{'at ' if member == 'timeOfDay' else 'on ' if member == 'dayOfWeek' else ''}{', '.join(said)}"
            if said
            else ""
        )
    offset = number(repeat.get("offset"))
    yield f"{offset} minutes from then" if offset else ""
    lasts = _some(repeat, "duration", "durationMax", "durationUnit")
    yield f"{lasts} each time" if lasts else ""
    count = _up_to(repeat, "count", "countMax")
    yield f"{count} times in all" if count else ""
    yield period(repeat.get("boundsPeriod"))
    bounds = quantity(repeat.get("boundsDuration")) or span_of(repeat.get("boundsRange"))
    yield f"for {bounds}" if bounds else ""
    events = _texts(timing.get("event"))
    yield f"at {', '.join(events)}" if events else ""


def _how_often(repeat: Json) -> str:
    """Write frequency and period: `twice every day`, `3 to 4 times every day`, `every 4 to 6 hours`."""
    frequency, every = _up_to(repeat, "frequency", "frequencyMax"), _some(repeat, "period", "periodMax", "periodUnit")
    times = f"{_TIMES.get(frequency) or f'{frequency} times'}" if frequency else ""
    one = _up_to(repeat, "period", "periodMax") == "1"
    return " ".join(
        part for part in (times, f"every {every.removeprefix('1 ') if one else every}" if every else "") if part
    )


def _some(repeat: Json, least: str, most: str, unit: str) -> str:
    amount, code = _up_to(repeat, least, most), as_text(repeat.get(unit))
    if not amount:
        return ""
    name = _UNITS.get(code, code)
    return f"{amount} {name}{'s' if code in _UNITS and amount != '1' else ''}".rstrip()


def _up_to(repeat: Json, least: str, most: str) -> str:
    first, last = number(repeat.get(least)), number(repeat.get(most))
    return f"{first} to {last}" if first and last else first or (f"up to {last}" if last else "")


def _condition(dosage: Json) -> Iterator[str]:
    why = words_of(dosage.get("asNeededCodeableConcept"))
    yield "only as needed" if dosage.get("asNeededBoolean") is True and not why else ""
    yield f"only as needed: {why}" if why else ""


def _most(dosage: Json) -> Iterator[str]:
    yield f"at most {most}" if (most := ratio(dosage.get("maxDosePerPeriod"), " in ")) else ""
    for member, of in (("maxDosePerAdministration", "at a time"), ("maxDosePerLifetime", "in a lifetime")):
        most = quantity(dosage.get(member))
        yield f"at most {most} {of}" if most else ""


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
