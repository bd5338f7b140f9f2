"""One running gateway: its HTTP side, its MLLP listeners and the line, in one event loop. `serve`, the demo and tests start it here.

A stop closes the doors first, lets what is in flight finish, then stops the line. Nothing that was acknowledged depends on a good end.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import uvicorn

from adapters.contract import Inbound
from adapters.discover import discover
from gateway.api import create_app
from gateway.api.answers import refusal
from gateway.console import add_console
from gateway.doors import missing, server_tls
from gateway.errors import Fault, SettingsError
from gateway.patience import impatient
from gateway.pipeline import Gateway
from gateway.settings import ChannelSettings, Settings

GRACE_SECONDS = 20
TURN_SECONDS = 0.0002
"""How long one thread keeps the interpreter when another wants it. An acknowledgement changes threads four times at least, and would wait
twenty-five times as long, at each of them, for the letters that are being composed.
"""


class _HttpServer(uvicorn.Server):
    """uvicorn, but the process's signals stay ours: doors close in our order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Serving:
    """`async with Serving(gateway):` opens every door and closes them again. `addresses` says where each one is."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self._gateway = gateway
        self._settings = settings
        # INVARIANT: a door beyond this machine is not opened while anything is missing.
        for fault in missing(settings, gateway.clock()):
            raise SettingsError("throughgate.toml", fault.place, fault.text)
        self._stopped = asyncio.Event()
        self._socket = _bind(settings.gateway.http_host, settings.gateway.http_port)
        app = create_app(gateway)
        add_console(app, gateway)
        self._http = _HttpServer(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=impatient(
                    settings.limits.http_read_seconds,
                    most_connections=settings.limits.http_connections,
                    full=refusal(Fault.OVERLOADED, headers={"Connection": "close"}),
                ),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        if settings.tls is not None:
            self._http.config.load()
            self._http.config.ssl = server_tls(settings.tls)
        self._http_task: asyncio.Task[None] | None = None

    def addresses(self) -> tuple[str, ...]:
        """One line a door."""
        host, port = self._socket.getsockname()[:2]
        return (f"http   {self._settings.http_scheme()}://{host}:{port}", *self._settings.ways_in())

    async def __aenter__(self) -> Self:
        sys.setswitchinterval(TURN_SECONDS)
        await self._gateway.start()
        try:
            for channel in self._settings.channels:
                if channel.adapter != "http":
                    listener = make_listener(self._settings, channel)
                    await listener.start(self._gateway.accept)
                    self._gateway.doors[channel.name] = listener
            self._http_task = asyncio.create_task(self._http.serve(sockets=[self._socket]))
            while not self._http.started:
                if self._http_task.done():
                    self._http_task.result()
                await asyncio.sleep(0.01)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._close()

    async def until_stopped(self) -> None:
        """Wait for SIGTERM or SIGINT."""
        await until_told(self._stopped)

    async def _close(self) -> None:
        for listener in self._gateway.doors.values():
            await listener.stop()
        if self._http_task is not None:
            self._http.should_exit = True
            await self._http_task
        self._socket.close()
        await self._gateway.stop()


async def until_told(stopped: asyncio.Event) -> None:
    """Wait for SIGTERM or SIGINT, or until `stopped` is set."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        await stopped.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def make_listener(settings: Settings, channel: ChannelSettings) -> Inbound:
    """The inbound side of one channel's adapter. Raises SettingsError when the adapter has none."""
    spec = discover().get(channel.adapter)
    if spec is None or spec.make_inbound is None or spec.inbound_settings is None:
        raise SettingsError(
            "throughgate.toml", f"channels.{channel.name}.adapter", "this adapter cannot receive: use mllp"
        )
    return spec.make_inbound(spec.inbound_settings(**settings.listener(channel)))


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by its number: asyncio asks for it before it sets TCP_NODELAY, without which each body waits 40 ms behind its head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            "throughgate.toml",
            "gateway.http_port",
            f"{host}:{port} cannot be listened on ({error.strerror}): choose a free port",
        ) from None
    listener.setblocking(False)
    return listener
