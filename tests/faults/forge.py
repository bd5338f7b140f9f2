"""A fork server: everything is imported once, then each gateway is a fork of it, ready in a fraction of a start. It knows no test.

`python -m tests.faults.forge`: one JSON order a line on stdin, one pid a line on stdout. A child is the real line behind its real doors
(`Serving`). It obeys one connection to a socket: `settle`, `advance N`, `points`, `verify`, `stop`; a dead child closes it.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway import failpoints, wiring
from gateway.pipeline import Gateway
from gateway.serving import Serving
from gateway.settings import read_settings

Order = dict[str, Any]


class Hook:
    """Counts the points; kills its own process, as `kill -9` does, at the k-th pass of one."""

    def __init__(self, die_at: tuple[str, int] | None) -> None:
        self.die_at = die_at
        self.passed: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        self.passed[name] += 1
        if self.die_at == (name, self.passed[name]):
            os.kill(os.getpid(), signal.SIGKILL)


class Clock:
    """The machine's clock, moved on by what the test says, so that nobody has to wait for a time limit."""

    def __init__(self, seconds: float) -> None:
        self.ahead = timedelta(seconds=seconds)

    def __call__(self) -> datetime:
        return wiring.read_clock() + self.ahead


async def obey(gateway: Gateway, serving: Serving, hook: Hook, clock: Clock, control: str) -> None:
    """Say where the doors are, then do as told until `stop`."""
    reader, writer = await asyncio.open_unix_connection(control)
    listener: Any = serving._listeners[0]
    ports = {"mllp": listener.port, "http": serving._socket.getsockname()[1]}
    writer.write(json.dumps(ports).encode() + b"\n")
    while line := (await reader.readline()).decode().split():
        said: Any = "done"
        match line:
            case ["settle"]:
                await gateway.settle(60)
            case ["advance", seconds]:
                clock.ahead += timedelta(seconds=float(seconds))
            case ["points"]:
                said = dict(hook.passed)
            case ["verify"]:
                found = await asyncio.to_thread(gateway.ledger.verify)
                said = {"verified": found.verified, "faults": found.faults, "entries": found.entries}
            case ["stop"]:
                return
        writer.write(json.dumps(said).encode() + b"\n")


def be_a_gateway(order: Order) -> None:
    """One child, from build to end."""
    hook = Hook((order["die_at"][0], order["die_at"][1]) if order.get("die_at") else None)
    failpoints.install(hook)
    clock = Clock(order["ahead_seconds"])
    settings = read_settings(Path(order["config"]))
    gateway = wiring.build(settings, clock=clock)

    async def live() -> None:
        async with Serving(gateway, settings) as serving:
            await obey(gateway, serving, hook, clock, order["control"])

    asyncio.run(live())


def main() -> None:
    """Fork for each order."""
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
