"""The report to security: cells about people that say nothing about anybody, by the calendar, through the same gate."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.store.schema import contribution, report_key
from tests.builders import (
    METHADONE,
    METHADONE_ASSAY,
    OPIATES,
    Assay,
    Course,
    care_plan,
    fhir_message,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.line import Line, running
from tests.world import check_world

JANUARY, FEBRUARY, MARCH = "20260110100000+0000", "20260210100000+0000", "20260310100000+0000"
OPIATE = OPIATES


def plan(number: int) -> bytes:
    """The person is in a clinical intervention."""
    return fhir_message(
        synthetic_person(number),
        resources=[care_plan(start="2026-01-02", description="plan")],
        message_id=f"PLAN-{number}",
    )


def result(
    number: int,
    found: str,
    *,
    at: str = JANUARY,
    assay: tuple[str, str] = OPIATE,
    purpose: str = "therapeutic",
    tag: str = "",
) -> bytes:
    """One therapeutic screen."""
    return oru_r01(
        synthetic_person(number),
        assays=[Assay(code=assay[0], text=assay[1], result=found)],
        purpose=purpose,
        message_id=f"ORU-{number}-{at[:6]}{tag}",
        at=at,
    )


async def month(line: Line, positive: Iterable[int], negative: Iterable[int], *, at: str = JANUARY) -> None:
    """Tests of these people."""
    for number in positive:
        await line.play(result(number, "positive", at=at))
    for number in negative:
        await line.play(result(number, "negative", at=at))


async def close(line: Line, *, months: int = 1) -> None:
    """Go to the eighth of the month after, that often."""
    for _ in range(months):
        line.clock.advance(days=31)
        await line.settle()


def cells(line: Line, number: int = -1) -> dict[str, dict[str, str]]:
    """Group -> {tested, shown} of a report that security received."""
    body = json.loads(line.neighbours["security"].effects[number].body)
    (report,) = [each["resource"] for each in body["entry"] if each["resource"]["resourceType"] == "MeasureReport"]
    return {
        group["code"]["text"]: {
            each["code"][0]["text"]: each["stratum"][0]["value"]["text"] for each in group["stratifier"]
        }
        for group in report["group"]
    }


def shown(line: Line, group: str, number: int = -1) -> str:
    """What the cell of a group says."""
    (cell,) = [cell for name, cell in cells(line, number).items() if name.lower().startswith(group)]
    (words,) = [text for name, text in cell.items() if "tested" not in name.lower()]
    return words


def count(line: Line, table: Any) -> int:
    """Rows."""
    with line.gateway.store.read() as c:
        return int(c.execute(select(func.count()).select_from(table)).scalar_one())


async def test_a_cell_of_twelve_people_is_printed_and_leaves_no_way_back(tmp_path: Path) -> None:
    """Twelve tested, three unexpected: `seen`; the keys of the cell are gone after that."""
    async with running(tmp_path) as line:
        for number in range(12):
            await line.play(plan(number))
        await month(line, range(3), range(3, 12))
        assert count(line, contribution) == 12
        await close(line)
        assert [(row.letter, row.recipient, row.state) for row in line.deliveries()] == [
            ("report", "security", "delivered")
        ]
        assert shown(line, "opi") == "seen"
        assert count(line, contribution) == 0
        assert count(line, report_key) == 0
        assert len(cells(line)) == 10
        await close(line)
        check_world(line)


async def test_fewer_than_twelve_join_the_next_month_by_person(tmp_path: Path) -> None:
    """Five in January; three of them and seven others in February: twelve people, printed in February; nobody counts twice."""
    async with running(tmp_path) as line:
        for number in range(12):
            await line.play(plan(number))
        await month(line, [0], range(1, 5))
        await close(line)
        assert shown(line, "opi") == "not shown"
        await month(line, [], range(2, 12), at=FEBRUARY)
        await close(line)
        assert shown(line, "opi") == "seen"
        assert count(line, contribution) == 0
        check_world(line)


async def test_the_same_few_people_every_month_are_never_printed(tmp_path: Path) -> None:
    """Seven people in three months are seven people."""
    async with running(tmp_path) as line:
        for number in range(7):
            await line.play(plan(number))
        for at in (JANUARY, FEBRUARY, MARCH):
            await month(line, [0], range(1, 7), at=at)
            await close(line)
            assert shown(line, "opi") == "not shown"
        check_world(line)


async def test_a_carried_cell_is_dropped_after_six_periods(tmp_path: Path) -> None:
    """Its keys and contributions are destroyed, unprinted."""
    async with running(tmp_path) as line:
        await line.play(plan(0))
        await month(line, [], [0])
        assert count(line, report_key) == 1
        await close(line, months=5)
        assert count(line, report_key) == 1
        await close(line)
        assert count(line, report_key) == 0
        assert count(line, contribution) == 0
        check_world(line)


async def test_a_mostly_positive_cell_is_printed_like_any_other(tmp_path: Path) -> None:
    """Left out, it would say to whoever knows who was tested that most of them were positive (decision 0018)."""
    async with running(tmp_path) as line:
        for number in range(12):
            await line.play(plan(number))
        await month(line, range(11), [11])
        await close(line)
        assert cells(line)["opiates"] == {"tested": "10", "unexpected": "seen"}
        assert count(line, contribution) == 0
        check_world(line)


@pytest.mark.parametrize("late", [False, True])
async def test_whoever_is_prescribed_it_is_not_counted(tmp_path: Path, late: bool) -> None:
    """Positive or negative, also when the prescription arrives after the result: the others would be fewer than they look."""
    async with running(tmp_path) as line:
        for number in range(2):
            person = synthetic_person(number)
            result_first = result(number, "positive" if number else "negative", assay=METHADONE_ASSAY)
            script = rde_o11(
                person,
                product=METHADONE,
                course=Course(start="20260102090000+0000", order_type="I"),
                message_id=f"RDE-{number}",
                at="20260102090000+0000",
            )
            await line.play(plan(number), *((result_first, script) if late else (script, result_first)))
        assert count(line, contribution) == 0
        await line.play(plan(2), result(2, "negative", assay=METHADONE_ASSAY))
        assert count(line, contribution) == 1
        check_world(line)


@pytest.mark.parametrize("purpose", ["mandatory", "compact", ""])
async def test_only_therapeutic_results_are_counted(tmp_path: Path, purpose: str) -> None:
    """Mandatory and compact results are never reported as clinical ones; no stated purpose is never reported and raises a task."""
    async with running(tmp_path) as line:
        await line.play(plan(0), result(0, "positive", purpose=purpose))
        assert count(line, contribution) == 0
        assert bool(line.tasks(code="purpose-unknown")) == (purpose == "")
        check_world(line)


async def test_who_is_in_no_intervention_is_not_counted(tmp_path: Path) -> None:
    """No plan and no medicine on the day."""
    async with running(tmp_path) as line:
        await line.play(result(0, "positive"))
        assert count(line, contribution) == 0
        check_world(line)


@pytest.mark.parametrize("status", ["W", "D", "X"])
async def test_a_result_that_is_withdrawn_counts_its_person_no_more(tmp_path: Path, status: str) -> None:
    """Two people, and the laboratory takes one result back: one is left (OBX-11: wrong, deleted, none)."""
    async with running(tmp_path) as line:
        for number in (6, 7):
            await line.play(plan(number))
        await month(line, [7], [6])
        assert count(line, contribution) == 2
        again = (
            result(7, "positive", tag="b")
            .replace(b"ORU-7-202601b|P|", b"AGAIN|P|")
            .replace(b"ORU-7-202601b", b"ORU-7-202601")
        )
        await line.play(again.replace(b"||||||F|||", f"||||||{status}|||".encode()))
        assert count(line, contribution) == 1
        check_world(line)


async def test_a_result_after_the_close_counts_nowhere(tmp_path: Path) -> None:
    """The month was reported: a late result changes nothing that was said."""
    async with running(tmp_path) as line:
        for number in range(2):
            await line.play(plan(number))
        await month(line, [], [0])
        await close(line)
        await line.play(result(1, "positive"))
        assert count(line, contribution) == 1, "who was carried, and nobody else"
        check_world(line)


async def test_a_report_comes_every_month_also_when_nobody_was_ever_tested_and_is_as_long_as_any_other(
    tmp_path: Path,
) -> None:
    """Neither that it comes nor how long it is says that anybody was tested."""
    async with running(tmp_path) as line:
        await line.settle()
        await close(line)
        assert set(cells(line)["opiates"].values()) == {"not shown"}
        for number in range(12):
            await line.play(plan(number))
        await month(line, [0], range(1, 12), at=FEBRUARY)
        await close(line)
        assert cells(line)["opiates"] == {"tested": "10", "unexpected": "seen"}
        assert [row.letter for row in line.deliveries()] == ["report", "report"]
        nothing, something = (each.body for each in line.neighbours["security"].effects)
        assert len(nothing) == len(something)
        check_world(line)
