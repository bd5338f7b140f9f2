"""A fork server: everything is imported once, then each gateway is a fork of it, ready in a fraction of a start. It knows no test.

`python -m tests.faults.forge`: one JSON order a line on stdin, one pid a line on stdout. A child is the real line behind its real doors
(`Serving`). It obeys one connection to a socket: `settle`, `sweep`, `sign`, `advance N`, `points`, `hold-at POINT N`, `go-on`, `verify`,
`bearer CLIENT`, `stop`; a dead child closes it.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Awaitable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.routing import compile_path

from gateway import failpoints, wiring
from gateway.api import routes as doors
from gateway.clients import issue_token
from gateway.console import routes as pages
from gateway.pipeline import Gateway
from gateway.serving import Serving
from gateway.settings import read_settings
from gateway.store.away import is_away
from tests.faults import simulation

Order = dict[str, Any]
DAY_SECONDS = 86_400
"""The longest that a bearer is given for."""


class Hook:
    """Counts the points; at the k-th pass of one it kills its own process, as `kill -9` does, or holds it until the test has done its worst. Of
    several it dies at the first that it comes to, and its log ends with that one's name.

    To be held is to connect to the socket `door` and wait there for a byte.
    """

    def __init__(self, die_at: Mapping[str, int], door: str) -> None:
        self.die_at = die_at
        self.door = door
        self.hold_at: tuple[str, int] | None = None
        self.passed: Counter[str] = Counter()
        self._turn = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._turn:
            self.passed[name] += 1
            if self.die_at.get(name) == self.passed[name]:
                os.write(2, f"died at {name}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)
            held = self.hold_at is not None and self.hold_at[0] == name and self.passed[name] >= self.hold_at[1]
            if held:
                self.hold_at = None
        if held:
            with closing(socket.socket(socket.AF_UNIX)) as line:
                line.connect(self.door)
                line.recv(1)


class Clock:
    """The machine's clock, moved on by what the test says, so that nobody has to wait for a time limit."""

    def __init__(self, seconds: float) -> None:
        self.ahead = timedelta(seconds=seconds)

    def __call__(self) -> datetime:
        return wiring.read_clock() + self.ahead


async def obey(gateway: Gateway, serving: Serving, hook: Hook, clock: Clock, control: str) -> None:
    """Say where the doors are, then do as told until `stop`."""
    reader, writer = await asyncio.open_unix_connection(control)
    listener: Any = next(iter(gateway.doors.values()))
    ports = {"mllp": listener.port, "http": serving._socket.getsockname()[1]}
    writer.write(json.dumps(ports).encode() + b"\n")
    while line := (await reader.readline()).decode().split():
        said: Any = "done"
        match line:
            case ["settle"]:
                said = await settle(gateway)
            case ["sweep"]:
                said = await sweep(gateway)
            case ["sign"]:
                said = await attempt(asyncio.to_thread(gateway._sign))
            case ["hold-at", point, number]:
                hook.hold_at = (point, hook.passed[point] + int(number))
            case ["go-on"]:
                said, hook.hold_at = hook.hold_at is None, None
            case ["advance", seconds]:
                clock.ahead += timedelta(seconds=float(seconds))
            case ["points"]:
                said = dict(hook.passed)
            case ["verify"]:
                found = await asyncio.to_thread(gateway.ledger.verify)
                said = {"verified": found.verified, "faults": found.faults, "entries": found.entries}
            case ["bearer", client]:
                said = await asyncio.to_thread(issue_token, gateway, client, DAY_SECONDS)
            case ["stop"]:
                return
            case _:
                raise ValueError(f"no such order: {line}")
        writer.write(json.dumps(said).encode() + b"\n")


async def settle(gateway: Gateway) -> str:
    """What became of it: an engine that is away meanwhile is no end of the gateway."""
    return await attempt(gateway.settle(60))


async def sweep(gateway: Gateway) -> str:
    """One sweep, and what it set going; what goes wrong in it is not tried again."""
    said = await attempt(gateway.sweep())
    await gateway._idle()
    return said


async def attempt(work: Awaitable[None]) -> str:
    """What became of it: done, or the name of what an engine that is away raised."""
    try:
        await work
    except Exception as error:
        if not (is_away(error) or isinstance(error, TimeoutError)):
            raise
        return type(error).__name__
    return "done"


def be_a_gateway(order: Order) -> None:
    """One child, from build to end."""
    hook = Hook(order["die_at"], f"{order['control']}.door")
    failpoints.install(hook)
    clock = Clock(order["ahead_seconds"])
    settings = read_settings(Path(order["config"]))
    gateway = wiring.build(settings, clock=clock)

    async def live() -> None:
        async with Serving(gateway, settings) as serving:
            await obey(gateway, serving, hook, clock, order["control"])

    asyncio.run(live())


def main() -> None:
    """Fork for each order. One story was played in memory before, so that no child reads and compiles again what every gateway needs."""
    simulation.play(1, odds=simulation.Odds.none())
    for path in (*(each.path for each in doors.ROUTES), *(each.path for each in pages.ROUTES)):
        compile_path(path)
    gc.collect()
    gc.freeze()  # or each child would walk through all of it at its first collection, and have every page of it copied
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            log = os.open(Path(order["config"]).parent / "child.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            try:
                be_a_gateway(order)
            except BaseException:  # noqa: BLE001  a child ends here, whatever it was, and never goes on as a second forge
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
