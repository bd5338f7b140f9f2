"""Whoever was told something that is corrected or taken back hears it: the same letter again, in the place of the earlier one, or a person."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from fhir_profiles.ids import PATIENT_REFERENCE
from fhir_profiles.systems import OBSERVATION_CATEGORY
from gateway.clients import add_client
from gateway.store.schema import decision, sealed
from tests.builders import (
    OPIATES,
    Assay,
    SyntheticPerson,
    adt_a01,
    adt_a03,
    oru_r01,
    synthetic_person,
)
from tests.flow.test_carried_letters import ALL, OUTSIDE, SECURITY, WING, referral, says, sent, states
from tests.flow.test_change_of_mind import word
from tests.line import Line, replayed, running
from tests.world import check_world

NEGATIVE = (Assay(code=OPIATES[0], text=OPIATES[1], result="negative"),)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path, recipients=ALL) as made:
        add_client(made.gateway, name=SECURITY, kinds=("fhir-message",), establishments=("ZFG",), recipient="security")
        add_client(made.gateway, name=OUTSIDE, kinds=("fhir-message",), establishments=("ZFG",), recipient="northfell")
        add_client(made.gateway, name=WING, kinds=("fhir-message",), establishments=("ZFG",), recipient="team")
        yield made


def again(person: SyntheticPerson, mark: str, **what: Any) -> bytes:
    """The same order as `MDT`, told once more by a message of its own."""
    body = oru_r01(person, purpose="mandatory", message_id="MDT", **what)
    return body.replace(b"|MDT|", f"|{mark}|".encode())


def score(resource_id: str, value: int, status: str = "final") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": status,
        "category": [{"coding": [{"system": OBSERVATION_CATEGORY, "code": "survey"}]}],
        "code": {"text": f"Score {resource_id}"},
        "subject": {"reference": PATIENT_REFERENCE},
        "effectiveDateTime": "2026-01-15",
        "valueInteger": value,
    }


def ids(line: Line, letter: str) -> list[str]:
    return [row.id for row in line.deliveries(letter=letter)]


async def test_a_mandatory_positive_that_was_none_is_told_to_the_team_that_offers_treatment(line: Line) -> None:
    """INVARIANT: a wrong positive never stands with whoever was told it. Told once, however often it is said."""
    person = synthetic_person(1)
    await line.play(adt_a01(person), oru_r01(person, purpose="mandatory", message_id="MDT"))
    await line.play(again(person, "MDT-2", assays=NEGATIVE), again(person, "MDT-3", assays=NEGATIVE))
    assert states(line, "mandatory-test-referral") == [("team", "delivered"), ("team", "delivered")]
    _, correction = sent(line, "mandatory-test-referral", "team")
    first, _ = ids(line, "mandatory-test-referral")
    assert f"takes the place of letter {first}" in correction
    assert "1 does not stand any more" in correction
    for untrue in ("Offer an assessment", "ServiceRequest", "Observation"):
        assert untrue not in correction
    assert not line.neighbours["security"].got
    check_world(line)


async def test_a_result_that_is_corrected_or_in_error_takes_the_place_of_what_was_told(line: Line) -> None:
    person = synthetic_person(1)
    await line.play(adt_a01(person), says(person, "S1", score("a", 7), score("b", 9)))
    await line.play(says(person, "S2", score("a", 27, "corrected")))
    await line.play(says(person, "S3", score("b", 9, "entered-in-error")), says(person, "S4", score("c", 3)))
    await line.play(says(person, "S5", score("a", 27, "entered-in-error")))
    first, corrected, error, other, nothing = sent(line, "assessment", "team")
    names = ids(line, "assessment")
    assert f"takes the place of letter {names[0]}" in corrected
    assert all(words in corrected for words in ("27", "Score b")), "what stands of the earlier one goes with it"
    assert "does not stand" not in corrected
    assert f"takes the place of letter {names[1]}" in error
    assert "Score a" in error
    assert "Score b" not in error
    assert "takes the place" not in first + other
    assert "Score" not in nothing
    assert f"takes the place of letter {names[2]}" in nothing
    # Once more by a person's word: nothing is told twice.
    messages = [row.id for row in line.messages()]
    replayed(line.gateway, messages, reason="looked again", by="Ada Example")
    await line.settle()
    assert ids(line, "assessment") == names
    check_world(line)


async def test_what_has_not_left_is_taken_back_and_never_told(line: Line) -> None:
    """A letter that waits for its recipient's server is recalled; its place takes one that is right, which names no letter that nobody had."""
    person = synthetic_person(1)
    await line.play(adt_a01(person))
    line.neighbours["team"].up = False
    await line.play(says(person, "S1", score("a", 7), score("b", 9)))
    await line.play(says(person, "S2", score("a", 7, "entered-in-error")))
    (lost, right) = line.deliveries(letter="assessment")
    assert (lost.state, lost.recipient, right.recipient) == ("recalled", "team", "team")
    line.neighbours["team"].up = True
    line.clock.advance(hours=1)
    await line.gateway.sweep()
    await line.settle()
    (body,) = sent(line, "assessment", "team")
    assert "Score b" in body
    for unsaid in ("Score a", "takes the place", "does not stand"):
        assert unsaid not in body
    check_world(line)


async def test_where_no_letter_can_say_it_a_person_does(line: Line) -> None:
    """Its recipient takes no such letter any more, or the person has said no since: the correction never simply stays away."""
    person = synthetic_person(1)
    await line.play(adt_a01(person), says(person, "S1", score("a", 7)))
    recipients = line.gateway.recipients
    line.gateway.recipients = {name: each for name, each in recipients.items() if name != "team"}
    await line.play(says(person, "S2", score("a", 7, "entered-in-error")))
    assert line.told_codes().count("correct-by-hand") == 1
    (task,) = line.tasks(code="correct-by-hand")
    assert task.delivery_id == ids(line, "assessment")[0]
    line.gateway.recipients = recipients
    refused = synthetic_person(2)
    line.clock.advance(hours=1)
    await line.play(adt_a01(refused, message_id="IN-2"), says(refused, "S3", score("d", 7)))
    await line.play(word("deny", person=refused), says(refused, "S4", score("d", 7, "entered-in-error")))
    last = line.deliveries(letter="assessment")[-1]
    assert last.state == "withheld"
    assert [each.delivery_id for each in line.tasks(code="correct-by-hand")] == [task.delivery_id, last.id]
    check_world(line)


async def test_a_replay_of_a_referrals_end_brings_it_to_whoever_was_not_told(line: Line) -> None:
    person = synthetic_person(1)
    await line.play(adt_a01(person), says(person, "R1", referral(hour="09:00")))
    agreements = line.gateway.agreements
    line.gateway.agreements = {name: each for name, each in agreements.items() if each.letter != "referral"}
    await line.play(says(person, "R2", referral("revoked", hour="10:00")))
    line.gateway.agreements = agreements
    assert states(line, "referral") == [("northfell", "delivered")]
    end = line.messages()[-1].id
    for _ in range(2):
        replayed(line.gateway, [end], reason="the agreement had lapsed", by="Ada Example")
        await line.gateway.sweep()
        await line.settle()
    assert states(line, "referral") == [("northfell", "delivered"), ("northfell", "delivered")]
    assert "is taken back" in sent(line, "referral", "northfell")[1]
    check_world(line)


async def test_a_decision_that_cannot_be_read_keeps_no_handover_back(line: Line) -> None:
    """Nobody knows what an earlier letter told: a person finds out, and the person's release goes on."""
    person = synthetic_person(1)
    await line.play(adt_a01(person), says(person, "S1", score("a", 7)))
    (row,) = line.deliveries(letter="assessment")

    def damage(c: Connection) -> None:
        kept = c.execute(select(decision.c.sealed_id).where(decision.c.id == row.decision_id)).scalar_one()
        c.execute(update(sealed).where(sealed.c.id == kept).values(ciphertext=b"not what was written"))

    line.gateway.store.write(damage)
    await line.play(adt_a03(person))
    assert [state for _, state in states(line, "handover")] == ["delivered"]
    assert [each.delivery_id for each in line.tasks(code="correct-by-hand")] == [row.id]


async def test_what_may_not_be_told_any_more_is_told_by_a_person(line: Line) -> None:
    """A result that was corrected, and a referral that is over, after a no: nobody is left with what is wrong."""
    one, other = synthetic_person(1), synthetic_person(2)
    await line.play(adt_a01(one), adt_a01(other, message_id="A01-2"), says(one, "S1", score("a", 7)))
    await line.play(says(other, "R1", referral(hour="09:00")))
    line.clock.advance(hours=1)
    await line.play(word("deny", person=one), says(one, "S2", score("a", 27, "corrected")))
    over = {**referral(hour="10:00"), "status": "revoked"}
    await line.play(word("deny", message_id="FHIR-no", person=other), says(other, "R2", over))
    withheld = []
    for letter in ("assessment", "referral"):
        told, last = line.deliveries(letter=letter)
        assert (told.state, last.state) == ("delivered", "withheld")
        withheld.append(last.id)
    assert [each.delivery_id for each in line.tasks(code="correct-by-hand")] == withheld
