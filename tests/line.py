"""One whole installation for a test: its folder, its clients, a clock that the test moves, and neighbours that really receive.

Everything goes through the doors that the product has: bytes in through `accept`, bytes out over loopback HTTP or the mailbox.
"""

import asyncio
import atexit
import base64
import json
import shutil
import tempfile
import tomllib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import select

from adapters.contract import CHECKPOINT, Answer, Arrival
from gateway import shipped, whole_way, wiring
from gateway.bus import Bus
from gateway.clients import add_client, find
from gateway.parts import Parts, Told
from gateway.pipeline import Gateway
from gateway.settings import parse_settings, read_settings
from gateway.steps import replay
from gateway.steps.standing import InFront
from gateway.store.schema import delivery, message, task
from tests.engines import Database, broker, database

Json = dict[str, Any]
EHR, CLINICAL, STRANGER, BOX = "fellgate-ehr", "fellgate-clinical", "passing-system", "southfell"
START = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)

SETTINGS = """
[gateway]
installation = "{installation}"
store_url = "{store_url}"
bus_url = "{bus_url}"
keys_dir = "{folder}/keys"
recipients_dir = "{folder}/recipients"
agreements_dir = "{folder}/agreements"
head_file = "{folder}/head/ledger.head"
http_port = 0

[sender]
ods = "ZZT01"
name = "Test prison healthcare"
endpoint = "https://throughgate.example/fhir"

[[establishments]]
id = "ZFG"
name = "HMP Fellgate (example)"
telephone = "0113 496 0000"

[[channels]]
name = "fellgate-ehr"
adapter = "mllp"
port = 0
client = "fellgate-ehr"

[tell]
command = ["true"]

[delivery]
attempts = 4
backoff_seconds = 1
backoff_max_seconds = 8
send_timeout_seconds = {send_timeout_seconds}
sweep_seconds = 300
mailbox_acknowledge_seconds = 600
"""

RecipientOfTests = tuple[str, str, str, dict[str, str]]
"""Class, ODS code, whom it serves, letter -> wire."""
RECIPIENTS: Mapping[str, RecipientOfTests] = {
    "northfell": (
        "community-provider",
        "ZZC01",
        'postcode_areas = ["ZA"]',
        {"handover": "fhir-document", "correction": "fhir-message"},
    ),
    "southfell": (
        "community-provider",
        "ZZC02",
        'postcode_areas = ["ZB"]',
        {"handover": "fhir-document", "correction": "fhir-message"},
    ),
    "pharmacy": ("pharmacy", "ZZP01", 'ods = ["ZZP01"]', {"prescription-copy": "fhir-message"}),
    "security": ("prison-security", "ZZS01", 'establishments = ["ZFG"]', {"report": "fhir-collection"}),
}
MAILBOXES = frozenset({"southfell"})
WITH_PRACTICE_AND_RECORD: Mapping[str, RecipientOfTests] = {
    **RECIPIENTS,
    "surgery": (
        "gp",
        "ZZG01",
        'ods = ["ZZG01"]',
        {"gp-copy": "fhir-document", "prescription-copy": "fhir-message", "correction": "fhir-message"},
    ),
    "record": ("care-team", "ZZR01", 'establishments = ["ZFG"]', {"write-back": "fhir-message"}),
}
"""The same neighbours, the general practice, and the prison's own health record."""


class MovableClock:
    """A clock that stands where the test puts it, and ticks a millisecond at each look so that no two instants are one."""

    def __init__(self, start: datetime = START) -> None:
        self.instant = start

    def __call__(self) -> datetime:
        self.instant += timedelta(milliseconds=1)
        return self.instant

    def advance(self, **by: float) -> None:
        """Move it."""
        self.instant += timedelta(**by)


@dataclass(frozen=True, kw_only=True)
class Got:
    """One request that a neighbour took, in the order of arrival. `effect` is False for a repeat of a key that had its effect."""

    key: str
    body: bytes
    content_type: str
    answered: int
    effect: bool
    head: bytes = b""
    """Method, path with its query, and every header, as they came; of the ledger's checkpoint whose it is, without its random characters."""
    checkpoint: str = ""


@dataclass
class Neighbour:
    """A recipient's server on loopback. `answers` are the statuses of the next requests, then 200; 0 takes it and hangs up unanswered."""

    name: str
    got: list[Got] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    before_answer: Callable[[], None] | None = None
    replies: Callable[[str], bytes] | None = None
    """What stands in the answer to a letter of this key."""
    up: bool = True
    answers_when: asyncio.Event | None = None
    """It takes every connection and says nothing before this."""
    port: int = 0

    async def take(self, request: web.Request) -> web.Response:
        """One POST."""
        body = await request.read()
        if self.answers_when is not None:
            await self.answers_when.wait()
        status = self.answers.pop(0) if self.answers else 200
        if not self.up:
            status = 503
        key = request.headers["Idempotency-Key"]
        checkpoint = base64.b64decode(request.headers.get(CHECKPOINT, "")).decode()
        rest = [each for each in request.raw_headers if each[0].decode() != CHECKPOINT]
        took = status < 300
        effect = took and not any(each.key == key and each.effect for each in self.got)
        self.got.append(
            Got(
                key=key,
                body=body,
                content_type=request.headers["Content-Type"],
                answered=status,
                effect=effect,
                head=f"{request.method} {request.raw_path} {rest} {checkpoint.partition(chr(10))[0]}".encode(),
                checkpoint=checkpoint,
            )
        )
        if self.before_answer is not None:
            self.before_answer()
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        reply = self.replies(key) if self.replies is not None else b""
        return web.Response(status=status, body=reply, content_type="application/fhir+json")

    @property
    def effects(self) -> list[Got]:
        """What had an effect here, once each."""
        return [each for each in self.got if each.effect]


@asynccontextmanager
async def neighbours(*names: str) -> AsyncIterator[dict[str, Neighbour]]:
    """Start the servers of these recipients."""
    found: dict[str, Neighbour] = {}
    runners = []
    for name in names:
        neighbour = Neighbour(name=name)
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_post("/{tail:.*}", neighbour.take)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        neighbour.port = runner.addresses[0][1]
        runners.append(runner)
        found[name] = neighbour
    try:
        yield found
    finally:
        for runner in runners:
            await runner.cleanup()


@dataclass(frozen=True, kw_only=True)
class Engines:
    """What an installation runs on."""

    store_url: str
    bus_url: str
    installation: str


def embedded(folder: Path) -> Engines:
    """One process, one folder."""
    return Engines(store_url=f"sqlite:///{folder}/throughgate.db", bus_url="memory://", installation="test")


def production(_folder: Path, *, like: str | None = None) -> Engines:
    """A database of its own (with what another one has), and queues of its own on a real broker."""
    return Engines(store_url=database().prepared(like), bus_url=broker().url, installation=broker().fresh())


class Mode:
    """Which engines the installations of this test are made on; the `mode` fixture of tests/flow sets it."""

    engines_of: Callable[[Path], Engines] = staticmethod(embedded)


def engines_for(folder: Path) -> Engines:
    """The engines of an installation in this folder."""
    return Mode.engines_of(folder)


def make_installation(
    folder: Path,
    ports: dict[str, int],
    *,
    send_timeout_seconds: float = 5,
    recipients: Mapping[str, RecipientOfTests] = RECIPIENTS,
) -> Path:
    """A folder as `init` makes it, with active recipients and agreements; its throughgate.toml."""
    config = _write_files(folder, ports, engines_for(folder), send_timeout_seconds, recipients)
    wiring.create_installation(config)
    sign_agreements(config)
    return config


def _write_files(
    folder: Path,
    ports: dict[str, int],
    engines: Engines,
    send_timeout_seconds: float,
    recipients: Mapping[str, RecipientOfTests],
) -> Path:
    """What a person writes: settings, recipients, agreements that nobody has signed yet."""
    (folder / "recipients").mkdir()
    (folder / "agreements").mkdir()
    taken = {(each[0], letter) for each in recipients.values() for letter in each[3]}
    for name, agreed in _shipped_agreements().items():
        if (agreed.recipient_class, agreed.letter) in taken:  # as `throughgate check` asks
            (folder / "agreements" / name).write_text(agreed.text, "utf-8")
    for name, (recipient_class, ods, serves, letters) in recipients.items():
        lines = [f'name = "{name} (example)"', f'class = "{recipient_class}"', f'ods = "{ods}"']
        if name in MAILBOXES:
            lines.append('adapter = "mailbox"')
        else:
            lines += ['adapter = "fhir_http"', "[adapter_settings]", f'url = "http://127.0.0.1:{ports[name]}/fhir"']
        lines += ["[letters]", *(f'{letter} = "{wire}"' for letter, wire in letters.items()), "[serves]", serves]
        (folder / "recipients" / f"{name}.toml").write_text("\n".join(lines) + "\n")
    config = folder / "throughgate.toml"
    config.write_text(SETTINGS.format(folder=folder, send_timeout_seconds=send_timeout_seconds, **vars(engines)))
    return config


@dataclass(frozen=True, kw_only=True)
class _Agreed:
    """A shipped agreement, read once. Tests move the clock by years: what is told of dates is tested where it is the question."""

    recipient_class: str
    letter: str
    text: str


@cache
def _shipped_agreements() -> dict[str, _Agreed]:
    found = {}
    for source in shipped.agreements().glob("*.toml"):
        text = source.read_text("utf-8")
        agreed = tomllib.loads(text)
        found[source.name] = _Agreed(
            recipient_class=agreed["recipient_class"],
            letter=agreed["letter"],
            text=text.replace("review = 2027-10-31", "review = 2099-12-31"),
        )
    return found


@cache
def _made(engines_of: Callable[[Path], Engines], _server: Database | None, recipients: str) -> tuple[Path, str]:
    """An installation as `running` begins with, made once in a process and on each server, and its database: to copy it is several times quicker."""
    folder = Path(tempfile.mkdtemp(prefix="tg-made-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    wanted = json.loads(recipients)
    engines = engines_of(folder)
    config = _write_files(folder, dict.fromkeys(wanted, 9), engines, 1, wanted)
    wiring.create_installation(config)
    sign_agreements(config)
    with wiring.open_parts(read_settings(config), clock=MovableClock()) as gateway:
        register_clients(gateway)
    return folder, engines.store_url


def _copied_installation(
    folder: Path, ports: dict[str, int], send_timeout_seconds: float, recipients: Mapping[str, RecipientOfTests]
) -> Path:
    """What `make_installation` and `register_clients` make, under keys that all lines of this process have; a head and queues of its own."""
    server = None if Mode.engines_of is embedded else database()
    made, store_url = _made(Mode.engines_of, server, json.dumps(recipients))
    engines = Mode.engines_of(folder) if Mode.engines_of is embedded else production(folder, like=store_url)
    config = _write_files(folder, ports, engines, send_timeout_seconds, recipients)
    shutil.copytree(made / "keys", folder / "keys")
    if Mode.engines_of is embedded:
        shutil.copyfile(made / "throughgate.db", folder / "throughgate.db")
    wiring.create_head(read_settings(config))
    return config


def sign_agreements(config: Path) -> None:
    """Put what the folder holds now in force, as two people."""
    wiring.sign_folder(
        read_settings(config), by=("Ada Example", "Ben Example"), reason="for a test", clock=MovableClock()
    )


def replayed(
    parts: Parts, ids: Iterable[str], *, reason: str, by: str, resend: bool = False
) -> tuple[replay.Replayed, ...]:
    """A replay by somebody who looks first and does what was shown."""
    asked = list(ids)
    shown = replay.look(parts, asked, resend=resend).digest
    return replay.replay(parts, asked, shown=shown, reason=reason, by=by, resend=resend)


def register_clients(gateway: Gateway) -> None:
    """An EHR that speaks HL7 v2, a clinical system that is a consent authority, one that is none, and a mailbox's owner."""
    kinds = ("ADT^*", "ORU^R01", "RDE^O11")
    add_client(gateway, name=EHR, kinds=kinds, establishments=("ZFG",))
    add_client(gateway, name=CLINICAL, kinds=("fhir-message",), establishments=("ZFG",), consent_authority=True)
    add_client(gateway, name=STRANGER, kinds=("fhir-message",), establishments=("ZFG",))
    add_client(gateway, name=BOX, recipient="southfell")


@dataclass
class Line:
    """A running gateway with its neighbours. `told` is what people were told."""

    gateway: Gateway
    neighbours: dict[str, Neighbour]
    folder: Path
    config: Path
    told: list[Told] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)

    @property
    def clock(self) -> MovableClock:
        """The gateway's clock."""
        assert isinstance(self.gateway.clock, MovableClock)
        return self.gateway.clock

    async def start(self) -> None:
        """Open the line; people are told into `told`."""

        async def tell(told: Told) -> None:
            self.told.append(told)

        self.gateway.teller = tell
        await self.gateway.start()

    async def restart(self) -> None:
        """The process died and another one starts on what is on the disk: nothing of its memory is left."""
        await self.gateway.abandon()
        self.gateway = open_gateway(self.config, self.clock)
        await self.start()

    async def send(self, body: bytes, *, client: str | None = None) -> Answer:
        """One message through the door that its client has; custody or refusal."""
        fhir = body.lstrip().startswith(b"{")
        name = client or (CLINICAL if fhir else EHR)
        channel = self.gateway.settings.http_channel(name, "fhir").name if fhir else "fellgate-ehr"
        answer = await self.gateway.accept(
            Arrival(
                channel=channel, client=name, body=body, content_type="application/fhir+json" if fhir else "text/plain"
            )
        )
        if self.is_accepted(answer):
            self.accepted.append(body)
        return answer

    async def play(self, *bodies: bytes, client: str | None = None) -> None:
        """Messages one after the other, each accepted and settled."""
        for body in bodies:
            answer = await self.send(body, client=client)
            assert self.is_accepted(answer), answer
            await self.settle()

    @staticmethod
    def is_accepted(answer: Answer) -> bool:
        """Does this answer say custody?"""
        return answer.status < 300 and (
            b"MSA|AA" in answer.body or b"MSA|CA" in answer.body or b"MSA" not in answer.body
        )

    async def settle(self, timeout_seconds: float = 20) -> None:
        """Until nothing could go on now."""
        await self.gateway.settle(timeout_seconds)

    def rows(self, table: Any, **where: Any) -> list[Any]:
        """Rows of a table, in order."""
        with self.gateway.store.read() as c:
            query = select(table).where(*(table.c[name] == value for name, value in where.items()))
            order = table.c.sequence if "sequence" in table.c else table.c.created_at
            return list(c.execute(query.order_by(order)))

    def deliveries(self, **where: Any) -> list[Any]:
        """Deliveries, in order of release."""
        return self.rows(delivery, **where)

    def waits_for(self, delivery_id: str) -> InFront | None:
        """What whoever looks at this letter is told that it waits for."""
        with self.gateway.store.read() as c:
            row = c.execute(select(delivery).where(delivery.c.id == delivery_id)).one()
            return whole_way.delivery_way(c, self.gateway, row).waits_for

    def messages(self, **where: Any) -> list[Any]:
        """Messages, in order of acceptance."""
        return self.rows(message, **where)

    def tasks(self, **where: Any) -> list[Any]:
        """Tasks, oldest first."""
        return self.rows(task, **where)

    def told_codes(self) -> list[str]:
        """The codes that people were told, in order."""
        return [each.code for each in self.told]

    def box_client(self) -> Any:
        """The registered client of the mailbox."""
        with self.gateway.store.read() as c:
            return find(c, BOX)


@asynccontextmanager
async def running(
    folder: Path,
    *,
    bus: Bus | None = None,
    send_timeout_seconds: float = 5,
    recipients: Mapping[str, RecipientOfTests] = RECIPIENTS,
) -> AsyncIterator[Line]:
    """A line from nothing to its end."""
    served = [name for name in recipients if name not in MAILBOXES]
    async with neighbours(*served) as found:
        ports = {name: each.port for name, each in found.items()}
        config = _copied_installation(folder, ports, send_timeout_seconds, recipients)
        gateway = open_gateway(config, MovableClock(), bus)
        line = Line(gateway=gateway, neighbours=found, folder=folder, config=config)
        await line.start()
        try:
            yield line
        finally:
            await line.gateway.stop()


def open_gateway(config: Path, clock: MovableClock, bus: Bus | None = None) -> Gateway:
    """The gateway of an installation, with a clock that the test moves."""
    return wiring.build(parse_settings(config.read_text(), str(config)), clock=clock, bus=bus)
