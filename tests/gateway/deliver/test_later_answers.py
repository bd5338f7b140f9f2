"""Answers that come later, each a message of its own, to real listeners: application acknowledgements over MLLP and HTTP, FHIR responses."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update

from adapters.contract import Answer, Arrival
from adapters.mllp.inbound import MllpInbound
from adapters.mllp.settings import InboundSettings
from fhir_profiles.replies import names_of
from fhir_profiles.shapes import Severity
from fhir_profiles.validate import validate
from gateway import desk, whole_way
from gateway.clients import end_client
from gateway.failpoints import hooked
from gateway.reconciliation import Window, read_list, with_recipient
from gateway.steps import answering
from gateway.steps.deliver import Result, Sent
from gateway.store.schema import client, ledger_entry, owed_answer
from tests.builders import PERSON, adt_a01, adt_a03, care_plan, fhir_message, synthetic_person
from tests.gateway.receive.line import segments
from tests.line import CLINICAL, STRANGER, Line, Neighbour, neighbours, running
from tests.world import check_world

FHIR_CHANNEL = "clinical-messages"
MINUTE = {"minutes": 1}


class Ehr:
    """The sender's own listener: it takes application acknowledgements and answers each with an accept acknowledgement."""

    def __init__(self) -> None:
        self.got: list[dict[str, list[str]]] = []
        self.bodies: list[bytes] = []
        self.says: list[str] = []
        """MSA-1 of the next answers, with ERR-3 behind it where there is an error; then CA."""

    async def accept(self, arrival: Arrival) -> Answer:
        ack = segments(arrival.body)
        self.got.append(ack)
        self.bodies.append(arrival.body)
        said, _, error = (self.says.pop(0) if self.says else "CA").partition(" ")
        answer = f"MSH|^~\\&|EHR|ZFG|TG|GATE|20260115120000||ACK|R-{len(self.got)}|P|2.5\rMSA|{said}|{ack['MSH'][10]}\r"
        return Answer(body=(answer + f"ERR|||{error}\r" * bool(error)).encode(), content_type="x")

    def said(self) -> list[tuple[str, str]]:
        """MSA-1 and MSA-2 of what came, in order."""
        return [(ack["MSA"][1], ack["MSA"][2]) for ack in self.got]


def enhanced(body: bytes, accept: str, application: str) -> bytes:
    head, _, rest = body.partition(b"\r")
    fields = head.split(b"|")
    fields += [b""] * (16 - len(fields))
    fields[14], fields[15] = accept.encode(), application.encode()
    return b"|".join(fields) + b"\r" + rest


def plan(message_id: str, *, identified: bool = True) -> bytes:
    """A FHIR message with a care plan; about nobody who can be identified, where that is said."""
    made = json.loads(
        fhir_message(message_id=message_id, resources=[care_plan(start="2026-01-02", description="plan")])
    )
    for entry in made["entry"] if not identified else ():
        entry["resource"].pop("identifier", None)
    return json.dumps(made).encode()


@asynccontextmanager
async def answered(folder: Path, *, hl7: str = "mllp") -> AsyncIterator[tuple[Line, Ehr, Neighbour]]:
    """A line whose EHR and clinical system have registered where their later answers go, and both listeners."""
    async with neighbours("sender") as found, running(folder) as line:
        ehr, sender = Ehr(), found["sender"]
        listener = MllpInbound(InboundSettings(channel="x", client="x", port=0))
        await listener.start(ehr.accept)
        http = f'adapter_settings = {{url = "http://127.0.0.1:{sender.port}/answers"}}\n'
        settings = {"mllp": f'adapter_settings = {{host = "127.0.0.1", port = {listener.port}}}\n', "hl7v2_http": http}
        ways = f'[channels.answers]\nadapter = "{hl7}"\n{settings[hl7]}'
        ways += f'\n[[channels]]\nname = "{FHIR_CHANNEL}"\nadapter = "http"\nformat = "fhir"\nclient = "{CLINICAL}"\n'
        ways += f'[channels.answers]\nadapter = "fhir_http"\n{http}\n[tell]\n'
        line.config.write_text(line.config.read_text().replace("[tell]\n", ways))
        await line.restart()
        try:
            yield line, ehr, sender
        finally:
            await listener.stop()


async def ask(line: Line, body: bytes, *, later: bool = True) -> Answer:
    """POST $process-message, with `async=true` or without."""
    asked = Arrival(
        channel=FHIR_CHANNEL, client=CLINICAL, body=body, content_type="application/fhir+json", answer_later=later
    )
    answer = await line.gateway.accept(asked)
    if answer.status < 300:
        line.accepted.append(body)
    return answer


def states(line: Line) -> list[str]:
    return [row.state for row in line.rows(owed_answer)]


def response(body: bytes) -> dict[str, Any]:
    """The MessageHeader.response of a message that is valid FHIR."""
    message = json.loads(body)
    assert not [one for one in validate(message) if one.severity in (Severity.ERROR, Severity.FATAL)]
    said: dict[str, Any] = message["entry"][0]["resource"]["response"]
    return said


async def test_an_application_acknowledgement_comes_as_a_message_of_its_own(tmp_path: Path) -> None:
    """For what was released and for what is held; not for a refusal, not where none is asked, and never in front of a letter."""
    async with answered(tmp_path) as (line, ehr, _):
        asked = enhanced(adt_a03(message_id="D-1"), "AL", "AL")
        answer = await line.send(asked)
        assert (segments(answer.body)["MSA"][1:], answer.then) == (["CA", "D-1"], ())
        nobody = adt_a01(message_id="D-2")
        for number, other in ((PERSON.nhs_number, b"9990000001"), (PERSON.prison_number, b"X")):
            nobody = nobody.replace(number.encode(), other)
        for body in (
            enhanced(nobody, "NE", "SU"),
            enhanced(adt_a01(message_id="D-3"), "AL", "ER"),
            enhanced(adt_a01(message_id="D-4"), "AL", "NE"),
            adt_a01(message_id="D-5"),
        ):
            await line.send(body)
        refused = await line.send(enhanced(adt_a01(message_id="D-6"), "NE", "AL").replace(b"ADT^A01", b"ADT^A99"))
        assert segments(refused.body)["MSA"][1:3] == ["AR", "D-6"]
        await line.settle()
        assert [row.state for row in line.messages()][:2] == ["released", "held"]
        assert sorted(ehr.said()) == [("AA", "D-1"), ("AA", "D-2")]
        owed = line.rows(owed_answer)
        assert {ack["MSH"][10] for ack in ehr.got} == {row.id for row in owed}
        assert {tuple(ack["MSH"][15:17]) for ack in ehr.got} == {("AL", "NE")}
        assert {set(ack) == {"MSH", "MSA"} for ack in ehr.got} == {True}
        assert states(line) == ["delivered", "delivered"]
        # the sender repeats its message: the stored acknowledgement, and the same answer again under the same id
        again = await line.send(asked)
        assert again == answer
        await line.settle()
        assert ehr.bodies[2] == next(body for body in ehr.bodies[:2] if b"|D-1" in body)
        assert len(line.rows(owed_answer)) == 2
        with line.gateway.store.read() as c:
            assert whole_way.find_message(c, owed[0].id) == owed[0].message_id
            way = whole_way.message_way(c, line.gateway, owed[0].message_id)
        assert way is not None
        assert way.answer is not None
        assert (way.answer.id, way.answer.state) == (owed[0].id, "delivered")
        chain = line.rows(ledger_entry, chain=next(row.id for row in owed if row.attempts == 1 and row.step == 3))
        assert [json.loads(one.body)["facts"]["state"] for one in chain][:3] == ["queued", "sending", "delivered"]
        check_world(line)


async def test_a_response_comes_as_a_message_of_its_own(tmp_path: Path) -> None:
    """`ok` once released, nothing while a person has to look, `fatal-error` when that person rejects it; none without `async`."""
    async with answered(tmp_path) as (line, _, sender):
        assert (await ask(line, plan("M-1"))).status == 202
        assert (await ask(line, plan("M-2", identified=False))).status == 202
        await ask(line, plan("M-3"), later=False)
        await line.settle()
        assert [row.state for row in line.messages()] == ["released", "held", "released"]
        assert states(line) == ["delivered", "queued"]
        (got,) = sender.got
        header = json.loads(plan("M-1"))["entry"][0]["resource"]["id"]
        assert response(got.body) == {"identifier": header, "code": "ok"}
        assert got.content_type.startswith("application/fhir+json")
        first, second = line.rows(owed_answer)
        assert got.key == first.id
        desk.reject_held(line.gateway, second.message_id, reason="nobody knows whom it is about", by="Ada Example")
        await line.settle()
        said = response(sender.got[1].body)
        assert said["code"] == "fatal-error"
        outcome = json.loads(sender.got[1].body)["entry"][1]
        assert outcome["fullUrl"] == said["details"]["reference"]
        assert outcome["resource"]["issue"][0]["severity"] == "fatal"
        assert b"whom it is about" not in sender.got[1].body
        # a repeat: the stored answer, and the same response once more
        await ask(line, plan("M-1"))
        await line.settle()
        assert (sender.got[2].key, sender.got[2].body) == (got.key, got.body)
        assert len(line.rows(owed_answer)) == 2
        check_world(line)


async def test_an_answer_is_sent_again_until_a_person_is_asked(tmp_path: Path) -> None:
    """Not taken, nobody knows, taken; refused; parked after the limit: the same bytes under the same id, and one task."""
    async with answered(tmp_path, hl7="hl7v2_http") as (line, _, sender):
        sender.answers = [503, 0]
        sender.replies = lambda key: f"MSH|^~\\&|E|Z|T|G|2026||ACK|R|P|2.5\rMSA|CA|{key}\r".encode()
        await line.send(enhanced(adt_a01(message_id="D-1"), "AL", "AL"))
        for expected in ("queued", "ambiguous", "delivered"):
            await line.settle()
            assert states(line) == [expected]
            line.clock.advance(**MINUTE)
        assert len({(each.key, each.body) for each in sender.got}) == 1
        assert not line.tasks()
        sender.answers = [400] + [503] * 4
        await line.send(enhanced(adt_a01(message_id="D-2"), "AL", "AL"))
        await line.settle()
        assert states(line) == ["delivered", "refused"]
        body = enhanced(adt_a01(message_id="D-3"), "AL", "AL")
        await line.send(body)
        for _ in range(5):
            await line.settle()
            line.clock.advance(**MINUTE)
        assert states(line) == ["delivered", "refused", "parked"]
        assert line.told_codes() == ["answer-not-taken"] * 2
        # the address works again, and the sender repeats its message
        await line.send(body)
        await line.settle()
        assert states(line) == ["delivered", "refused", "delivered"]
        assert len(line.tasks(ended_at=None)) == 1
        check_world(line)


async def test_who_has_an_answer_already_is_sent_it_no_more(tmp_path: Path) -> None:
    """A listener that knows the id is believed from the second attempt on; at the first nobody can have brought it."""
    async with answered(tmp_path) as (line, ehr, _):
        body = enhanced(adt_a01(message_id="D-1"), "AL", "AL")
        ehr.says = ["CE 207", "CR 205"]
        await line.send(body)
        for expected in ("queued", "delivered"):
            await line.settle()
            assert states(line) == [expected]
            line.clock.advance(**MINUTE)
        ehr.says = ["CR 205"]
        await line.send(body)
        await line.settle()
        assert (states(line), len(ehr.got)) == (["delivered"], 3)
        ehr.says = ["CR 205"]
        await line.send(enhanced(adt_a01(message_id="D-2"), "AL", "AL"))
        await line.settle()
        assert states(line) == ["delivered", "ambiguous"]


async def test_an_answer_goes_only_where_it_is_registered_now(tmp_path: Path) -> None:
    """An address taken out of the settings, and a client whose registration ended, get nothing: a person is asked."""
    async with answered(tmp_path) as (line, ehr, sender):
        ehr.says = ["AE"]
        await line.send(enhanced(adt_a01(message_id="D-1"), "AL", "AL"))
        sender.answers = [503]
        await ask(line, plan("M-1"))
        await line.settle()
        assert states(line) == ["queued", "queued"]
        line.gateway.store.write(lambda c: end_client(c, line.gateway, CLINICAL))
        text = line.config.read_text()
        before, _, rest = text.partition("[channels.answers]")
        line.config.write_text(before + rest[rest.index("[[channels]]") :])
        await line.restart()
        line.clock.advance(**MINUTE)
        await line.settle()
        assert [(row.state, row.code) for row in line.rows(owed_answer)] == [("parked", "not-registered")] * 2
        assert (len(ehr.got), len(sender.got)) == (1, 1)
        assert line.told_codes() == ["answer-not-taken"] * 2
        # and who has registered nothing is answered as ever
        answer = await line.send(enhanced(adt_a01(synthetic_person(2), message_id="D-2"), "AL", "AL"))
        assert segments(answer.body)["MSA"][1] == "CA"
        assert len(line.rows(owed_answer)) == 2


async def test_an_answer_is_not_brought_to_who_has_the_channel_now(tmp_path: Path) -> None:
    """The channel was given to another client, with that one's address, before the next attempt."""
    async with answered(tmp_path) as (line, _, sender):
        sender.answers = [503]
        await ask(line, plan("M-1"))
        await line.settle()
        assert states(line) == ["queued"]
        text, of_client = (
            line.config.read_text(),
            f'name = "{FHIR_CHANNEL}"\nadapter = "http"\nformat = "fhir"\nclient = ',
        )
        assert f'{of_client}"{CLINICAL}"' in text
        line.config.write_text(text.replace(f'{of_client}"{CLINICAL}"', f'{of_client}"{STRANGER}"'))
        await line.restart()
        line.clock.advance(**MINUTE)
        await line.settle()
        assert [(row.state, row.code) for row in line.rows(owed_answer)] == [("parked", "not-registered")]
        assert len(sender.got) == 1


async def test_the_late_outcome_of_an_attempt_is_not_the_next_ones(tmp_path: Path) -> None:
    """Attempt 1 was given up; its refusal comes while attempt 2 is under way, which arrives."""
    async with answered(tmp_path) as (line, _, sender):
        sender.answers = [0]
        await ask(line, plan("M-1"))
        await line.settle()
        (row,) = line.rows(owed_answer)
        assert (row.state, row.attempts) == ("ambiguous", 1)
        line.clock.advance(**MINUTE)
        made = answering.open_answer(line.gateway, row.id)
        assert made is not None
        assert made.number == 2
        answering.write_outcome(line.gateway, row.id, 1, Sent(result=Result.REFUSED, code="late"))
        assert states(line) == ["sending"]
        answering.write_outcome(line.gateway, row.id, 2, Sent(result=Result.DELIVERED, code="200"))
        assert states(line) == ["delivered"]


async def test_a_listener_that_hangs_holds_up_no_letter(tmp_path: Path) -> None:
    """A handover leaves while an answer still waits for its acknowledgement."""
    async with answered(tmp_path) as (line, ehr, _):
        hangs = asyncio.Event()
        take = ehr.accept

        async def slow(arrival: Arrival) -> Answer:
            await hangs.wait()
            return await take(arrival)

        ehr.accept = slow  # type: ignore[method-assign]  # the listener calls what stands there at its start
        await line.restart()
        await line.send(enhanced(adt_a03(message_id="D-1"), "AL", "AL"))
        await line.gateway.sweep()
        for _ in range(400):
            if [row.state for row in line.deliveries()] == ["delivered"]:
                break
            await asyncio.sleep(0.01)
        assert [row.state for row in line.deliveries()] == ["delivered"]
        assert line.neighbours["northfell"].effects
        hangs.set()
        await line.settle()


POINTS = ("answer-intent.before-commit", "answer-intent.after-commit", "send.before", "send.after",
          "answer-outcome.before-commit", "answer-outcome.after-commit")  # fmt: skip


class Death(Exception):
    """The process is dead: raised at the point and at every one after it."""


class Dying:
    """Dies at the first pass of a point once an answer is on its way, and stays dead."""

    def __init__(self, name: str) -> None:
        self.name, self.answering, self.dead = name, False, False

    def __call__(self, passed: str) -> None:
        self.answering |= passed.startswith("answer-intent")
        self.dead |= self.answering and passed == self.name
        if self.dead:
            raise Death


async def test_dying_at_each_point_of_an_answer(tmp_path: Path) -> None:
    """Whatever was committed and sent when the process died: the sender has the answer in the end, under one id, byte for byte."""
    async with answered(tmp_path) as (line, ehr, sender):
        for number, point in enumerate(POINTS):
            name, dying = f"D-{number}", Dying(point)
            await line.send(enhanced(adt_a01(message_id=name), "AL", "AL"))
            await ask(line, plan(f"M-{number}"))
            with hooked(dying):
                for _ in range(100):
                    with suppress(Exception):  # whatever a dying process raises
                        await line.settle(0.1)
                    if dying.dead:
                        break
            assert dying.dead, point
            await line.restart()
            for _ in range(4):
                await line.settle()
                line.clock.advance(**MINUTE)
            assert set(states(line)) == {"delivered"}, point
            acks = {body for body, ack in zip(ehr.bodies, ehr.got, strict=True) if ack["MSA"][2] == name}
            assert len(acks) == 1, point
            assert len({(each.key, each.body) for each in sender.got}) == number + 1, point
        check_world(line)


def test_the_points_are_those_of_the_source() -> None:
    """A new point of an answer is died at from the day it is written."""
    source = Path(answering.__file__).read_text("utf-8")
    named = re.findall(r'around\("([a-z-]+)"\)', source)
    assert len(named) == 2
    assert {f"{name}.{side}-commit" for name in named for side in ("before", "after")} < set(POINTS)


async def test_who_registers_nothing_is_owed_nothing(tmp_path: Path) -> None:
    """Without `[channels.answers]` MSH-16 has no second message, and `async` no response: custody is the answer, as ever."""
    async with running(tmp_path) as line:
        answer = await line.send(enhanced(adt_a01(), "AL", "AL"))
        assert segments(answer.body)["MSA"][1] == "CA"
        only = await line.send(enhanced(adt_a01(message_id="D-2"), "NE", "AL"))
        assert segments(only.body)["MSA"][1] == "AA"
        await line.settle()
        assert line.rows(owed_answer) == []


async def test_reconcile_knows_a_later_answer_to_whoever_got_it_and_to_nobody_else(tmp_path: Path) -> None:
    """Whoever lists what it has lists the answers to its own messages too: they are no letters, and not unknown."""
    async with answered(tmp_path) as (line, _, sender):
        await ask(line, plan("M-1"))
        await line.settle()
        (owed,) = line.rows(owed_answer)
        listed = read_list("\n".join(sorted(names_of(owed.id))))
        assert owed.state == "delivered"
        assert len(sender.effects) == 1
        stranger = with_recipient(line.gateway, "northfell", listed, Window())
        assert {each.code for each in stranger.differences} == {"unknown-here"}
        assert stranger.answers == 0

        def own(c: Connection) -> None:
            c.execute(update(client).where(client.c.name == CLINICAL).values(recipient="northfell"))

        line.gateway.store.write(own)
        found = with_recipient(line.gateway, "northfell", listed, Window())
        assert (found.differences, found.answers) == ((), len(listed.lines))
