"""The stage of the demo: one prison, its neighbours on real ports, a gateway in embedded mode, and a calendar that the story turns.

Everything on it speaks over loopback wires. It MUST NOT reach into the line: it sends, waits, and reads what was kept.
"""

import asyncio
import contextlib
import socket
import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from gateway import shipped, wiring
from gateway.clients import add_client, issue_token
from gateway.demo.neighbours import ClinicalSystem, HttpNeighbour, MailboxNeighbour, PrisonEhr
from gateway.pipeline import Gateway
from gateway.serving import Serving
from gateway.settings import Settings, read_settings

SETTLE_SECONDS = 20
SIGNED_BY = ("Ines Example, information governance", "Colin Example, Caldicott guardian")
"""Nobody puts an agreement in force alone, in the demo neither."""


class StoryClock:
    """The story's calendar: it stands where it was set and moves one millisecond each time it is read, so that order shows."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    def turn(self, to: datetime) -> None:
        """Forward only."""
        self._now = max(self._now, to)

    def wait(self, *, minutes: int) -> None:
        """Let time pass."""
        self._now += timedelta(minutes=minutes)


class Pager:
    """Whoever is on duty: gets ids and a code, never content, and keeps what was said."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.told: list[str] = []
        self._runner: web.AppRunner | None = None

    async def up(self) -> None:
        application = web.Application()
        application.router.add_post("/", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.told.append((await request.read()).decode())
        return web.Response(status=204)


@dataclass(kw_only=True)
class Stage:
    """What the story acts on."""

    gateway: Gateway
    settings: Settings
    clock: StoryClock
    ehr: PrisonEhr
    clinical: ClinicalSystem
    outside: ClinicalSystem
    servers: dict[str, HttpNeighbour]
    mailbox: MailboxNeighbour
    pager: Pager
    doors: tuple[str, ...] = field(default=())

    async def settle(self) -> None:
        """Wait until the line has nothing left to do."""
        await self.gateway.settle(SETTLE_SECONDS)


def free_ports(number: int) -> list[int]:
    """Ports that nothing listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def make_installation(folder: Path, ports: list[int]) -> tuple[Path, dict[str, int]]:
    """An installation in `folder` with the shipped recipients and agreements active, on free ports. Returns its settings and the ports.

    The shipped files are used as they are but for addresses and ports, so that what the demo shows is what is shipped.
    """
    config = shipped.copy_templates(folder, active=True)
    numbers = dict(zip(("http", "mllp", "pager"), ports, strict=False))
    text = config.read_text("utf-8")
    text = text.replace("http_port = 8080", f"http_port = {numbers['http']}").replace(
        "port = 2575", f"port = {numbers['mllp']}"
    )
    text = text.replace('installation = "embedded"', 'installation = "demo"').replace("# telephone =", "telephone =")
    text += (
        f'\n[tell]\nurl = "http://127.0.0.1:{numbers["pager"]}/"\n'
        "\n[delivery]\nbackoff_seconds = 0.2\nbackoff_max_seconds = 60\nsweep_seconds = 0.2\nsend_timeout_seconds = 5\n"
    )
    config.write_text(text, "utf-8")
    for port, file in zip(ports[3:], sorted((folder / "recipients").glob("*.toml")), strict=False):
        text = file.read_text("utf-8")
        settings = tomllib.loads(text).get("adapter_settings", {})
        if "url" in settings:
            numbers[file.stem] = port
            file.write_text(text.replace(settings["url"], f"http://127.0.0.1:{port}/fhir"), "utf-8")
    return config, numbers


@contextlib.asynccontextmanager
async def set_up(folder: Path, start: datetime) -> AsyncIterator[Stage]:
    """A whole stage, running; taken down again at the end."""
    config, ports = await asyncio.to_thread(make_installation, folder, free_ports(16))
    settings = read_settings(config)
    wiring.create_installation(config)
    clock = StoryClock(start)
    wiring.sign_folder(settings, by=SIGNED_BY, reason="the agreements of the demo", clock=clock)
    gateway = wiring.build(settings, clock=clock)
    _register(gateway)
    bearer = _bearers(gateway)
    address = f"http://127.0.0.1:{ports['http']}"
    servers = {name: HttpNeighbour(port) for name, port in ports.items() if name not in ("http", "mllp", "pager")}
    pager = Pager(ports["pager"])
    async with contextlib.AsyncExitStack() as stack:
        await pager.up()
        stack.push_async_callback(pager.down)
        for server in servers.values():
            await server.up()
            stack.push_async_callback(server.down)
        serving = await stack.enter_async_context(Serving(gateway, settings))
        yield Stage(
            gateway=gateway,
            settings=settings,
            clock=clock,
            ehr=PrisonEhr("127.0.0.1", ports["mllp"]),
            clinical=ClinicalSystem(address, lambda: bearer("fellgate-clinical")),
            outside=ClinicalSystem(address, lambda: bearer("northfell-system")),
            servers=servers,
            mailbox=MailboxNeighbour(address, lambda: bearer("southfell-mailbox")),
            pager=pager,
            doors=serving.addresses(),
        )


def _register(gateway: Gateway) -> None:
    """The demo's clients. There is no default one: an installation registers its own."""
    establishments = [one.id for one in gateway.settings.establishments]
    v2 = ("ADT^*", "ORU^R01", "RDE^O11")
    add_client(gateway, name="fellgate-ehr", kinds=v2, establishments=establishments)
    add_client(
        gateway,
        name="fellgate-clinical",
        kinds=("fhir-message",),
        establishments=establishments,
        consent_authority=True,
    )
    add_client(gateway, name="southfell-mailbox", recipient="southfell-recovery")
    add_client(
        gateway,
        name="northfell-system",
        kinds=("fhir-message",),
        establishments=establishments,
        recipient="northfell-recovery",
    )


def _bearers(gateway: Gateway) -> Callable[[str], str]:
    # A new one each time: story months pass between two calls.
    return lambda client: issue_token(gateway, client, 3600)


def instant(text: str) -> datetime:
    """`2026-03-02 10:15` in UTC."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
