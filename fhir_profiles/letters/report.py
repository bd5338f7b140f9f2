"""Report: the calendar report to security, one cell for each substance group of the form. It must never say anything about a person.

It is made from figures that disclosure control has already closed: words, no exact number, no time but the month, no place but the
establishment. It is written by `compose_report`; it has no file and no event of a person can write it.
"""

import re
from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.letters.parts.labels_of_ours import NORMAL
from fhir_profiles.letters.parts.notice import ESTABLISHMENT
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import security_report
from fhir_profiles.shapes import Calendar, Event, Json, ReportFigures
from fhir_profiles.terminology import SUBSTANCE_GROUPS

TITLE: Final = "Unexpected drug test results in treatment"
_PERIOD: Final = re.compile(r"^[0-9]{4}-(0[1-9]|1[0-2])$")


def missing_groups(figures: ReportFigures) -> tuple[str, ...]:
    """Give the groups of the form that have no cell."""
    held = {cell.group for cell in figures.cells}
    return tuple(group for group in SUBSTANCE_GROUPS if group not in held)


def write_report(figures: ReportFigures) -> Iterator[Json]:
    """Give the resources of the report: the MeasureReport and the Organization that it is about.

    Raises ValueError when the period is not a calendar month: a finer time must never be printed.
    """
    if not _PERIOD.match(figures.period):
        raise ValueError("the period of a report is a calendar month, YYYY-MM")
    yield {**security_report.build(figures, ESTABLISHMENT), "meta": NORMAL}
    identifier = [{"system": systems.AGENCY, "value": figures.establishment}]
    organisation: Json = {"resourceType": "Organization", "id": "establishment", "meta": NORMAL}
    yield {**organisation, "identifier": identifier, "name": figures.establishment_name or figures.establishment}


def _refuse(_picture: Picture, _missing: Missing) -> tuple[Json, ...]:
    raise ValueError("the report is written by compose_report: it is never made from one person's file")


LETTER: Final = LetterKind(
    name="report",
    title=TITLE,
    events=(Event.TEST_RESULT,),
    wires=("fhir-collection",),
    whole_picture=False,
    about_a_person=False,
    calendar=Calendar.MONTH,
    required=(
        RequiredFact(
            name="every-group",
            heading="Every group of the form",
            text="A group of the form has no cell.",
            present=lambda _picture: False,
        ),
    ),
    write=_refuse,
)
