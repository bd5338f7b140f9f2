"""After a telephone call: a person says what a letter's recipient said. Nothing is sent twice for it, nobody is asked again, and it is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from gateway import desk
from gateway.__main__ import app
from gateway.desk import DeskError
from gateway.failpoints import hooked
from gateway.metrics import METRICS, exposition
from gateway.steps.reasons import ReasonMissing
from gateway.store.schema import ledger_entry
from tests.builders import adt_a03, fhir_message, synthetic_person
from tests.flow.test_delivery import BOXED, supply
from tests.line import Line, running
from tests.world import check_world

CALLED = {"reason": "asked the duty worker", "by": "clinical-lead"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def entries(line: Line, chain: str) -> list[tuple[str, dict[str, Any]]]:
    """(event, facts) of a chain, in its order."""
    with line.gateway.store.read() as c:
        rows = c.execute(
            select(ledger_entry.c.body).where(ledger_entry.c.chain == chain).order_by(ledger_entry.c.step)
        ).scalars()
        return [(entry["event"], entry["facts"]) for entry in map(json.loads, rows)]


async def lost_answers(line: Line, number: int) -> Any:
    """A prescription copy that was taken and never answered, this many times."""
    line.neighbours["pharmacy"].answers = [0] * number
    await line.play(supply(1))
    for _ in range(number - 1):
        line.clock.advance(seconds=30)
        await line.settle()
    return line.deliveries()[0]


@pytest.mark.parametrize(("lost", "state"), [(1, "ambiguous"), (4, "parked")])
async def test_the_recipient_has_it(tmp_path: Path, lost: int, state: str) -> None:
    """Delivered by a person's word: no further attempt, its tasks are done, whoever waited behind it goes."""
    async with running(tmp_path) as line:
        letter = await lost_answers(line, lost)
        assert letter.state == state
        await line.play(supply(2))
        assert [row.state for row in line.deliveries()] == [state, "queued"]
        assert desk.say_delivered(line.gateway, letter.id, **CALLED) == "delivered"
        line.clock.advance(hours=2)
        await line.settle()
        assert [row.state for row in line.deliveries()] == ["delivered", "delivered"]
        assert [each.key for each in line.neighbours["pharmacy"].got].count(letter.id) == lost
        assert not [row for row in line.tasks(delivery_id=letter.id) if row.ended_at is None]
        event, facts = entries(line, letter.id)[-1]
        assert (event, facts["reason"]) == ("delivered", "by-person")
        with line.gateway.store.read() as c:
            assert json.loads(line.gateway.keys.unseal(c, facts["note"])) == CALLED
        with pytest.raises(DeskError):
            desk.say_delivered(line.gateway, letter.id, **CALLED)
        check_world(line)


@pytest.mark.parametrize(("lost", "state"), [(1, "ambiguous"), (4, "parked")])
async def test_the_recipient_has_it_not(tmp_path: Path, lost: int, state: str) -> None:
    """Sent again at once, under the id that it has: a recipient that had it after all recognises it."""
    async with running(tmp_path) as line:
        letter = await lost_answers(line, lost)
        assert letter.state == state
        desk.release_held(line.gateway, letter.id, **CALLED)
        await line.settle()
        assert [row.state for row in line.deliveries()] == ["delivered"]
        assert [each.key for each in line.neighbours["pharmacy"].got] == [letter.id] * (lost + 1)
        assert "held-released" in [event for event, _ in entries(line, letter.id)]
        check_world(line)


@pytest.mark.parametrize("point", ["reconsider.before-commit", "reconsider.after-commit"])
async def test_the_word_the_letter_and_the_end_of_its_work_are_one_commit(tmp_path: Path, point: str) -> None:
    """Killed before it, everything is as it was; killed after it, everything is done, and no work stands open for what is."""

    def dies(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt

    async with running(tmp_path) as line:
        await line.play(adt_a03(synthetic_person(1, postcode="ZZ9 9ZZ")))
        (letter,) = line.deliveries()
        with hooked(dies), pytest.raises(KeyboardInterrupt):
            desk.release_held(line.gateway, letter.id, recipient="northfell", **CALLED)
        done = point == "reconsider.after-commit"
        (now,) = line.deliveries()
        assert (now.state != "held") is done
        assert ("held-released" in [event for event, _ in entries(line, letter.id)]) is done
        of_the_hold = [row.ended_at is None for row in line.tasks(delivery_id=letter.id, code=letter.reason)]
        assert of_the_hold == [not done]
        if not done:
            assert desk.release_held(line.gateway, letter.id, recipient="northfell", **CALLED) == "queued"
        await line.settle()
        assert [row.state for row in line.deliveries()] == ["delivered"]
        assert [each.key for each in line.neighbours["northfell"].got] == [letter.id]
        assert not [row for row in line.tasks(code=letter.reason) if row.ended_at is None]
        check_world(line)


async def test_a_letter_that_never_went_out_has_not_arrived(tmp_path: Path) -> None:
    """Nobody can have what was not sent; nor is a letter whose fate is known settled again; a reason is always needed."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(synthetic_person(1, postcode="ZZ9 9ZZ")))
        held = line.deliveries()[0]
        assert held.state == "held"
        for wrong in (held.id, "NOBODY"):
            with pytest.raises(DeskError):
                desk.say_delivered(line.gateway, wrong, **CALLED)
        await lost_answers(line, 1)
        waits = line.deliveries(state="ambiguous")[0]
        with pytest.raises(ReasonMissing):
            desk.say_delivered(line.gateway, waits.id, reason=" ", by="operator")
        assert line.deliveries(state="ambiguous")[0].step == waits.step
        check_world(line)


async def test_a_mailbox_is_not_sent_to(tmp_path: Path) -> None:
    """Collected and never acknowledged: asking to send it again says who has to collect it; saying that it arrived settles it."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(BOXED))
        box = line.deliveries()[0]
        await line.gateway.mailbox_open(line.box_client(), box.id)
        line.clock.advance(hours=1)
        await line.settle()
        assert line.deliveries()[0].state == "ambiguous"
        with pytest.raises(DeskError, match="collect"):
            desk.release_held(line.gateway, box.id, **CALLED)
        assert desk.say_delivered(line.gateway, box.id, **CALLED) == "delivered"
        assert list(await line.gateway.mailbox_list(line.box_client())) == []
        check_world(line)


def unconfirmed(line: Line) -> float:
    text = exposition(line.gateway).decode()
    assert "throughgate_handovers_unconfirmed" in METRICS
    (value,) = [row.split()[-1] for row in text.splitlines() if row.startswith("throughgate_handovers_unconfirmed ")]
    return float(value)


async def test_a_call_ends_the_asking_for_a_confirmation(tmp_path: Path) -> None:
    """A handover that nobody confirmed: the clinical lead telephones and says so; no second escalation, no alert."""
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=25)
        await line.settle()
        (asked,) = [item for item in desk.tasks(line.gateway) if item.code == "handover-unconfirmed"]
        assert (asked.role, asked.delivery) == ("clinical-lead", line.deliveries()[0].id)
        assert unconfirmed(line) == 1
        desk.end_task(line.gateway, asked.id, **CALLED)
        line.clock.advance(hours=48)
        await line.settle()
        assert unconfirmed(line) == 0
        assert line.told_codes() == ["handover-unconfirmed"]
        assert desk.tasks(line.gateway) == ()
        assert [event for event, _ in entries(line, asked.id)] == ["told", "task-ended"]
        with pytest.raises(DeskError):
            desk.end_task(line.gateway, asked.id, **CALLED)
        check_world(line)


async def test_without_a_call_it_is_asked_again(tmp_path: Path) -> None:
    """The measure of the test above: the same handover, and nobody says anything."""
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        line.clock.advance(hours=25)
        await line.settle()
        line.clock.advance(hours=48)
        await line.settle()
        assert line.told_codes() == ["handover-unconfirmed", "handover-unconfirmed-again"]
        assert unconfirmed(line) == 1
        first, second = desk.tasks(line.gateway)
        desk.end_task(line.gateway, second.id, **CALLED)  # one call answers both
        assert (desk.tasks(line.gateway), unconfirmed(line)) == ((), 0)
        assert [entries(line, each.id)[-1][0] for each in (first, second)] == ["task-ended", "task-ended"]
        check_world(line)


async def test_a_task_of_what_still_waits_is_not_ticked_off(tmp_path: Path) -> None:
    """A held letter and a held message: settle them, and their tasks end."""
    async with running(tmp_path) as line:
        await line.play(adt_a03(synthetic_person(1, postcode="ZZ9 9ZZ")), fhir_message(resources=[], message_id="E"))
        for item in desk.tasks(line.gateway):
            with pytest.raises(DeskError, match="still waits"):
                desk.end_task(line.gateway, item.id, **CALLED)
        for waits in desk.held(line.gateway):
            desk.reject_held(line.gateway, waits.id, **CALLED)
        assert desk.tasks(line.gateway) == ()
        check_world(line)


async def test_on_the_command_line(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        letter = await lost_answers(line, 1)
        await line.play(adt_a03())
        line.clock.advance(hours=25)
        line.neighbours["pharmacy"].answers = [0] * 9
        await line.settle()
        config = ("--config", str(line.config))
    listed = json.loads(run("task", "--json", *config).output)["tasks"]
    assert {item["code"] for item in listed} == {
        "controlled-prescriber-missing",
        "delivery-ambiguous",
        "handover-unconfirmed",
    }
    assert "delivery-ambiguous" in run("task", "--role", "operator", *config).output
    assert "delivery-ambiguous" not in run("task", "--role", "clinical-lead", *config).output
    call = next(item["id"] for item in listed if item["code"] == "handover-unconfirmed")
    assert run("task", "done", call, *config).exit_code == 2
    assert json.loads(run("task", "done", call, "--reason", "called", "--json", *config).output)["state"] == "done"
    done = run("held", "delivered", letter.id, "--reason", "called", *config)
    assert (done.exit_code, done.output) == (0, f"{letter.id}: delivered\n")
    left = json.loads(run("task", "--json", *config).output)["tasks"]
    assert [item["code"] for item in left] == ["controlled-prescriber-missing"]  # no call ends that one
