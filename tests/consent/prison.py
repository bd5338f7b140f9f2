"""A prison of 400 beds, and somebody in its security department who wants to know who tested positive.

They know the roll, the cell, every movement and escort, so exactly who was tested in which month and left when; who is given what at the
medicines hatch; how often results of each group are positive, and how often a supply makes most of them so; how a report is made; and they keep
every report. Of each person and group they hold a chance of being a user, which every report moves. All of it is exact: nobody could do better.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

GROUPS: Mapping[str, float] = {
    "opiates": 0.30,
    "methadone": 0.12,
    "buprenorphine": 0.20,
    "benzodiazepines": 0.20,
    "cocaine": 0.20,
    "amphetamines": 0.05,
    "cannabinoids": 0.25,
    "synthetic-cannabinoids": 0.25,
    "pregabalinoids": 0.20,
    "other": 0.02,
}
"""The share of people in treatment who use it beside their treatment."""
PRESCRIBED: Mapping[str, float] = {"methadone": 0.4, "buprenorphine": 0.2, "benzodiazepines": 0.05}
USER, OTHERS, FLOOD = 0.5, 0.03, 0.8
"""How often a test is positive: of a user, of anybody else, and of everybody in a month when a supply comes in."""
FLOODED = 0.08
"""The share of months and groups in which one does."""
PERIODS = 6

Rule = Callable[[int, int], tuple[str, bool]]
"""(people counted, positive) -> (what is shown, whether they join the next month)."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many are in treatment, tested in a month, and replaced in a month, as shares."""

    treated: float
    tested: float = 0.6
    replaced: float = 0.25


SIZES: Mapping[str, Size] = {
    "a third in treatment": Size(treated=0.33),
    "a small team": Size(treated=0.10),
    "a very small team": Size(treated=0.06),
    "people who stay": Size(treated=0.06, replaced=0.05),
    "hardly anybody": Size(treated=0.03, replaced=0.10),
}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One cell: whom the attacker takes to be most likely positive, how sure they are, and what was true."""

    group: str
    counted: int
    positive: int
    sure: float
    right: bool
    shown: str


@dataclass
class Cell:
    """One open cell: by person, in how many months a positive could be theirs, and whether there was one."""

    people: dict[int, tuple[int, bool]] = field(default_factory=dict)
    months: int = 0


@dataclass
class Inmate:
    treated: bool
    prescribed: frozenset[str]
    uses: frozenset[str]


def years_of_reports(
    rule: Rule, size: Size, *, seed: int, months: int, count_prescribed: bool = False
) -> Iterator[Attempt]:
    """Live through these months; one attempt for each cell that as many people stand behind as the rule could print.

    `count_prescribed` is the fault of counting people whose positive would be explained.
    """
    chance = Random(seed)
    roll = [_arrival(chance, size) for _ in range(400)]
    ids = list(range(400))
    believed: dict[tuple[int, str], float] = {}
    cells = {group: Cell() for group in GROUPS}
    arrived = 400
    for _ in range(months):
        for place in range(400):
            if chance.random() < size.replaced:
                roll[place], ids[place] = _arrival(chance, size), arrived
                arrived += 1
        tested = [place for place in range(400) if roll[place].treated and chance.random() < size.tested]
        for group in GROUPS:
            cell = cells[group]
            flood = chance.random() < FLOODED
            for place in tested:
                _count(chance, cell, roll[place], ids[place], group, flood=flood, count_prescribed=count_prescribed)
            yield from _read(rule, cell, group, believed)
            cell.months += 1
            carried = rule(len(cell.people), sum(positive for _, positive in cell.people.values()))[1]
            if not carried or cell.months >= PERIODS:
                cells[group] = Cell()


def _arrival(chance: Random, size: Size) -> Inmate:
    return Inmate(
        treated=chance.random() < size.treated,
        prescribed=frozenset(group for group, share in PRESCRIBED.items() if chance.random() < share),
        uses=frozenset(group for group, share in GROUPS.items() if chance.random() < share),
    )


def _count(
    chance: Random, cell: Cell, inmate: Inmate, who: int, group: str, *, flood: bool, count_prescribed: bool
) -> None:
    explained = group in inmate.prescribed
    rate = FLOOD if flood else USER if group in inmate.uses else OTHERS
    found = chance.random() < rate and not explained
    if explained and not count_prescribed:
        return
    times, before = cell.people.get(who, (0, False))
    cell.people[who] = (times + (not explained), before or found)


def _read(rule: Rule, cell: Cell, group: str, believed: dict[tuple[int, str], float]) -> Iterator[Attempt]:
    """Every count of positives that would have been shown so, and what that makes of each person."""
    counted = len(cell.people)
    positive = sum(found for _, found in cell.people.values())
    shown = rule(counted, positive)[0]
    possible = [number for number in range(counted + 1) if rule(counted, number)[0] == shown]
    if counted < 8 or len(possible) > counted:
        return  # nothing was said
    people = list(cell.people)
    chances = [(believed.get((who, group), GROUPS[group]), cell.people[who][0]) for who in people]
    found = conclude(chances, possible)
    for who, (_, user) in zip(people, found, strict=True):
        believed[who, group] = user
    best = max(range(counted), key=lambda at: found[at][0])
    yield Attempt(
        group=group,
        counted=counted,
        positive=positive,
        sure=found[best][0],
        right=cell.people[people[best]][1],
        shown=shown,
    )


def conclude(people: Sequence[tuple[float, int]], possible: Sequence[int]) -> list[tuple[float, float]]:
    """(was positive, is a user) of each, by Bayes, given that as many were positive as one of `possible` says.

    `people` are (chance of being a user, months in which a positive could be theirs).
    """
    whole = 0.0
    sums = [(0.0, 0.0)] * len(people)
    for flood, share in ((False, 1 - FLOODED), (True, FLOODED)):
        rates = [tuple(_once(each, times, flood=flood) for each in (USER, OTHERS)) for _, times in people]
        each = [user * a + (1 - user) * b for (user, _), (a, b) in zip(people, rates, strict=True)]
        counts = _distribution(each)
        whole += share * sum(counts[number] for number in possible)
        for at, (user, _) in enumerate(people):
            others = _without(counts, each[at])
            if_so = sum(others[number - 1] for number in possible if number)
            if_not = sum(others[number] for number in possible if number < len(people))
            rate = rates[at][0]
            was, uses = sums[at]
            sums[at] = (
                was + share * each[at] * if_so,
                uses + share * user * (rate * if_so + (1 - rate) * if_not),
            )
    return [(was / whole, uses / whole) for was, uses in sums]


def _once(rate: float, times: int, *, flood: bool) -> float:
    """At least one positive in so many months, the last of them with a supply or not."""
    return 1 - (1 - rate) ** (times - flood) * (1 - FLOOD) ** flood if times else 0.0


def _distribution(chances: Sequence[float]) -> list[float]:
    counts = [1.0]
    for chance in chances:
        counts = [
            (counts[number] if number < len(counts) else 0.0) * (1 - chance)
            + (counts[number - 1] * chance if number else 0.0)
            for number in range(len(counts) + 1)
        ]
    return counts


def _without(counts: Sequence[float], chance: float) -> list[float]:
    """Take one person out of a distribution; from the end at which the division is by the greater number."""
    size = len(counts) - 1
    left = [0.0] * size
    if chance < 0.5:
        for number in range(size):
            left[number] = (counts[number] - (left[number - 1] * chance if number else 0.0)) / (1 - chance)
    else:
        for number in reversed(range(size)):
            left[number] = (
                counts[number + 1] - (left[number + 1] * (1 - chance) if number + 1 < size else 0.0)
            ) / chance
    return left
