"""Reports beside each other: late results, corrections, carried cells, people who turn out to be one. Nothing that was not shown can be worked out.

The attacker knows everything but the results, and goes through every world that would have been reported so: small cells, so that all can be
tried. The rule that they go through is held to what the line does.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

import pytest

from consent import disclosure_control
from consent.disclosure_control import NOT_SHOWN, SEEN, CellCount, close_cells
from fhir_profiles.facts import Purpose, Test
from gateway.parts import Parts
from gateway.steps.close import close_period
from gateway.steps.contributions import recount
from tests.consent.made import agreement
from tests.gateway.receive.line import make_parts

MONTHS = ("2026-01", "2026-02", "2026-03", "2026-04")
SMALLEST = 3


@dataclass(frozen=True, kw_only=True)
class Event:
    """One result of one person in one month, that comes in time or after the month was closed; `corrects` says which earlier event it replaces."""

    person: str
    month: int
    late: bool = False
    corrects: int | None = None


Schedule = tuple[Event, ...]
Merges = Mapping[int, tuple[str, str]]
"""Month -> (who stays, who is found to be the same), before that month is closed."""
Said = tuple[tuple[str, str], ...]
Reports = Callable[[Schedule, Merges, Sequence[bool]], Said]


@pytest.fixture(autouse=True)
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disclosure_control, "SMALLEST", SMALLEST)
    monkeypatch.setattr(disclosure_control, "BELONGS_AT_MOST", 100)
    monkeypatch.setattr(disclosure_control, "POSITIVE_AT_MOST", 100)


def shown(people: Mapping[str, bool]) -> tuple[str, str, bool]:
    count = CellCount(group="opiates", tested=len(people), positive=sum(people.values()))
    (cell,) = close_cells([count], ("opiates",))
    return cell.tested, cell.shown, cell.fate == "carried"


def counted(schedule: Schedule, results: Sequence[bool], month: int, *, late: bool = False) -> dict[str, bool]:
    """Who was counted in a month, and whether positive: what was corrected in time counts as it was corrected."""
    replaced = {each.corrects for each in schedule if each.corrects is not None and (late or not each.late)}
    people: dict[str, bool] = {}
    for number, event in enumerate(schedule):
        if event.month == month and number not in replaced and (late or not event.late):
            people[event.person] = people.get(event.person, False) or results[number]
    return people


def reports(schedule: Schedule, merges: Merges, results: Sequence[bool]) -> Said:
    """What is said month by month."""
    people: dict[str, bool] = {}
    said = []
    for month in range(len(MONTHS)):
        for person, positive in counted(schedule, results, month).items():
            people[person] = people.get(person, False) or positive
        if month in merges:
            stays, goes = merges[month]
            if goes in people:
                people[stays] = people.pop(goes) or people.get(stays, False)
        tested, word, carried = shown(people)
        said.append((tested, word))
        people = people if carried else {}
    return tuple(said)


def said_again(schedule: Schedule, merges: Merges, results: Sequence[bool]) -> Said:
    """A gateway that would correct a report when something comes late."""
    again = [shown(counted(schedule, results, month, late=True))[:2] for month in range(len(MONTHS))]
    return (*reports(schedule, merges, results), *again)


def recovered(said_of: Reports, schedule: Schedule, merges: Merges) -> Iterator[str]:
    """What the attacker can work out: that somebody was positive, or how many were of a month that was not shown."""
    worlds: dict[Said, list[tuple[bool, ...]]] = defaultdict(list)
    for results in product((False, True), repeat=len(schedule)):
        worlds[said_of(schedule, merges, results)].append(results)
    for said, possible in worlds.items():
        for number, event in enumerate(schedule):
            if all(world[number] for world in possible):
                yield f"{event.person} was positive"
        for month in range(len(MONTHS)):
            numbers = {sum(counted(schedule, world, month).values()) for world in possible}
            people = len(counted(schedule, possible[0], month))
            if said[month][1] == NOT_SHOWN and people and numbers not in ({0}, set(range(people + 1))):
                yield f"of {people} in month {month} it is known that {sorted(numbers)} were positive"
            if said[month][1] == SEEN and not numbers >= set(range(1, people + 1)):
                yield f"of {people} in month {month} the number of positives is known to be in {sorted(numbers)}"


def schedules(seed: int) -> tuple[Schedule, Merges]:
    """Up to nine results of five people, some late, some corrected; now and then two are one."""
    chance = Random(seed)
    events: list[Event] = []
    for _ in range(chance.randint(4, 9)):
        event = Event(person=chance.choice("ABCDE"), month=chance.randrange(4), late=chance.random() < 0.2)
        same = [
            number for number, each in enumerate(events) if (each.person, each.month) == (event.person, event.month)
        ]
        if same and not events[same[-1]].late:
            event = Event(person=event.person, month=event.month, late=event.late, corrects=same[-1])
        events.append(event)
    return tuple(events), {chance.randrange(4): ("A", "B")} if chance.random() < 0.3 else {}


def test_no_row_of_reports_tells_what_was_not_shown() -> None:
    printed = 0
    for seed in range(120):
        schedule, merges = schedules(seed)
        assert list(recovered(reports, schedule, merges)) == [], (seed, schedule, merges)
        printed += any(word != NOT_SHOWN for _, word in reports(schedule, merges, [False] * len(schedule)))
    assert printed > 30, "void: nothing was printed that could be compared"


def test_a_report_that_was_said_again_would_tell() -> None:
    """Sabotage: three people `not seen`, and a fourth result that comes late and makes it `seen`."""
    schedule = (*(Event(person=each, month=0) for each in "ABC"), Event(person="D", month=0, late=True))
    assert list(recovered(reports, schedule, {})) == []
    assert "D was positive" in set(recovered(said_again, schedule, {}))


def by_the_line(parts: Parts, schedule: Schedule, results: Sequence[bool]) -> Said:
    """The same through contributions and `close_period`: what is on file of each person is counted again with every result."""
    said = []
    for month, period in enumerate(MONTHS):
        _file(parts, schedule, results, month, late=False)
        closed = close_period(parts, agreement("report"), "ZFG", period)
        assert closed is not None
        (cell,) = (each for each in closed.cells if each.group == "opiates")
        said.append((cell.tested, cell.shown))
        _file(parts, schedule, results, month, late=True)
    return tuple(said)


def _file(parts: Parts, schedule: Schedule, results: Sequence[bool], month: int, *, late: bool) -> None:
    """Everybody's tests up to this month, with what came late to it or without."""
    for person in sorted({event.person for event in schedule}):
        arrived = [n for n, e in enumerate(schedule) if e.month < month or (e.month == month and (late or not e.late))]
        replaced = {schedule[number].corrects for number in arrived}
        tests = tuple(
            _test(number, MONTHS[schedule[number].month], positive=results[number])
            for number in arrived
            if schedule[number].person == person and number not in replaced
        )
        parts.store.write(lambda c: recount(c, parts, "report", person, tests, ("ZFG",)))  # noqa: B023  # called at once


def _test(number: int, month: str, *, positive: bool) -> Test:
    return Test(
        observation=f"Observation/{number}",
        group="opiates",
        taken=f"{month}-10",
        month=month,
        purpose=Purpose.THERAPEUTIC,
        result="positive" if positive else "negative",
        unexpected=positive,
        unexplained=True,
        in_intervention=True,
        establishment="ZFG",
        confirmatory=False,
    )


def test_the_rule_is_what_the_line_does() -> None:
    for seed in range(12):
        schedule, _ = schedules(seed)
        chance = Random(seed)
        results = [chance.random() < 0.5 for _ in schedule]
        assert by_the_line(make_parts(), schedule, results) == reports(schedule, {}, results), seed
