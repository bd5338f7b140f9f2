"""A letter whose finished bytes name what was not decided does not leave, and never vanishes: held, told at once, let go by a person alone."""

from pathlib import Path

from gateway import desk
from gateway.steps.kept import read_kept
from gateway.steps.rederive import find, rederive
from tests.builders import (
    METHADONE,
    administration,
    adt_a01,
    adt_a03,
    care_plan,
    fhir_message,
    synthetic_person,
)
from tests.line import Line, running
from tests.world import check_world

OTHER = "999 000 0018"
PLAIN = synthetic_person(2)
NUMBERED = synthetic_person(3)


def said(line: Line, decision_id: str) -> tuple[str, str]:
    """The last reason of a decision."""
    parts = line.gateway
    with parts.store.read() as c:
        reason = read_kept(find(c, parts, decision_id).stored).decision.reasons[-1]
    return reason.rule, reason.text


async def test_a_letter_that_names_too_much_is_held_and_told_until_somebody_has_read_it(tmp_path: Path) -> None:
    """Another's number in a plan, and a prison number in the words of a dose; the same words without a number leave."""
    plan = care_plan(start="2026-01-02", description=f"Asks to be apart from {OTHER}")
    async with running(tmp_path) as line:
        await line.play(adt_a01(), fhir_message(resources=[plan]), adt_a03())
        for place, (person, words) in enumerate(((PLAIN, "40 mg"), (NUMBERED, f"40 mg for {NUMBERED.prison_number}"))):
            dose = administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text=words)
            told = fhir_message(person, resources=[dose], message_id=f"FHIR-dose-{place}")
            await line.play(
                adt_a01(person, message_id=f"A01-{person.prison_number}"),
                told,
                adt_a03(person, message_id=f"A03-{person.prison_number}"),
            )
        first, plain, numbered = sorted(line.deliveries(), key=lambda row: row.created_at)
        assert [(row.state, row.reason) for row in (first, plain, numbered)] == [
            ("held", "leak-scan"),
            ("delivered", None),
            ("held", "leak-scan"),
        ]
        assert len(line.neighbours["northfell"].effects) == 1
        assert {"leak-scan", "letter-leaks"} <= set(line.told_codes())
        texts = [said(line, row.decision_id) for row in (first, numbered)]
        assert [rule for rule, _ in texts] == ["leak-scan"] * 2
        assert texts[0][1].endswith("another person's NHS number")
        assert texts[1][1].endswith("an identifier of the person that this recipient may not have")
        assert {item.harm for item in desk.held(line.gateway)} == {0}
        assert rederive(line.gateway, first.decision_id).same
        assert desk.release_held(line.gateway, first.id, reason="read: the person's own wish", by="nurse-7") == "queued"
        await line.settle()
        after = next(row for row in line.deliveries() if row.id == first.id)
        assert after.state == "delivered"
        assert rederive(line.gateway, after.decision_id).same
        check_world(line)
