"""What the clinical lead and the IG officer hear at once of drug tests; and that security hears no more by it than without it."""

from pathlib import Path

from gateway.steps.link import link
from gateway.store.schema import task
from tests.builders import COCAINE, Assay, Course, Product, oru_r01, rde_o11, synthetic_person
from tests.flow.test_report import close, month, plan, result, shown
from tests.line import Line, running
from tests.world import check_world

CELL = {("mostly-positive", "clinical-lead"), ("mostly-positive-report", "ig-officer")}
HAZARD = {("acute-hazard", "clinical-lead"), ("acute-hazard-report", "ig-officer")}
FENTANYL = ("59673-4", "fentaNYL [Presence] in Urine by Screen method")


def heard(line: Line) -> list[tuple[str, str]]:
    """(code, role) of whatever people were told, in order."""
    return [(each.code, each.role) for each in line.told]


def nitazene(number: int, found: str, message_id: str, *, purpose: str = "mandatory") -> bytes:
    """A result that names a nitazene by its name alone."""
    assay = Assay(code="LOCAL-77", text="Protonitazene", result=found)
    return oru_r01(synthetic_person(number), assays=[assay], purpose=purpose, message_id=message_id)


async def test_a_cell_that_becomes_mostly_positive_is_told_once_and_not_to_security(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        for number in range(9):
            await line.play(plan(number))
        await month(line, range(4), range(4, 7))
        assert heard(line) == [], "seven people are no cell yet"
        await line.play(result(7, "positive"))
        assert set(heard(line)) == CELL
        last = line.messages()[-1]
        assert {(each.message, each.delivery) for each in line.told} == {(last.id, "")}
        await line.play(result(8, "positive"))
        assert len(heard(line)) == len(CELL), "it was so already"
        assert line.deliveries() == []
        await close(line)
        assert len(heard(line)) == len(CELL)
        assert shown(line, "opi") == "not shown"
        assert len(line.neighbours["security"].got) == 1
        check_world(line)


async def test_one_person_fewer_can_make_a_cell_mostly_positive(tmp_path: Path) -> None:
    """Ten people, five of them positive; two of the others turn out to be one: five of nine."""
    async with running(tmp_path) as line:
        for number in range(10):
            await line.play(plan(number))
        await month(line, range(5), range(5, 10))
        assert heard(line) == []
        people = [row.person_id for row in line.messages()]
        link(line.gateway, people[8], people[9], reason="one person", by="op-1")
        await line.settle()
        assert set(heard(line)) == CELL
        check_world(line)


async def test_a_result_that_kills_in_small_amounts_is_told_at_once_whatever_its_purpose(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(nitazene(1, "negative", "N-1"), nitazene(1, "unclear", "N-2"))
        assert set(heard(line)) <= {("purpose-unknown", "clinical-lead")}
        await line.play(nitazene(2, "positive", "N-3"))
        assert set(heard(line)) == HAZARD
        told = {each.message for each in line.told}
        assert told == {line.messages()[-1].id}
        await line.play(
            oru_r01(synthetic_person(2), assays=[Assay(code=COCAINE[0], text=COCAINE[1], result="positive")])
        )
        assert set(heard(line)) == HAZARD
        assert len(heard(line)) == len(HAZARD), "what was told is not told again with the next result"
        assert line.deliveries() == []
        assert line.neighbours["security"].got == []
        check_world(line)


async def test_prescribed_fentanyl_is_no_alarm(tmp_path: Path) -> None:
    patch = Product(code="", text="Fentanyl 25micrograms/hour transdermal patches", dose="1", unit="patch")
    found = [Assay(code=FENTANYL[0], text=FENTANYL[1], result="positive")]
    async with running(tmp_path) as line:
        await line.play(rde_o11(product=patch, course=Course(start="20260101080000+0000", order_type="I")))
        await line.play(oru_r01(assays=found))
        assert [row.code for row in line.rows(task) if row.code.startswith("acute")] == []
        other = oru_r01(synthetic_person(2), assays=found, message_id="ORU-2")
        await line.play(other)
        assert set(heard(line)) == HAZARD
        check_world(line)
