"""Declared limits: beyond them nothing new is kept, the sender is asked to send again, and what is inside goes on."""

import json
from typing import Any

import pytest
from sqlalchemy import update

from gateway.errors import Fault
from gateway.parts import Parts
from gateway.pressure import is_full
from gateway.settings import Limits
from gateway.steps.receive import receive
from gateway.store.schema import message
from tests.builders import adt_a01, fhir_message
from tests.gateway.receive.line import FHIR_CHANNEL, arrival, count, make_parts, rows, segments


def limited(**limits: int) -> Parts:
    parts = make_parts()
    parts.settings = parts.settings.model_copy(update={"limits": Limits(**limits)})
    return parts


def later(parts: Parts) -> None:
    clock: Any = parts.clock
    clock.pass_seconds(1)


async def fill(parts: Parts, messages: int) -> None:
    for number in range(messages):
        assert (await receive(parts, arrival(adt_a01(message_id=f"M-{number}")))).accepted
        later(parts)


async def test_beyond_the_limit_nothing_is_kept_and_mllp_asks_to_send_again() -> None:
    parts = limited(unfinished_messages=3)
    await fill(parts, 3)
    before = count(parts, "message"), count(parts, "sealed"), count(parts, "ledger")
    received = await receive(parts, arrival(adt_a01(message_id="M-more")))
    assert (received.accepted, received.message_id, received.fault) == (False, None, Fault.OVERLOADED)
    assert segments(received.answer.body)["MSA"][1:3] == ["AR", "M-more"]
    assert "207^" in received.answer.body.decode()
    assert received.answer.status == 503
    assert int(received.answer.headers["Retry-After"]) > 0
    assert (count(parts, "message"), count(parts, "sealed"), count(parts, "ledger")) == before


async def test_in_enhanced_mode_the_answer_is_ce() -> None:
    parts = limited(unfinished_messages=1)
    await fill(parts, 1)
    body = adt_a01(message_id="M-more").replace(b"|P|2.5.1", b"|P|2.5.1|||AL|NE", 1)
    assert b"|||AL|NE" in body
    received = await receive(parts, arrival(body))
    assert segments(received.answer.body)["MSA"][1] == "CE"


async def test_fhir_is_503_with_retry_after() -> None:
    parts = limited(unfinished_messages=1)
    await fill(parts, 1)
    received = await receive(parts, arrival(fhir_message(), channel=FHIR_CHANNEL))
    assert received.answer.status == 503
    assert int(received.answer.headers["Retry-After"]) > 0
    outcome = json.loads(received.answer.body)
    assert (outcome["resourceType"], outcome["issue"][0]["code"]) == ("OperationOutcome", "throttled")


async def test_a_repeat_of_what_was_taken_is_still_answered() -> None:
    """Its sender lost the acknowledgement: refusing it would make it send for ever."""
    parts = limited(unfinished_messages=1)
    first = await receive(parts, arrival(adt_a01()))
    later(parts)
    assert not (await receive(parts, arrival(adt_a01(message_id="M-more")))).accepted
    again = await receive(parts, arrival(adt_a01()))
    assert (again.duplicate, again.answer) == (True, first.answer)


async def test_a_refusal_is_not_recorded_either() -> None:
    """Otherwise whoever sends nonsense fills the database beyond its limit."""
    parts = limited(unfinished_messages=1)
    await fill(parts, 1)
    received = await receive(parts, arrival(b"nonsense"))
    assert received.fault is Fault.OVERLOADED
    assert len(rows(parts)) == 1


async def test_room_is_made_by_what_ends() -> None:
    parts = limited(unfinished_messages=2)
    await fill(parts, 2)
    assert not (await receive(parts, arrival(adt_a01(message_id="M-more")))).accepted
    parts.store.write(lambda c: c.execute(update(message).values(state="released")))
    later(parts)
    assert (await receive(parts, arrival(adt_a01(message_id="M-more")))).accepted


async def test_the_database_has_a_limit_of_its_own() -> None:
    parts = limited()
    with parts.store.read() as c:
        assert not is_full(c, Limits())
        assert is_full(c, Limits.model_construct(**{**Limits().model_dump(), "store_bytes": 4_096}))
        assert is_full(c, Limits.model_construct(**{**Limits().model_dump(), "unfinished_deliveries": 0}))


async def test_it_is_looked_at_once_a_second() -> None:
    """Between two looks a second's worth may pass; a clock that goes back makes it look again."""
    parts = limited(unfinished_messages=1)
    assert (await receive(parts, arrival(adt_a01(message_id="M-1")))).accepted
    assert (await receive(parts, arrival(adt_a01(message_id="M-2")))).accepted
    clock: Any = parts.clock
    clock.pass_seconds(-10)
    assert not (await receive(parts, arrival(adt_a01(message_id="M-3")))).accepted


@pytest.mark.parametrize("name", ["unfinished_messages", "unfinished_deliveries", "store_bytes"])
def test_no_limit_can_be_switched_off(name: str) -> None:
    for value in (0, -1):
        with pytest.raises(ValueError, match="greater"):
            Limits(**{name: value})
