"""Profile indicators: a MeasureReport of closed figures, as text, without a person, a count, a score or a time but its quarter (base R4)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, as_text, codes, words_of
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import IndicatorFigures, Json

MEASURE: Final = "https://throughgate.example/Measure/handovers-of-a-quarter"
INDICATOR: Final = systems.LOCAL_CODE + "indicator"
HANDED_OVER: Final = "handed-over"
COLUMNS: Final = ("confirmed", "delivered", "not delivered", "total")


def build(figures: IndicatorFigures, reporter: str) -> Json:
    """Write the report of closed figures; `reporter` is the `Type/id` of the establishment."""
    code = {"coding": [{"system": INDICATOR, "code": HANDED_OVER}], "text": "people who were handed over on release"}
    strata = [{"code": [{"text": column}], "stratum": [{"value": {"text": text}}]} for column, text in figures.shown]
    return {
        "resourceType": "MeasureReport",
        "id": "report",
        "status": "complete",
        "type": "summary",
        "measure": MEASURE,
        "reporter": {"reference": reporter},
        "period": {"start": figures.months[0], "end": figures.months[1]},
        "group": [{"code": code, "stratifier": strata}],
    }


def _rules(report: Json) -> Iterator[Fault]:
    for number, group in enumerate(as_objects(report.get("group"))):
        if codes(group.get("code"), INDICATOR) != (HANDED_OVER,):
            yield f"MeasureReport.group[{number}].code", "no indicator of the form"
        strata = as_objects(group.get("stratifier"))
        if tuple(words_of(stratifier.get("code")) for stratifier in strata) != COLUMNS:
            yield f"MeasureReport.group[{number}].stratifier", "not the columns of the form, in its order"
        for stratum in (each for stratifier in strata for each in as_objects(stratifier.get("stratum"))):
            text = words_of(as_object(stratum.get("value")))
            if text != "*" and not text.isdecimal():
                yield f"MeasureReport.group[{number}].stratifier", "a figure is * or a rounded number"
    period = as_object(report.get("period"))
    first, last = as_text(period.get("start")), as_text(period.get("end"))
    quarters = {(f"{start:02d}", f"{start + 2:02d}") for start in (1, 4, 7, 10)}
    if (first[4:5], last[4:5]) != ("-", "-") or first[:4] != last[:4] or (first[5:], last[5:]) not in quarters:
        yield "MeasureReport.period", "not one quarter"


PROFILE: Final = Profile(name="indicators", resource_type="MeasureReport", rules=_rules)
