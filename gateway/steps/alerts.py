"""What the clinical lead and the IG officer have to hear at once of drug tests, because the monthly report will not say it, or too late.

More than half of the people of one cell positive, and a result that found a substance which kills in small amounts. They get a code and the
id of the message; `throughgate journey` says the rest. INVARIANT: nothing of it reaches security, whose report stays as it is and when it is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from consent.disclosure_control import is_mostly_positive
from fhir_profiles.acute_hazards import acute_hazards
from fhir_profiles.facts import Test
from fhir_profiles.shapes import Json, Task
from gateway.journeys.tasks import task_of
from gateway.steps.close import count_cells
from gateway.steps.contributions import Cell, countable, is_closed

MOSTLY_POSITIVE: Final = ("mostly-positive", "mostly-positive-report")
ACUTE_HAZARD: Final = ("acute-hazard", "acute-hazard-report")
"""One for the clinical lead, one for the IG officer."""


def mostly_positive(c: Connection, report: str, tests: Iterable[Test], closed: Mapping[str, str]) -> frozenset[Cell]:
    """Which cells are more than half positive now, of the open months that these tests of one person count in.

    `closed` is what `read_closed` says.
    """
    months = {(test.establishment or "", test.month) for test in tests if countable(test)}
    return frozenset(
        (establishment, count.group, month)
        for establishment, month in months
        if not is_closed(closed, establishment, month)
        for count in count_cells(c, report, establishment, month)
        if is_mostly_positive(count)
    )


def new_hazards(before: Sequence[Json], after: Sequence[Json], observations: Collection[str]) -> tuple[Task, ...]:
    """The tasks of results that found an acute hazard in `after`, a person's file, and had not in `before`: each result once."""
    if not observations or acute_hazards(after, observations) <= acute_hazards(before, observations):
        return ()
    return tuple(map(task_of, ACUTE_HAZARD))


def mostly_positive_tasks(before: frozenset[Cell], after: frozenset[Cell]) -> tuple[Task, ...]:
    """The tasks of cells that became mostly positive between the two looks."""
    return tuple(map(task_of, MOSTLY_POSITIVE)) if after - before else ()
