"""Custody: once, durable, acknowledged rightly; refusals kept without a person; duplicates answered byte for byte; failures never silent."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway import failpoints
from gateway.clients import end_client
from gateway.errors import Fault
from gateway.parts import Parts
from gateway.states import MessageState
from gateway.steps.answering import due_answers
from gateway.steps.receive import Received, receive
from gateway.store import MemoryStore, StoreUnavailable, open_store
from gateway.store.schema import message, owed_answer
from tests.builders import adt_a01, fhir_message, oru_r01, rde_o11, synthetic_person
from tests.gateway.receive.line import (
    FHIR_CHANNEL,
    PartsOfTests,
    arrival,
    at_once,
    count,
    entries,
    make_parts,
    rows,
    segments,
)

CANARY = "Zebediah-Canary"


@pytest.fixture(params=["memory", "file"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Parts]:
    store = MemoryStore.create() if request.param == "memory" else open_store(f"sqlite:///{tmp_path / 'g.db'}")
    yield make_parts(store)
    store.close()


def enhanced(body: bytes, accept: str = "AL", application: str = "NE") -> bytes:
    """The same message with MSH-15 and MSH-16."""
    head, _, rest = body.partition(b"\r")
    fields = head.split(b"|")
    fields += [b""] * (16 - len(fields))
    fields[14], fields[15] = accept.encode(), application.encode()
    return b"|".join(fields) + b"\r" + rest


def with_field(body: bytes, number: int, value: bytes) -> bytes:
    """The same message with another MSH field."""
    head, _, rest = body.partition(b"\r")
    fields = head.split(b"|")
    fields[number - 1] = value
    return b"|".join(fields) + b"\r" + rest


def codes(received: Received) -> tuple[str, str, str]:
    """MSA-1, MSA-2, ERR-3.1."""
    ack = segments(received.answer.body)
    return ack["MSA"][1], ack["MSA"][2], ack["ERR"][3].partition("^")[0] if "ERR" in ack else ""


async def test_a_message_is_kept_and_acknowledged(parts: Parts) -> None:
    body = adt_a01()
    received = await receive(parts, arrival(body))
    assert received.accepted
    assert codes(received) == ("AA", "A01-1", "")
    (row,) = rows(parts)
    assert (row.id, row.state, row.kind, row.establishment) == (received.message_id, "received", "ADT^A01", "ZFG")
    assert (row.client, row.channel, row.format, row.processing_id, row.step) == ("zfg-ehr", "ehr", "hl7v2", "P", 1)
    with parts.store.read() as c:
        assert parts.keys.unseal(c, row.body_id) == body
    (entry,) = entries(parts, row.id)
    assert json.loads(entry)["event"] == "received"


async def test_an_enhanced_message_is_accepted_with_ca(parts: Parts) -> None:
    received = await receive(parts, arrival(enhanced(adt_a01())))
    assert codes(received) == ("CA", "A01-1", "")


@pytest.mark.parametrize(
    ("accept", "application", "code"),
    [("", "", "AA"), (" ", " ", "AA"), ('""', '""', "AA"), ("^", "", "AA"), ('""', "AL", "CA"), ("al", " ", "CA")],
)
async def test_only_a_value_makes_it_enhanced(accept: str, application: str, code: str) -> None:
    """A sender that fills a field with a blank, or with HL7's null, waits for AA: CA would stop it for good."""
    received = await receive(make_parts(), arrival(enhanced(adt_a01(), accept, application)))
    assert codes(received) == (code, "A01-1", "")


async def test_the_same_message_again_gets_the_stored_acknowledgement(parts: PartsOfTests) -> None:
    first = await receive(parts, arrival(adt_a01()))
    parts.clock.pass_seconds(3_600)
    again = await receive(parts, arrival(adt_a01()))
    assert again.duplicate
    assert again.answer == first.answer
    assert again.message_id == first.message_id
    assert (count(parts, "message"), count(parts, "sealed")) == (1, 2)


async def test_the_same_id_with_other_bytes_is_refused_and_keeps_the_first(parts: Parts) -> None:
    first = await receive(parts, arrival(adt_a01()))
    other = await receive(parts, arrival(adt_a01(synthetic_person(2))))
    assert not other.accepted
    assert codes(other) == ("AR", "A01-1", "205")
    assert (await receive(parts, arrival(adt_a01()))).answer == first.answer
    assert [row.state for row in rows(parts)] == ["received", "rejected"]


async def test_an_owed_application_acknowledgement_is_replayed_too() -> None:
    parts = make_parts(application_acknowledgement="same-connection")
    first = await receive(parts, arrival(enhanced(adt_a01(), "AL", "AL")))
    assert len(first.answer.then) == 1
    assert (await receive(parts, arrival(enhanced(adt_a01(), "AL", "AL")))).answer == first.answer


ANSWERS: dict[str, Any] = {"answers": {"adapter": "mllp", "adapter_settings": {"host": "127.0.0.1", "port": 2576}}}


@pytest.mark.parametrize("refusal", [with_field(adt_a01(), 9, b"ADT^A99"), with_field(adt_a01(), 11, b"T")])
async def test_one_answer_is_owed_however_often_a_message_comes(refusal: bytes) -> None:
    """Owed with custody, in its transaction; not for a refusal, not in a dry run, not by a sender who asked for none."""
    parts = make_parts(**ANSWERS)
    asked = enhanced(adt_a01(), "AL", "AL")
    first = await receive(parts, arrival(asked))
    assert (await receive(parts, arrival(asked))).answer == first.answer
    assert owed(parts) == [(first.message_id, "queued")]
    await receive(parts, arrival(enhanced(refusal, "NE", "AL")))
    await receive(parts, arrival(with_field(adt_a01(), 10, b"OTHER")))
    assert owed(parts) == [(first.message_id, "queued")]
    dry = make_parts(dry_run=True, **ANSWERS)
    assert (await receive(dry, arrival(asked))).accepted
    assert owed(dry) == []


@pytest.mark.parametrize(
    ("hl7", "state", "goes"),
    [
        (True, "received", False),
        (True, "held", True),
        (True, "parked", True),
        (True, "released", True),
        (True, "rejected", True),
        (False, "received", False),
        (False, "held", False),
        (False, "parked", False),
        (False, "released", True),
        (False, "rejected", True),
    ],
)
async def test_when_an_answer_may_go(hl7: bool, state: str, goes: bool) -> None:
    """That bytes are kept is said once the line has come to them; what became of a FHIR message once that has ended."""
    parts = make_parts(**ANSWERS)
    await receive(parts, arrival(enhanced(adt_a01(), "AL", "AL")))
    values = {"state": state, **({} if hl7 else {"format": "fhir"})}
    parts.store.write(lambda c: c.execute(update(message).values(**values)))
    with parts.store.read() as c:
        assert len(due_answers(c, parts)) == goes


async def test_what_is_not_kept_is_owed_nothing(tmp_path: Path) -> None:
    """The owing and the keeping are one commit: a store that fails before it has neither."""
    parts = make_parts(open_store(f"sqlite:///{tmp_path / 'g.db'}"), **ANSWERS)

    def fail(name: str) -> None:
        if name == "store.before-commit":
            raise StoreUnavailable("lost")

    with failpoints.hooked(fail):
        assert not (await receive(parts, arrival(enhanced(adt_a01(), "AL", "AL")))).accepted
    assert (rows(parts), owed(parts)) == ([], [])
    parts.store.close()


def owed(parts: Parts) -> list[tuple[str, str]]:
    with parts.store.read() as c:
        return [(row.message_id, row.state) for row in c.execute(select(owed_answer))]


REFUSED: list[tuple[str, bytes, dict[str, Any], str, Fault, str]] = [
    ("type", with_field(adt_a01(), 9, b"SIU^S12"), {}, "AR", Fault.TYPE_UNSUPPORTED, "200"),
    ("event", with_field(adt_a01(), 9, b"ADT^A99"), {}, "AR", Fault.EVENT_UNSUPPORTED, "201"),
    ("version", with_field(adt_a01(), 12, b"3.0"), {}, "AR", Fault.VERSION_UNSUPPORTED, "203"),
    ("test-in-p", with_field(adt_a01(), 11, b"T"), {}, "AR", Fault.PROCESSING_ID_WRONG, "202"),
    ("debug-in-p", with_field(adt_a01(), 11, b"D"), {}, "AR", Fault.PROCESSING_ID_WRONG, "202"),
    ("segment", adt_a01().partition(b"\rPID")[0] + b"\r", {}, "AE", Fault.SEGMENT_MISSING, "100"),
    ("field", with_field(adt_a01(), 10, b""), {}, "AE", Fault.FIELD_MISSING, "101"),
    ("client", adt_a01(), {"client": "nobody"}, "AR", Fault.CLIENT_UNKNOWN, "204"),
    ("kind", adt_a01(), {"client": "tests-only"}, "AR", Fault.KIND_NOT_REGISTERED, "201"),
    ("mailbox-client", adt_a01(), {"client": "pharmacy"}, "AR", Fault.KIND_NOT_REGISTERED, "201"),
    ("establishment", adt_a01(), {"client": "elsewhere"}, "AR", Fault.ESTABLISHMENT_NOT_REGISTERED, "204"),
]


@pytest.mark.parametrize(
    ("body", "more", "code", "fault", "hl7"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
async def test_a_refusal_is_kept_without_a_person_and_claims_no_id(
    parts: Parts, body: bytes, more: dict[str, Any], code: str, fault: Fault, hl7: str
) -> None:
    received = await receive(parts, arrival(body, **more))
    assert received.fault is fault
    assert not received.accepted
    assert codes(received)[::2] == (code, hl7)
    (row,) = rows(parts)
    assert (row.state, row.reason, row.id) == (MessageState.REJECTED, fault.value, received.message_id)
    assert (row.person_id, row.key_index, row.body_id, row.answer_id) == (None, None, None, None)
    assert len(row.body_index) == 32
    assert count(parts, "sealed") == 0
    assert json.loads(entries(parts, row.id)[0])["facts"]["reason"] == fault.value
    if fault is not Fault.FIELD_MISSING:
        assert codes(await receive(parts, arrival(adt_a01())))[:2] == ("AA", "A01-1")


async def test_a_refusal_in_enhanced_mode_is_cr(parts: Parts) -> None:
    assert codes(await receive(parts, arrival(enhanced(with_field(adt_a01(), 11, b"T"))))) == ("CR", "A01-1", "202")
    assert codes(await receive(parts, arrival(enhanced(with_field(adt_a01(), 9, b"ADT^A99")))))[0] == "CR"


async def test_a_refusal_that_msh_15_does_not_want_is_silent(parts: Parts) -> None:
    received = await receive(parts, arrival(enhanced(with_field(adt_a01(), 9, b"ADT^A99"), "SU", "NE")))
    assert received.fault is Fault.EVENT_UNSUPPORTED
    assert received.answer.body == b""


@pytest.mark.parametrize("junk", [b"", b"hello", b"\x00" * 100, b"MSH", b"MSH|", "MSH|^~\\&|é".encode("utf-16")])
async def test_what_cannot_be_read_is_refused_and_kept_as_a_digest(parts: Parts, junk: bytes) -> None:
    received = await receive(parts, arrival(junk))
    assert not received.accepted
    assert codes(received)[0] == "AE"
    assert [row.state for row in rows(parts)] == ["rejected"]
    assert rows(parts)[0].kind == "unreadable"


async def test_the_beginning_of_a_message_is_never_taken_for_the_message(parts: Parts) -> None:
    received = await receive(parts, arrival(adt_a01(), truncated=True))
    assert received.fault is Fault.TOO_LARGE
    assert codes(received) == ("AR", "A01-1", "102")


async def test_senders_of_a_channel_are_compared_when_it_states_them() -> None:
    sender = "|".join(adt_a01().split(b"|")[number].decode() for number in (2, 3))
    assert (await receive(make_parts(senders=[sender]), arrival(adt_a01()))).accepted
    other = await receive(make_parts(senders=["OTHER|X"]), arrival(adt_a01()))
    assert other.fault is Fault.SENDER_UNKNOWN
    assert codes(other) == ("AR", "A01-1", "204")


async def test_kinds_of_a_channel_narrow_those_of_its_client() -> None:
    parts = make_parts(kinds=["ORU^R01"])
    assert (await receive(parts, arrival(adt_a01()))).fault is Fault.KIND_NOT_REGISTERED
    assert (await receive(parts, arrival(oru_r01()))).accepted


async def test_a_message_without_establishment_belongs_to_the_only_one_of_its_client(parts: Parts) -> None:
    body = fhir_message()
    text = body.replace(b'"ZFG"', b'"none"')
    assert text != body
    alone = await receive(parts, arrival(text, channel=FHIR_CHANNEL))
    assert alone.accepted
    assert rows(parts)[0].establishment == "ZFG"


async def test_a_message_without_establishment_from_a_client_of_two_is_refused(parts: Parts) -> None:
    text = fhir_message().replace(b'"ZFG"', b'"none"')
    refused = await receive(parts, arrival(text, channel=FHIR_CHANNEL, client="two-prisons"))
    assert refused.fault is Fault.ESTABLISHMENT_MISSING


async def test_an_ended_client_is_refused(parts: Parts) -> None:
    parts.store.write(lambda c: end_client(c, parts, "zfg-ehr"))
    assert (await receive(parts, arrival(adt_a01()))).fault is Fault.CLIENT_UNKNOWN


async def test_try_asks_no_register_and_takes_test_messages() -> None:
    parts = make_parts(register_checked=False, dry_run=True)
    for letter in (b"P", b"T", b"D"):
        body = with_field(with_field(adt_a01(), 11, letter), 10, b"ID-" + letter)
        assert (await receive(parts, arrival(body, client="nobody"))).accepted


# FHIR


async def test_a_fhir_message_is_kept_and_its_response_is_stored_with_it(parts: Parts) -> None:
    first = await receive(parts, arrival(fhir_message(), channel=FHIR_CHANNEL))
    assert first.accepted
    assert first.answer.status == 202
    assert first.processed is not None
    response = json.loads(first.processed.body)
    assert response["type"] == "message"
    assert response["entry"][0]["resource"]["response"]["code"] == "ok"
    again = await receive(parts, arrival(fhir_message(), channel=FHIR_CHANNEL))
    assert (again.duplicate, again.answer, again.processed) == (True, first.answer, first.processed)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"resourceType":"Bundle","resourceType":"Bundle"}', 400),
        (b'{"a":NaN}', 400),
        (b'{"a":"\xff"}', 400),
        (b"[" * 100 + b"]" * 100, 400),
        (b'{"resourceType":"Parameters"}', 422),
        (b'{"resourceType":"Bundle","type":"batch"}', 422),
        (b'{"resourceType":"Bundle","type":"message","entry":[]}', 422),
    ],
)
async def test_what_is_no_fhir_message_is_refused(parts: Parts, body: bytes, status: int) -> None:
    received = await receive(parts, arrival(body, channel=FHIR_CHANNEL))
    assert received.answer.status == status
    assert json.loads(received.answer.body)["resourceType"] == "OperationOutcome"
    assert [row.state for row in rows(parts)] == ["rejected"]


# what fails


class Failing:
    """A store whose commit fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def write_async(self, work: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), RuntimeError("surprise"), MemoryError()])
@pytest.mark.parametrize(
    ("body", "code"), [(adt_a01(), "AR"), (enhanced(adt_a01()), "CE")], ids=["original", "enhanced"]
)
async def test_a_store_that_fails_is_never_custody(body: bytes, code: str, error: Exception) -> None:
    parts = make_parts()
    parts.store = Failing(error)  # type: ignore[assignment]  # sabotage of the store
    received = await receive(parts, arrival(body))
    assert codes(received) == (code, "A01-1", "207")
    assert (received.accepted, received.message_id, received.answer.status) == (False, None, 503)
    assert "Retry-After" in received.answer.headers
    assert "X-Message-ID" not in received.answer.headers


async def test_a_failure_inside_the_transaction_keeps_nothing(parts: Parts) -> None:
    def fail(name: str) -> None:
        if name == "receive.before-commit":
            raise OSError("power")

    with failpoints.hooked(fail):
        received = await receive(parts, arrival(adt_a01()))
    assert not received.accepted
    assert (count(parts, "message"), count(parts, "sealed")) == (0, 0)
    assert (await receive(parts, arrival(adt_a01()))).accepted


async def test_nothing_is_acknowledged_before_the_commit(parts: Parts) -> None:
    order: list[str] = []
    with failpoints.hooked(order.append):
        await receive(parts, arrival(adt_a01()))
        order.append("answered")
    assert order.index("receive.before-commit") < order.index("receive.after-commit") < order.index("answered")


async def test_many_at_once_are_all_kept_once(parts: Parts) -> None:
    bodies = [adt_a01(synthetic_person(number), message_id=f"M-{number}") for number in range(40)]
    received = await asyncio.gather(*(receive(parts, arrival(body)) for body in bodies * 3))
    assert all(one.accepted for one in received)
    assert sum(not one.duplicate for one in received) == 40
    assert len(rows(parts)) == 40
    for number in range(40):
        answers = {received[number + 40 * turn].answer.body for turn in range(3)}
        assert len(answers) == 1


@pytest.mark.parametrize("place", [3, 5, 9, 10, 11, 12])
async def test_no_error_quotes_what_was_sent(parts: Parts, place: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that strayed into MSH comes back to its sender in the header at most, and nowhere else."""
    body = with_field(adt_a01(), place, CANARY.encode())
    body = body.replace(b"\rPID|", b"\rPID|" + CANARY.encode() + b"|")
    received = await receive(parts, arrival(body))
    ack = received.answer.body.decode()
    for segment in ack.split("\r"):
        if segment.startswith("ERR"):
            assert CANARY not in segment
    assert CANARY not in "".join(capsys.readouterr())
    for row in rows(parts):
        assert CANARY not in str(row)
        assert CANARY not in str(entries(parts, row.id))


async def test_sabotage_an_altered_stored_acknowledgement_is_not_sent(parts: Parts) -> None:
    """If the stored acknowledgement cannot be opened, the sender hears that nothing was taken; it does not get another one."""
    await receive(parts, arrival(adt_a01()))
    parts.store.write(lambda c: c.execute(update(message).values(answer_id=None)))
    received = await receive(parts, arrival(adt_a01()))
    assert not received.accepted
    assert received.fault is Fault.STORE_UNAVAILABLE


async def test_rde_and_oru_are_taken(parts: Parts) -> None:
    assert (await receive(parts, arrival(rde_o11()))).accepted
    assert (await receive(parts, arrival(oru_r01()))).accepted


@pytest.fixture
def kept_in_a_file(tmp_path: Path) -> Iterator[Parts]:
    store = open_store(f"sqlite:///{tmp_path / 'g.db'}")
    yield make_parts(store)
    store.close()


async def test_a_message_and_its_repeat_that_come_together_are_one_message(kept_in_a_file: Parts) -> None:
    parts = kept_in_a_file
    first, other, again, reused = await at_once(
        parts,
        arrival(adt_a01()),
        arrival(with_field(adt_a01(), 10, b"A01-2")),
        arrival(adt_a01()),
        arrival(adt_a01(synthetic_person(7))),
    )
    assert [each.duplicate for each in (first, other, again, reused)] == [False, False, True, False]
    assert again.answer == first.answer
    assert again.message_id == first.message_id
    assert reused.fault is Fault.ID_REUSED
    assert [(each.id, each.state) for each in rows(parts)] == [
        (first.message_id, "received"),
        (other.message_id, "received"),
        (reused.message_id, "rejected"),
    ]
    assert all(len(entries(parts, each.id)) == 1 for each in rows(parts))
    for kept, body in zip(rows(parts), (adt_a01(), with_field(adt_a01(), 10, b"A01-2")), strict=False):
        with parts.store.read() as c:
            assert parts.keys.unseal(c, kept.body_id) == body
            assert parts.keys.unseal(c, kept.answer_id)


async def test_of_those_that_come_together_one_that_cannot_be_kept_costs_nobody_else(
    kept_in_a_file: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = kept_in_a_file
    seal = parts.keys.seal_all

    def breaks(c: Any, things: Any, **named: Any) -> list[str]:
        if any(b"A01-2" in each.plaintext for each in things):
            raise ValueError("on purpose")
        return seal(c, things, **named)

    monkeypatch.setattr(parts.keys, "seal_all", breaks)
    first, broken, last = await at_once(
        parts,
        arrival(adt_a01()),
        arrival(with_field(adt_a01(), 10, b"A01-2")),
        arrival(with_field(adt_a01(), 10, b"A01-3")),
    )
    assert broken.fault is Fault.STORE_UNAVAILABLE
    assert broken.message_id is None
    assert [each.id for each in rows(parts)] == [first.message_id, last.message_id]
