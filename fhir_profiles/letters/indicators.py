"""Indicators: one establishment's figures of one quarter, for commissioners and boards. It must never say anything about a person.

It is made from figures that disclosure control has closed (consent/aggregates.py): `*`, or a rounded number as text, no other time than the quarter, no
other place than the establishment. It is written by `compose_report`; it has no file and no message can write it.
"""

import re
from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.letters.parts.labels_of_ours import NORMAL
from fhir_profiles.letters.parts.notice import ESTABLISHMENT
from fhir_profiles.letters.parts.picture import Picture
from fhir_profiles.letters.parts.spec import LetterKind, Missing, RequiredFact
from fhir_profiles.profiles import indicators as profile
from fhir_profiles.shapes import Calendar, Event, IndicatorFigures, Json

TITLE: Final = "Indicators of the service, one quarter"
COLUMNS: Final = profile.COLUMNS[:-1]
"""The best that became of a person's handovers in the quarter, from the establishment that handed them over last."""
_PERIOD: Final = re.compile(r"[0-9]{4}-Q[1-4]")


def write_indicators(figures: IndicatorFigures) -> Iterator[Json]:
    """Give the resources: the MeasureReport and the Organization that it is about.

    Raises ValueError when the period is not a quarter, or a column of the form is missing or there is another.
    """
    if not _PERIOD.fullmatch(figures.period):
        raise ValueError("the period of indicators is a quarter, YYYY-Qn")
    if tuple(column for column, _ in figures.shown) != profile.COLUMNS:
        raise ValueError("indicators have the columns of their form, in its order")
    yield {**profile.build(figures, ESTABLISHMENT), "meta": NORMAL}
    identifier = [{"system": systems.AGENCY, "value": figures.establishment}]
    organisation: Json = {"resourceType": "Organization", "id": "establishment", "meta": NORMAL}
    yield {**organisation, "identifier": identifier, "name": figures.establishment_name or figures.establishment}


def _refuse(_picture: Picture, _missing: Missing) -> tuple[Json, ...]:
    raise ValueError("indicators are written by compose_report: they are never made from one person's file")


LETTER: Final = LetterKind(
    name="indicators",
    title=TITLE,
    events=(Event.QUARTER_OVER,),
    wires=("fhir-collection",),
    whole_picture=False,
    about_a_person=False,
    calendar=Calendar.QUARTER,
    required=(
        RequiredFact(
            name="every-column",
            heading="Every column of the form",
            text="A column of the form has no figure.",
            present=lambda _picture: False,
        ),
    ),
    write=_refuse,
)
