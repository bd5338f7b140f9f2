"""A finished letter that names what was not decided: of care it leaves without those words; what that does not mend is held, and told at once."""

from pathlib import Path

import pytest

from consent.minimise import Released
from gateway import desk
from gateway.steps import release
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


async def three_released(line: Line) -> None:
    """Three go home: another's number stands in the plan of the first, nothing in the second's, a prison number in the third's dose."""
    plan = care_plan(start="2026-01-02", description=f"Asks to be apart from {OTHER}")
    await line.play(adt_a01(), fhir_message(resources=[plan]), adt_a03())
    for place, (person, words) in enumerate(((PLAIN, "40 mg"), (NUMBERED, f"40 mg for {NUMBERED.prison_number}"))):
        dose = administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text=words)
        told = fhir_message(person, resources=[dose], message_id=f"FHIR-dose-{place}")
        await line.play(
            adt_a01(person, message_id=f"A01-{person.prison_number}"),
            told,
            adt_a03(person, message_id=f"A03-{person.prison_number}"),
        )


async def test_a_handover_leaves_without_a_number_that_somebody_wrote_into_its_words(tmp_path: Path) -> None:
    """It does not wait: the number is left out, the dose beside it stays, the IG officer is told, and the decision says by which rule."""
    async with running(tmp_path) as line:
        await three_released(line)
        rows = sorted(line.deliveries(), key=lambda row: row.created_at)
        assert [(row.state, row.reason) for row in rows] == [("delivered", None)] * 3
        first, plain, numbered = (each.body.decode() for each in line.neighbours["northfell"].effects)
        assert "Asks to be apart from not named in this letter" in first
        assert "40 mg for not named in this letter" in numbered
        assert "not named in this letter" not in plain
        assert [mark for mark in (OTHER, OTHER.replace(" ", "")) if mark in first] == []
        assert NUMBERED.prison_number not in numbered
        assert line.told_codes() == ["words-left-out"] * 2
        assert all(rederive(line.gateway, row.decision_id).same for row in rows)
        check_world(line)


async def test_what_leaving_out_words_does_not_mend_is_held_and_told_until_somebody_has_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same letters where nothing can be left out, as an identifier where identifiers stand."""

    def nothing(released: Released, words: tuple[str, ...]) -> Released:
        assert words
        return released

    monkeypatch.setattr(release, "without", nothing)
    async with running(tmp_path) as line:
        await three_released(line)
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
