"""Profile security-report: a MeasureReport without a person, a count, a score or a time but its month (base R4: UK Core has none)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.elements import as_object, as_objects, codes, words_of
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json, ReportCell, ReportFigures
from fhir_profiles.terminology import SUBSTANCE_GROUPS

MEASURE: Final = "https://throughgate.example/Measure/unexpected-drug-test-results"
STRATA: Final = ("tested", "unexpected")


def _group(cell: ReportCell) -> Json:
    """Write one cell: the group, and the two texts as strata."""

    def stratum(name: str, text: str) -> Json:
        return {"code": [{"text": name}], "stratum": [{"value": {"text": text}}]}

    code = {"coding": [{"system": systems.SUBSTANCE_GROUP, "code": cell.group}], "text": cell.group}
    return {"code": code, "stratifier": [stratum(STRATA[0], cell.tested), stratum(STRATA[1], cell.shown)]}


def build(figures: ReportFigures, reporter: str) -> Json:
    """Write the report of closed figures; `reporter` is the `Type/id` of the establishment."""
    return {
        "resourceType": "MeasureReport",
        "id": "report",
        "status": "complete",
        "type": "summary",
        "measure": MEASURE,
        "reporter": {"reference": reporter},
        "period": {"start": figures.period, "end": figures.period},
        "group": [_group(cell) for cell in figures.cells],
    }


def _rules(report: Json) -> Iterator[Fault]:
    groups = [
        code for group in as_objects(report.get("group")) for code in codes(group.get("code"), systems.SUBSTANCE_GROUP)
    ]
    if groups != list(SUBSTANCE_GROUPS):
        yield "MeasureReport.group", "not exactly the groups of the form, in its order"
    for number, group in enumerate(as_objects(report.get("group"))):
        names = tuple(words_of(stratifier.get("code")) for stratifier in as_objects(group.get("stratifier")))
        if names != STRATA:
            yield f"MeasureReport.group[{number}].stratifier", "not the two texts tested and unexpected"
    period = as_object(report.get("period"))
    if period.get("start") != period.get("end") or len(str(period.get("start"))) != 7:
        yield "MeasureReport.period", "not one calendar month"


PROFILE: Final = Profile(name="security-report", resource_type="MeasureReport", rules=_rules)
