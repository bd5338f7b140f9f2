"""Replies of recipients: `confirmed` by nothing else, refusals told, only by the recipient's own client; a handover nobody confirms is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_profiles.replies import names_of
from gateway.clients import ClientError, add_client
from gateway.steps import replies
from gateway.steps.standing import delivery_row
from tests.builders import adt_a03, synthetic_person
from tests.flow.test_delivery import supply
from tests.line import Line, running
from tests.world import check_world

Json = dict[str, Any]
PHARMACY, NORTHFELL = "pharmacy-replies", "northfell-replies"


def reply(identifier: str, code: str = "ok", number: int = 1) -> bytes:
    header = {
        "resourceType": "MessageHeader",
        "id": f"reply-{number}",
        "eventUri": "https://pharmacy.example/response",
        "source": {"endpoint": "https://pharmacy.example/fhir"},
        "response": {"identifier": identifier, "code": code},
    }
    entry = [{"fullUrl": f"https://pharmacy.example/fhir/MessageHeader/reply-{number}", "resource": header}]
    return json.dumps({"resourceType": "Bundle", "id": f"rb-{number}", "type": "message", "entry": entry}).encode()


def register(line: Line) -> None:
    add_client(line.gateway, name=PHARMACY, kinds=("fhir-response",), recipient="pharmacy")
    add_client(line.gateway, name=NORTHFELL, kinds=("fhir-response",), recipient="northfell")


def only(line: Line) -> Any:
    (row,) = line.deliveries()
    return row


def test_a_letter_has_three_names() -> None:
    assert len(names_of("0" * 20)) == 3


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_ok_by_any_name_of_the_letter_confirms_it(tmp_path: Path, which: int) -> None:
    async with running(tmp_path) as line:
        register(line)
        await line.play(supply(1))
        got = json.loads(line.neighbours["pharmacy"].effects[0].body)
        names = (only(line).id, got["id"], got["entry"][0]["resource"]["id"])
        assert set(names) == names_of(only(line).id)
        await line.play(reply(f"urn:uuid:{names[which]}" if which else names[which]), client=PHARMACY)
        assert only(line).state == "confirmed"
        answered = line.messages()[-1]
        assert (answered.kind, answered.state, answered.person_id) == (
            "fhir-response",
            "released",
            only(line).person_id,
        )
        check_world(line)


async def test_the_same_reply_again_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        await line.play(supply(1))
        said = reply(only(line).id)
        await line.play(said, said, reply(only(line).id, number=2), client=PHARMACY)
        assert only(line).state == "confirmed"
        assert [row.state for row in line.messages(kind="fhir-response")] == ["released", "released"]
        check_world(line)


async def test_fatal_error_refuses_and_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        await line.play(adt_a03())
        await line.play(reply(only(line).id, "fatal-error"), client=NORTHFELL)
        assert (only(line).state, only(line).reason) == ("refused", "reply")
        assert {"delivery-refused", "handover-refused"} <= set(line.told_codes())
        check_world(line)


async def test_transient_error_sends_it_again_with_the_same_key(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        await line.play(supply(1))
        await line.play(reply(only(line).id, "transient-error"), client=PHARMACY)
        assert only(line).state == "queued"
        line.clock.advance(minutes=1)
        await line.settle()
        assert (only(line).state, only(line).attempts) == ("delivered", 2)
        assert len({each.key for each in line.neighbours["pharmacy"].got}) == 1
        check_world(line)


async def test_a_reply_that_comes_before_our_own_receipt_counts(tmp_path: Path) -> None:
    """The recipient hangs up after it took the letter, and says so in a message: ambiguous becomes confirmed."""
    async with running(tmp_path) as line:
        register(line)
        line.neighbours["pharmacy"].answers = [0]
        await line.play(supply(1))
        assert only(line).state == "ambiguous"
        await line.play(reply(only(line).id), client=PHARMACY)
        assert only(line).state == "confirmed"
        assert {row.code for row in line.tasks(ended_at=None)} <= {"controlled-prescriber-missing"}
        check_world(line)


@pytest.mark.parametrize("client", [NORTHFELL, PHARMACY])
async def test_only_the_recipients_own_client_is_heard(tmp_path: Path, client: str) -> None:
    """Another's client, or a name that no letter has: held, told, and the letter is where it was."""
    async with running(tmp_path) as line:
        register(line)
        await line.play(supply(1))
        await line.play(reply(only(line).id if client == NORTHFELL else "0" * 20), client=client)
        assert only(line).state == "delivered"
        assert (line.messages()[-1].state, line.messages()[-1].reason) == ("held", "reply-unknown")
        assert "reply-unknown" in line.told_codes()
        check_world(line)


async def test_sabotage_without_the_guard_another_could_confirm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above fails when the letter is not compared with the client's own recipient."""
    answered = replies._answered

    def unguarded(c: Any, said: Any) -> Any:
        return answered(c, said) or delivery_row(c, said.reply.identifier)

    monkeypatch.setattr(replies, "_answered", unguarded)
    async with running(tmp_path) as line:
        register(line)
        await line.play(supply(1))
        await line.play(reply(only(line).id), client=NORTHFELL)
        assert only(line).state == "confirmed"


async def test_who_is_no_recipient_cannot_reply(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        with pytest.raises(ClientError):
            add_client(line.gateway, name="nobody", kinds=("fhir-response",))
        await line.play(supply(1))
        answer = await line.send(reply(only(line).id))
        assert answer.status == 403
        assert only(line).state == "delivered"
        check_world(line)


async def test_what_cannot_be_is_held(tmp_path: Path) -> None:
    """Confirmed, then refused: a person asks the recipient."""
    async with running(tmp_path) as line:
        register(line)
        await line.play(supply(1))
        await line.play(reply(only(line).id), reply(only(line).id, "fatal-error", 2), client=PHARMACY)
        assert only(line).state == "confirmed"
        assert line.messages()[-1].reason == "reply-unknown"
        check_world(line)


@pytest.mark.parametrize(
    ("code", "named", "state"),
    [
        ("ok", True, "confirmed"),
        ("ok", False, "delivered"),
        ("fatal-error", True, "refused"),
        ("fatal-error", False, "refused"),
        ("transient-error", False, "queued"),
        ("junk", True, "delivered"),
    ],
)
async def test_a_reply_in_the_answer_is_read(tmp_path: Path, code: str, named: bool, state: str) -> None:
    """200 with a response message: its errors are believed whatever they name, `ok` only when it names this letter."""
    async with running(tmp_path) as line:
        line.neighbours["pharmacy"].replies = lambda key: reply(key if named else "another", code)
        await line.play(supply(1))
        assert only(line).state == state
        check_world(line)


async def test_a_handover_that_nobody_confirms_is_told_twice(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        await line.play(adt_a03())
        line.clock.advance(hours=23)
        await line.settle()
        assert line.told_codes() == []
        line.clock.advance(hours=2)
        await line.settle()
        assert line.told_codes() == ["handover-unconfirmed"]
        line.clock.advance(hours=24)
        await line.settle()
        await line.settle()
        line.clock.advance(days=20)
        await line.settle()
        assert line.told_codes() == ["handover-unconfirmed", "handover-unconfirmed-again", "not-engaged"]
        await line.play(reply(only(line).id), client=NORTHFELL)
        assert {each.code for each in line.tasks(ended_at=None)} == {"not-engaged"}, (
            "that it was read is not that the person came"
        )
        check_world(line)


async def test_a_handover_that_did_not_even_leave_is_told_too(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03(synthetic_person(2, postcode="ZB1 1AA")))
        line.clock.advance(hours=25)
        await line.settle()
        assert line.told_codes() == ["handover-unconfirmed"]
        check_world(line)


async def test_what_was_told_stands_before_no_handover_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for one at a time, as with more handovers at once than a sweep takes: each has its turn on the first day."""
    monkeypatch.setattr("gateway.steps.unconfirmed.AT_ONCE", 1)
    async with running(tmp_path) as line:
        for number in (2, 3, 4):
            person = synthetic_person(number, postcode="ZB1 1AA")
            await line.play(adt_a03(person, message_id=f"A03-{number}"))
        line.clock.advance(hours=25)
        for _ in range(4):
            await line.gateway.sweep()
        told = {task.delivery_id for task in line.tasks(code="handover-unconfirmed")}
        assert told == {row.id for row in line.deliveries()}
        assert len(told) == 3


async def test_a_confirmed_handover_is_never_told(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        register(line)
        await line.play(adt_a03())
        await line.play(reply(only(line).id), client=NORTHFELL)
        line.clock.advance(days=3)
        await line.settle()
        assert line.told_codes() == []
        check_world(line)


async def test_the_newest_handover_stands_for_the_earlier_ones(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03(), adt_a03(message_id="A03-2"))
        assert [row.state for row in line.deliveries()] == ["delivered", "delivered"]
        line.clock.advance(hours=25)
        await line.settle()
        assert [task.delivery_id for task in line.tasks(code="handover-unconfirmed")] == [line.deliveries()[1].id]
        check_world(line)
