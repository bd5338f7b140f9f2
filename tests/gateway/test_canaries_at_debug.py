"""At DEBUG, in every flow and where things go wrong, on both modes: nothing of a person is written down anywhere but sealed.

More than five hundred canaries go in by every door. Then every byte is read of what was logged, answered and counted, of the installation's
folder, and of the data and the logs of a PostgreSQL (set to log every statement with its parameters) and a RabbitMQ of the test's own.
"""

import asyncio
import contextlib
import io
import json
import logging
import re
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from adapters.mllp.frames import framed
from gateway.api import create_app
from gateway.clients import add_client, issue_token
from gateway.console import add_console
from gateway.console.staff import Role
from gateway.failpoints import hooked
from gateway.metrics import exposition
from gateway.reconciliation import Window, read_list, with_recipient
from gateway.serving import make_listener
from gateway.store.schema import sealed
from tests import line as lines
from tests.builders import (
    METHADONE,
    administration,
    adt_a01,
    adt_a03,
    adt_a40,
    care_plan,
    consent,
    fhir_message,
    medication_request,
    risk_flag,
    synthetic_person,
)
from tests.console.site import Site, dissent, serve
from tests.engines import MODES, Broker, Database, own_broker, own_database
from tests.faults.acts import NO_AREA
from tests.fhir_profiles.fhir_message import eps_messages, golden_pairs
from tests.fhir_profiles.hmpps.test_domain_events import LATE, event, in_sns
from tests.flow.test_file_drop import folder_at, until
from tests.gateway.smart.signer import assertion, form
from tests.gateway.test_canaries import MAY_LEAVE, SITES, STARTS, found, plant, readings, spellings, story, word
from tests.gateway.test_serving_doors import free_port
from tests.line import WITH_PRACTICE_AND_RECORD, Line, replayed, running

WORDS = frozenset(
    {"text", "display", "description", "title", "comment", "line", "city", "district", "patientInstruction", "valueString", "contentString"}
)  # fmt: skip
"""Elements of FHIR that hold what somebody wrote."""
FIRST_OF_FHIR = 200
LAST = 999
AN_ID = "6f2b1c3e-0001-4000-8000-000000000010"


class Planted:
    """FHIR messages with a canary in everything that somebody wrote; `count` is how many there are."""

    def __init__(self) -> None:
        self.count = 0

    def next(self) -> str:
        """The next canary, where no JSON can be written: in an address, a token, a signature, what is no message at all."""
        self.count += 1
        return word(FIRST_OF_FHIR + self.count - 1)

    def in_body(self, body: bytes) -> bytes:
        return json.dumps(self._in(json.loads(body))).encode()

    def _in(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._in(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [self._in(each, name) for each in value]
        return f"{self.next()} {value} {self.next()}" if isinstance(value, str) and name in WORDS else value


def clinical(number: int) -> bytes:
    """A message with what a clinician writes, of a person of its own."""
    written = [
        care_plan(start="2026-01-02", description="plan"),
        administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text="supervised"),
        risk_flag(resource_id="risk", text="risk", start="2026-01-02"),
        consent(resource_id="word", at="2026-01-02T09:00:00+00:00", decision="permit"),
    ]
    return fhir_message(synthetic_person(number), resources=written, message_id=f"FHIR-{number}")


@contextlib.contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What every logger of the process says, ours and everybody's, down to DEBUG."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]
    before = [(each, each.level, each.disabled) for each in loggers]
    for each in loggers:
        each.setLevel(logging.DEBUG)
        each.disabled = False
    logging.root.addHandler(handler)
    try:
        yield said
    finally:
        logging.root.removeHandler(handler)
        for each, level, disabled in before:
            each.setLevel(level)
            each.disabled = disabled


def bytes_of(folder: Path, beside: Path) -> bytes:
    """Every file, the database and its journal as they lie there. Another process copies them: SQLite's locks are of a process."""
    subprocess.run(["cp", "-r", folder, beside], check=True)
    return b"\n".join(each.read_bytes() for each in beside.rglob("*") if each.is_file())


ENDS = (
    word(0)[-3:],
    word(0)[-3:].upper(),
    word(0)[2::-1],
    "Wndq",
    b"Zwj".hex(),
    "%5A%77%6A",
    "#90;#119;#106;",
    "Z.w.j",
)
"""How every canary ends, in the order of `spellings`."""
IN_BYTES = [
    re.compile(re.escape(start.encode()) + rb".{3,12}?" + re.escape(end.encode()), re.DOTALL)
    for start, end in zip(STARTS, ENDS, strict=True)
]


TO_THE_SENDER = {
    each.encode()
    for number, site in enumerate(SITES)
    if site.name in MAY_LEAVE["the answers"]
    for each in spellings(number).values()
}
"""What an acknowledgement says again to whoever wrote it."""


def seen(text: bytes) -> set[bytes]:
    """Every canary in it as it is written there, whatever its number and spelling."""
    return {hit for each in IN_BYTES for hit in each.findall(text)}


def read_as(text: bytes) -> bytes:
    """The same with the encodings of the web, JSON and HL7 undone."""
    return readings(text).encode()


def anywhere_in(folder: Path) -> dict[str, set[bytes]]:
    """The files below with a canary in their bytes."""
    files = {path: seen(path.read_bytes()) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
    return {path.name: hits for path, hits in files.items() if hits}


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The servers of a production installation, of this test alone."""

    database: Database
    broker: Broker

    def leave(self, before: Path) -> Mapping[str, Path]:
        """Their folders as they lie there when everything is on the disk."""
        assert self.database.sql("CHECKPOINT")
        places = {"PostgreSQL": self.database.folder, "RabbitMQ": self.broker.folder}
        for name, folder in places.items():
            subprocess.run(["cp", "-r", folder, before / name], check=True)
        return {name: before / name for name in places}


TALKATIVE = {"log_statement": "all", "log_parameter_max_length_on_error": "-1", "log_error_verbosity": "verbose"}
"""What PostgreSQL can be made to say: each statement and error with its values, and the rows that broke a constraint."""


@pytest.fixture(params=MODES)
def beside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside | None]:
    """Where the installation of this test is made; no server beside the embedded one."""
    if request.param == "embedded":
        yield None
        return
    with own_database() as database, own_broker() as broker:
        for name, value in TALKATIVE.items():
            assert database.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        assert database.sql("SELECT pg_reload_conf()")
        monkeypatch.setattr(lines, "database", lambda: database)
        monkeypatch.setattr(lines, "broker", lambda: broker)
        monkeypatch.setattr(lines.Mode, "engines_of", staticmethod(lines.production))
        yield Beside(database=database, broker=broker)


def in_another_charset(canary: str) -> bytes:
    """It says a character set that is not read (MSH-18), and is not in it."""
    head, _, rest = adt_a01(message_id="C").partition(b"\r")
    fields = head.split(b"|")
    fields += [b""] * (17 - len(fields))
    return b"|".join([*fields[:17], b"KS X 1001"]) + b"\r" + rest + b"NTE|1||" + canary.encode() + b"\xff\r"


async def by_sockets(line: Line, planted: Planted) -> list[bytes]:
    """Frames of MLLP: taken, of no message, in a charset that it has not, junk between two, and one that is too long."""
    channel = line.gateway.settings.channels[0].model_copy(update={"port": free_port()})
    listener = make_listener(line.gateway.settings, channel)
    await listener.start(line.gateway.accept)
    answers = []
    try:
        good = plant(adt_a01(synthetic_person(8), message_id="MLLP"), set())
        for sent in (
            framed(good),
            framed(planted.next().encode()),
            framed(in_another_charset(planted.next())),
            planted.next().encode() + framed(good),
            b"\x0b" + good + planted.next().encode() * 1_000_000,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", channel.port)
            with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError):
                writer.write(sent)
                await writer.drain()
                async with asyncio.timeout(5):
                    answers.append(await reader.readuntil(b"\x1c\r"))
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    finally:
        await listener.stop()
    assert any(b"MSA|AA" in each for each in answers), "void: nothing was taken by MLLP"
    return answers


async def by_files(line: Line, planted: Planted, shared: Path) -> list[bytes]:
    """A folder that a sender shares: a file that is taken, one of no message, one in hand that was taken before; what is said beside them."""
    folder_at(shared)
    dropped = {"adapter": "file_drop", "port": None, "folder": shared}
    watcher = make_listener(line.gateway.settings, line.gateway.settings.channels[0].model_copy(update=dropped))
    good = plant(adt_a01(synthetic_person(9), message_id="FILE"), set())
    await watcher.start(line.gateway.accept)
    try:
        for name, body in (("good", good), ("bad", planted.next().encode()), ("taken/again", good)):
            (shared / name).write_bytes(body)
        said = [shared / each for each in ("answered/good.ack", "refused/bad.error", "answered/again.ack")]
        await until(lambda: all(each.exists() for each in said))
    finally:
        await watcher.stop()
    answers = [each.read_bytes() for each in said]
    assert b"MSA|AA" in answers[0], "void: nothing was taken from a folder"
    return answers


async def told_in_vain(line: Line, planted: Planted) -> list[bytes]:
    """The way of telling fails, and says in whose words."""
    ordinary, failed = line.gateway.teller, []

    async def fails(_: object) -> None:
        failed.append(planted.next())
        raise OSError(f"550 {failed[-1]}")

    line.gateway.teller = fails
    sent = await line.send(plant(adt_a03(synthetic_person(10, postcode=NO_AREA), message_id="NOBODY"), set()))
    await line.settle()
    line.gateway.teller = ordinary
    assert failed, "void: nobody was to be told"
    return [sent.body]


async def other_kinds(line: Line, planted: Planted) -> list[bytes]:
    """The event of a prison system, an order of EPS, a withdrawn consent, a merge, a mailbox that is read."""
    add_client(line.gateway, name="prison-feed", kinds=("hmpps-event",), establishments=("ZFG",))
    before = len(line.messages())
    person = synthetic_person(1)
    happened = event(
        f"{LATE}prisoner.released",
        nomsNumber=person.prison_number,
        reason="RELEASED",
        nomisMovementReasonCode="CR",
    )
    happened |= {"occurredAt": "2026-01-15T12:00:00Z", "description": planted.next()}
    happened["personReference"] = {"identifiers": [{"type": "NOMS", "value": person.prison_number}]}
    answers = [(await line.send(json.dumps(in_sns(happened)).encode(), client="prison-feed")).body]
    answers.append((await line.send(planted.in_body(json.dumps(eps_messages.order() | {"id": AN_ID}).encode()))).body)
    answers.append((await line.send(planted.in_body(dissent(synthetic_person(2))))).body)
    twice = synthetic_person(21)
    nameless = adt_a01(twice, message_id="TWICE").replace(f"{twice.nhs_number}^^^NHS^NH~".encode(), b"")
    merged = adt_a40(synthetic_person(3), prior_prison_number=twice.prison_number, message_id="MERGED")
    answers += [(await line.send(plant(body, set()))).body for body in (nameless, merged)]
    boxed = synthetic_person(20, postcode="ZB1 1AA")
    answers.append((await line.send(plant(adt_a03(boxed, message_id="BOXED"), set()))).body)
    await line.settle(60)
    done = [(row.kind, row.state) for row in line.messages()[before:]]
    assert [state for _, state in done] == ["released"] * 6, f"void: not all of these were worked on: {done}"
    box = line.box_client()
    listed = await line.gateway.mailbox_list(box)
    assert listed, "void: nothing in the mailbox"
    opened = await line.gateway.mailbox_open(box, listed[0].id)
    assert opened is not None
    assert found(opened.body), "void: nothing of the person in the mailbox"
    assert await line.gateway.mailbox_acknowledge(box, listed[0].id)
    return answers


async def errors(line: Line, planted: Planted) -> list[bytes]:
    """Everything that can go wrong on the way, with canaries in it; what was answered."""
    said = [planted.in_body(path.read_bytes()) for path in golden_pairs.sources()]  # not all of these are taken
    said += [said[0][:-9], b"{" + planted.next().encode(), planted.in_body(clinical(5)).replace(b'"active"', b'"odd"')]
    answers = [(await line.send(body)).body for body in said]
    line.neighbours["surgery"].answers = [503, 0, 400]  # away, gone while it is told, and it refuses
    line.neighbours["northfell"].answers = [400]
    answers.append((await line.send(planted.in_body(clinical(7)))).body)
    answers.append((await line.send(adt_a03(synthetic_person(7), message_id="R7"))).body)
    await line.settle(60)
    for number, point in enumerate(("receive", "identify", "release", "door", "send", "receipt"), start=11):
        answers += await failing_at(line, planted, point, number)
    return answers


async def failing_at(line: Line, planted: Planted, point: str, number: int) -> list[bytes]:
    """The database fails there, and says in whose words."""
    words = planted.next()
    fired: list[str] = []
    answers: list[bytes] = []
    error = OperationalError(f"INSERT {words}", {"body": words}, sqlite3.OperationalError(words))

    def fail(here: str) -> None:
        if here.startswith(f"{point}."):
            fired.append(here)
            raise error

    with hooked(fail), contextlib.suppress(OperationalError):
        answers.append((await line.send(planted.in_body(clinical(number)))).body)
        answers.append((await line.send(adt_a03(synthetic_person(number), message_id=f"E{number}"))).body)
        async with asyncio.timeout(30):
            while not fired:
                await line.gateway.sweep()
                await asyncio.sleep(0.02)
    assert fired, f"nothing went wrong at {point}"
    return answers


def a_row_twice(line: Line) -> bytes:
    """The database itself refuses a row, and its log tells of it with the values; what is raised here says none."""
    with line.gateway.store.read() as c:
        row = c.execute(select(sealed).limit(1)).mappings().one()
    with pytest.raises(IntegrityError) as refused:
        line.gateway.store.write(lambda c: c.execute(insert(sealed).values(**row)))
    return repr(refused.value).encode()


TAKEN = 4
"""Of the requests below, the first: a resource, a collection, a transaction, a document."""


async def over_http(line: Line, planted: Planted) -> list[bytes]:
    """Tokens, searches and bodies that are refused; a resource and a Bundle that are taken; a console that somebody looks at."""
    add_client(line.gateway, name="source", kinds=("fhir-resource", "fhir-bundle"), establishments=("ZFG",))
    made = medication_request(METHADONE, resource_id="rx", authored="2026-01-15", text="daily", category="discharge")
    about = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": synthetic_person(1).nhs_number}
    made["subject"] = {"identifier": about}
    entry = {"fullUrl": "urn:uuid:6f2b1c3e-0001-4000-8000-000000000009", "resource": made}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    put = bundle | {
        "type": "transaction",
        "entry": [entry | {"request": {"method": "POST", "url": "MedicationRequest"}}],
    }
    document = (golden_pairs.FOLDER / "document.message.json").read_bytes()
    fhir = {"Content-Type": "application/fhir+json"}
    good = fhir | {"Authorization": f"Bearer {issue_token(line.gateway, 'source', 600)}"}
    unsigned = form(assertion(iss=planted.next(), sub=planted.next()) + planted.next(), scope=planted.next())
    answers, statuses = [], []
    async with contextlib.AsyncExitStack() as stack:
        app = create_app(line.gateway)
        add_console(app, line.gateway)
        port = await serve(stack, app)
        session = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
        requests: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/fhir", {"data": planted.in_body(json.dumps(made).encode()), "headers": good}),
            ("POST", "/fhir", {"data": planted.in_body(json.dumps(bundle).encode()), "headers": good}),
            ("POST", "/fhir", {"data": planted.in_body(json.dumps(put).encode()), "headers": good}),
            ("POST", "/fhir", {"data": planted.in_body(document), "headers": good}),
            ("POST", "/oauth2/token", {"data": unsigned}),
            ("POST", f"/fhir/{planted.next()}?name={planted.next()}", {"data": planted.in_body(clinical(6))}),
            ("POST", "/fhir/$process-message", {"data": clinical(6), "headers": fhir | {"Authorization": f"Bearer {planted.next()}"}}),
            ("POST", "/fhir", {"data": b"<" + planted.next().encode(), "headers": good | {"Content-Type": "application/fhir+xml"}}),
            ("GET", f"/fhir/Patient?identifier={planted.next()}&{planted.next()}=1", {"headers": good}),
            ("GET", f"/fhir/Binary/{planted.next()}", {"headers": good}),
            ("POST", "/console/log-in", {"data": {"name": planted.next(), "password": planted.next(), "code": planted.next()}}),
            ("GET", f"/console/messages/{planted.next()}?{planted.next()}", {}),
        ]  # fmt: skip
        for method, path, how in requests:
            async with session.request(method, path, allow_redirects=False, **how) as answer:
                statuses.append(answer.status)
                answers.append(await answer.read())
        assert statuses[:TAKEN] == [202] * TAKEN, answers[:TAKEN]
        assert all(status >= 300 for status in statuses[TAKEN:]), statuses
        answers += await asyncio.to_thread(
            looked, Site(base="", port=port, line=line, app=app, run=asyncio.run), planted
        )
    return answers


def looked(site: Site, planted: Planted) -> list[bytes]:
    """What an operator is shown of each message, letter and task; and a search that finds nobody."""
    site.cookies["owen"] = site.begin("owen", Role.OPERATOR)
    pages = ["/console/", "/console/work", "/console/search", f"/console/search?state={planted.next()}"]
    pages += [f"/console/messages/{row.id}" for row in site.line.messages()[:8]]
    pages += [f"/console/letters/{row.id}" for row in site.line.deliveries()[:8]]
    answers = [site.as_("owen", "GET", page) for page in pages]
    assert any(answer.status == 200 and site.line.messages()[0].id in answer.text for answer in answers), "void"
    return [answer.text.encode() for answer in answers]


async def again(line: Line) -> None:
    """What an operator does afterwards: a replay, and a list of the recipient compared."""
    replayed(line.gateway, [row.id for row in line.messages(state="released")][:6], reason="tried", by="owen")
    listed = "\n".join(row.id for row in line.deliveries(recipient="pharmacy"))
    with_recipient(line.gateway, "pharmacy", read_list(listed + "\n"), Window())
    await line.settle(60)


async def everything(line: Line, planted: Planted) -> list[bytes]:
    """Every flow and every error; what was answered."""
    for neighbour in line.neighbours.values():
        neighbour.replies = lambda _key, neighbour=neighbour: neighbour.got[-1].body
    for number in (1, 2, 3, 4):
        await line.play(planted.in_body(clinical(number)), adt_a03(synthetic_person(number), message_id=f"R{number}"))
    answers = await errors(line, planted)
    for flow in (by_sockets, other_kinds, over_http, told_in_vain):
        answers += await flow(line, planted)
    await again(line)
    line.clock.advance(days=2)
    await line.settle(60)
    return [*answers, a_row_twice(line)]


@pytest.mark.slow(seconds=60)
async def test_at_debug_in_all_flows_and_where_things_go_wrong_nothing_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], beside: Beside | None
) -> None:
    """Not by any logger at DEBUG, in no byte of a file (databases, journals, logs, temporary files), no metric, no answer; recipients have it."""
    folder, planted, sites = tmp_path / "here", Planted(), set[int]()
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with everything_logged() as logged:
        async with running(folder, recipients=WITH_PRACTICE_AND_RECORD) as line:
            answers = [(await line.send(plant(body, sites))).body for body in story() if not body.startswith(b"{")]
            await line.settle(60)
            answers += await everything(line, planted) + await by_files(line, planted, tmp_path / "shared")
            await line.settle(60)
            got = b"".join(each.body for neighbour in line.neighbours.values() for each in neighbour.got)
            places = {"files": bytes_of(folder, tmp_path / "copy"), "metrics": exposition(line.gateway), "answers": b"".join(answers)}  # fmt: skip
            ends = {row.state for row in line.messages()} | {row.state for row in line.deliveries()}
            kinds = {row.kind for row in line.messages() if row.state != "rejected"}
            ids = [row.id for row in (*line.messages(), *line.deliveries())]
            left = beside.leave(tmp_path) if beside is not None else {}
    places |= {"loggers": logged.getvalue().encode(), "terminal": "".join(capfd.readouterr()).encode()}
    assert ends >= {"released", "rejected", "delivered", "refused"}, "void: not everything happened"
    assert kinds >= {"ADT^A01", "ADT^A40", "ORU^R01", "fhir-message", "fhir-resource", "fhir-bundle", "hmpps-event"}, (
        "void: a kind was not taken"
    )
    assert planted.count + len(sites) >= 500
    assert planted.count <= LAST - FIRST_OF_FHIR
    arrived = {int(hit[3:6]) for hit in seen(got) if hit.startswith(b"Qvx")}
    assert min(arrived) < len(SITES), "void: nothing of HL7 v2 arrived"
    assert max(arrived) >= FIRST_OF_FHIR, "void: nothing of FHIR arrived"
    assert b"SELECT" in places["loggers"], "void: the loggers did not speak at DEBUG"
    written = {place: seen(read_as(text)) for place, text in places.items()}
    written["answers"] -= TO_THE_SENDER
    assert written == {place: set() for place in places}
    for place, copied in left.items():
        everything_there = [each.read_bytes() for each in copied.rglob("*") if each.is_file()]
        assert any(each.encode() in text for each in ids for text in everything_there), f"void: no id is in {place}"
        assert anywhere_in(copied) == {}, place
    if left:
        said = (left["PostgreSQL"] / "server.log").read_bytes()
        assert b"already exists" in said, "void: PostgreSQL did not say the row that it refused"
        assert b"arameters: $1 = " in said, "void: PostgreSQL did not say what it was given"


def test_the_search_of_files_can_fail(tmp_path: Path) -> None:
    """Sabotage: a leak into a log, the body of a queue, a clear column or a temporary file is found, in each spelling."""
    for number in (0, FIRST_OF_FHIR, LAST):
        for spelling in spellings(number).values():
            for name in ("server.log", "queue.wal", "throughgate.db", "tmp"):
                leak = tmp_path / name
                leak.write_bytes(b"\x00\xff" * 99 + spelling.encode() + b"\x00" * 9)
                assert len(anywhere_in(tmp_path)) == 1
                leak.unlink()
