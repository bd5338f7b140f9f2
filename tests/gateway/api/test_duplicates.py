"""A FHIR message that was sent before, by the dialect of its registered sender: the tables of R4 messaging and of BaRS, row by row."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from adapters.contract import Arrival
from gateway.parts import Parts
from gateway.steps.receive import Received, asked_as, receive
from gateway.store.schema import message
from tests.builders import fhir_message
from tests.gateway.api.conftest import Http
from tests.gateway.receive.line import BARS_CHANNEL, FHIR_CHANNEL, arrival, make_parts, rows

FIRST, SECOND = "0b1f5b2e-0000-4000-8000-000000000001", "0b1f5b2e-0000-4000-8000-000000000002"
TALK = "0b1f5b2e-0000-4000-8000-00000000000c"
PROCESSED, TAKEN, AGAIN, UNDER_WAY, REFUSED = "processed", "taken", "again", "under way", "refused"


def sent(bundle: str = "bundle-1", header: str = "header-1", *, content: str = "") -> bytes:
    made = json.loads(fhir_message())
    made["id"] = bundle
    made["entry"][0]["resource"]["id"] = header
    return json.dumps(made).encode() + content.encode()


def in_bars(body: bytes, request_id: str | None = FIRST, correlation_id: str | None = TALK) -> Arrival:
    plain = arrival(body, channel=BARS_CHANNEL, client="referrer")
    return replace(plain, request_id=request_id, correlation_id=correlation_id)


def release(parts: Parts) -> None:
    parts.store.write(
        lambda c: c.execute(update(message).where(message.c.state == "received").values(state="released"))
    )


def said(first: Received, second: Received) -> tuple[str, int, str]:
    """What became of the second: the word, the HTTP status and the issue code of its answer."""
    code = json.loads(second.answer.body).get("issue", [{}])[0].get("code", "")
    if not second.accepted:
        return REFUSED, second.answer.status, code
    if not second.duplicate:
        return TAKEN, second.answer.status, code
    assert second.message_id == first.message_id
    return AGAIN, second.answer.status, code


CORE = [
    # Bundle.id, MessageHeader.id, content: what R4 messaging asks (3.4.3.2)
    ("the same message", sent(), (AGAIN, 202, "informational")),
    ("resubmitted in a new Bundle", sent("bundle-2"), (TAKEN, 202, "informational")),
    ("a Bundle.id used again", sent(header="header-2"), (REFUSED, 409, "duplicate")),
    ("both ids used again", sent(content=" "), (REFUSED, 409, "duplicate")),
    ("a new message", sent("bundle-2", "header-2"), (TAKEN, 202, "informational")),
]


@pytest.mark.parametrize("done", [False, True], ids=["under-way", "done"])
@pytest.mark.parametrize(("second", "expected"), [row[1:] for row in CORE], ids=[row[0] for row in CORE])
async def test_core_sends_the_stored_response_again(second: bytes, expected: tuple[str, int, str], done: bool) -> None:
    parts = make_parts()
    first = await receive(parts, arrival(sent(), channel=FHIR_CHANNEL))
    if done:
        release(parts)
    again = await receive(parts, arrival(second, channel=FHIR_CHANNEL))
    assert said(first, again) == expected
    if expected[0] == AGAIN:
        assert (again.answer, again.processed) == (first.answer, first.processed)


BARS: list[tuple[Any, ...]] = [
    # X-Request-ID, body: under way, done. `duplicate` reads as success: only what is here byte for byte may get it
    ("the same request", FIRST, sent(), (AGAIN, 425, "transient"), (AGAIN, 409, "duplicate")),
    ("the same message, asked anew", SECOND, sent(), (AGAIN, 425, "transient"), (AGAIN, 409, "duplicate")),
    ("the same request, other content", FIRST, sent(content=" "), *[(REFUSED, 400, "value")] * 2),
    ("the same request, another Bundle", FIRST, sent("bundle-2"), *[(REFUSED, 400, "value")] * 2),
    ("a Bundle.id used again", SECOND, sent(content=" "), *[(REFUSED, 400, "value")] * 2),
    ("a Bundle.id under another header", SECOND, sent(header="header-2"), *[(REFUSED, 400, "value")] * 2),
    ("resubmitted in a new Bundle", SECOND, sent("bundle-2"), *[(TAKEN, 202, "informational")] * 2),
    ("a new message", SECOND, sent("bundle-2", "header-2"), *[(TAKEN, 202, "informational")] * 2),
]


@pytest.mark.parametrize("done", [False, True], ids=["under-way", "done"])
@pytest.mark.parametrize(
    ("request_id", "second", "under_way", "ended"), [row[1:] for row in BARS], ids=[row[0] for row in BARS]
)
async def test_bars_says_409_or_425(
    request_id: str, second: bytes, under_way: tuple[str, int, str], ended: tuple[str, int, str], done: bool
) -> None:
    parts = make_parts()
    first = await receive(parts, in_bars(sent()))
    if done:
        release(parts)
    again = await receive(parts, in_bars(second, request_id))
    assert said(first, again) == (ended if done else under_way)
    assert ("Retry-After" in again.answer.headers) == (again.answer.status == 425)
    assert len([row for row in rows(parts) if row.state != "rejected"]) == (
        1 if again.duplicate or not again.accepted else 2
    )
    if again.answer.status >= 400:
        (coding,) = json.loads(again.answer.body)["issue"][0]["details"]["coding"]
        assert (
            coding["code"] == {400: "REC_BAD_REQUEST", 409: "REC_CONFLICT", 425: "REC_TOO_EARLY"}[again.answer.status]
        )


async def test_what_is_held_for_a_person_is_a_duplicate_like_any_other() -> None:
    answers = []
    for state in ("released", "held", "parked"):
        parts = make_parts()
        await receive(parts, in_bars(sent()))
        parts.store.write(lambda c, state=state: c.execute(update(message).values(state=state)))  # type: ignore[misc]  # mypy infers no type for a lambda with a default
        answers.append((await receive(parts, in_bars(sent()))).answer)
    assert [answer.status for answer in answers] == [409, 409, 409]
    assert len({answer.body for answer in answers}) == 1


@pytest.mark.parametrize(("request_id", "correlation_id"), [(None, TALK), (FIRST, None), (None, None)])
async def test_bars_needs_both_ids(request_id: str | None, correlation_id: str | None) -> None:
    parts = make_parts()
    refused = await receive(parts, in_bars(sent(), request_id, correlation_id))
    assert (refused.accepted, refused.answer.status) == (False, 400)
    assert json.loads(refused.answer.body)["issue"][0]["code"] == "required"
    assert (await receive(parts, in_bars(sent()))).accepted, "a refusal claims no id"


async def test_the_response_names_what_its_dialect_names() -> None:
    parts = make_parts()
    for asked, named in ((arrival(sent(), channel=FHIR_CHANNEL), "header-1"), (in_bars(sent("bundle-2")), "bundle-2")):
        received = await receive(parts, asked)
        assert received.processed is not None
        header = json.loads(received.processed.body)["entry"][0]["resource"]
        assert header["response"] == {"identifier": named, "code": "ok"}


async def test_the_ids_of_a_request_are_kept_sealed_and_come_back(http: Http) -> None:
    """GUIDs alone: anything else could be anything, and is only echoed."""
    given = {"X-Request-ID": FIRST.upper(), "X-Correlation-ID": "9990000018"}
    headers = {"Content-Type": "application/fhir+json", **http.bearer()}
    path = "/fhir/$process-message?async=true"
    _, answered, _ = await http.ask("POST", path, data=sent(), headers=headers | given)
    assert (answered["x-request-id"], answered["x-correlation-id"]) == (FIRST.upper(), "9990000018")
    (row,) = rows(http.line.parts)
    with http.line.store.read() as c:
        assert asked_as(http.line.parts.keys.unseal(c, row.answer_id)) == {"X-Request-ID": FIRST}
    bars = {"Content-Type": "application/fhir+json", **http.bearer("referrer")}
    both = {"X-Request-ID": SECOND, "X-Correlation-ID": TALK}
    status, _, _ = await http.ask("POST", path, data=sent("bundle-3"), headers=bars)
    assert status == 400
    status, _, _ = await http.ask("POST", path, data=sent("bundle-3"), headers=bars | both)
    assert status == 202
    release(http.line.parts)
    status, answered, _ = await http.ask("POST", path, data=sent("bundle-3"), headers=bars | both)
    assert (status, answered["x-request-id"], answered["x-correlation-id"]) == (409, SECOND, TALK)
