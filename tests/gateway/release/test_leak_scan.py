"""A finished letter that names what was not decided: of care it leaves without those words; what that does not mend is held, and told at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from consent.minimise import Released
from gateway import desk
from gateway.steps import release
from gateway.steps.kept import read_kept
from gateway.steps.rederive import find, rederive
from gateway.steps.replay import look
from tests.builders import (
    METHADONE,
    administration,
    adt_a01,
    adt_a03,
    care_plan,
    fhir_message,
    synthetic_person,
)
from tests.flow.test_notice_of_withdrawal import relabelled
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


def named(line: Line, delivery_id: str) -> None:
    """A person who heard of something else lets the letter go."""
    assert (
        desk.release_held(line.gateway, delivery_id, reason="serves them", by="nurse-7", recipient="northfell")
        == "queued"
    )


async def test_a_letter_that_was_let_go_for_something_else_is_looked_at_all_the_same(tmp_path: Path) -> None:
    """Held since the person is flagged, or since nobody serves the address; and made again after it was let go, with words that came since."""
    early, late = synthetic_person(3, postcode="ZX1 1AA"), synthetic_person(4, postcode="ZX1 1AA")
    plan = care_plan(start="2026-01-02", description=f"Asks to be apart from {OTHER}")
    async with running(tmp_path) as line:
        neighbour = line.neighbours["northfell"]
        await line.play(adt_a01(), relabelled(fhir_message(resources=[plan]), "R"), adt_a03())
        await line.play(
            adt_a01(early, message_id="A01-3"),
            fhir_message(early, resources=[plan], message_id="FHIR-3"),
            adt_a03(early, message_id="A03-3"),
        )
        rows = sorted(line.deliveries(letter="handover"), key=lambda row: row.created_at)
        assert [row.reason for row in rows] == ["sensitive-person", "no-recipient"]
        for row in rows:
            named(line, row.id)
        await line.settle()
        assert len(neighbour.effects) == 2
        await line.play(adt_a01(late, message_id="A01-4"), adt_a03(late, message_id="A03-4"))
        neighbour.up = False
        named(line, max(line.deliveries(letter="handover"), key=lambda row: row.created_at).id)
        await line.settle()
        await line.play(fhir_message(late, resources=[plan], message_id="FHIR-4"))
        moved = replace(line.gateway.recipients["northfell"], version="another")
        line.gateway.recipients = {**line.gateway.recipients, "northfell": moved}
        neighbour.up = True
        line.clock.advance(hours=1)
        await line.gateway.sweep()
        await line.settle()
        told = [got.body.decode() for got in neighbour.effects]
        assert [OTHER in each for each in told] == [False] * 3
        assert ["not named in this letter" in each for each in told] == [True] * 3
        assert line.told_codes().count("words-left-out") == 3
        check_world(line)


async def test_who_let_it_go_for_something_else_hears_of_what_is_found_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "without", lambda released, words: released)
    away = synthetic_person(3, postcode="ZX1 1AA")
    plan = care_plan(start="2026-01-02", description=f"Asks to be apart from {OTHER}")
    async with running(tmp_path) as line:
        await line.play(adt_a01(away), fhir_message(away, resources=[plan]), adt_a03(away))
        (row,) = line.deliveries(letter="handover")
        let_go = {"reason": "serves them", "by": "nurse-7", "recipient": "northfell"}
        assert desk.release_held(line.gateway, row.id, **let_go) == "held"
        await line.settle()
        assert [each.reason for each in line.deliveries()] == ["leak-scan"]
        assert {"leak-scan", "letter-leaks"} <= set(line.told_codes())
        assert line.neighbours["northfell"].got == []
        assert desk.release_held(line.gateway, row.id, reason="read", by="nurse-7") == "queued"


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
        (again,) = look(line.gateway, [first.id]).messages[0].changes
        assert (again.now, again.leaves, again.released) == ("hold", False, ()), (
            "a replay shows nothing to leave that the last look keeps"
        )
        more = care_plan(start="2026-01-03", description=f"Still asks to be apart from {OTHER}")
        await line.play(fhir_message(resources=[more], message_id="FHIR-more"))
        word = {"reason": "read: the person's own wish", "by": "nurse-7"}
        assert desk.release_held(line.gateway, first.id, **word) == "held", "what came since nobody has read"
        assert desk.release_held(line.gateway, first.id, **word) == "queued"
        await line.settle()
        after = next(row for row in line.deliveries() if row.id == first.id)
        assert after.state == "delivered"
        assert OTHER in line.neighbours["northfell"].effects[-1].body.decode()
        assert rederive(line.gateway, after.decision_id).same
        check_world(line)
