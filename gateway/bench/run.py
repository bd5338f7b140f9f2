"""One run of the bench: its installation, its processes, its workloads in order. `throughgate bench` calls it; nothing else does.

Contestants take turns and the others are frozen meanwhile, so that one machine measures all of them under the same weather; what is
compared are ratios.
"""

import asyncio
import contextlib
import os
import platform
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.bench import load
from gateway.bench.installation import Installation, make_installation, register, share_with
from gateway.bench.load import Arrivals, Measured
from gateway.bench.messages import Message, Population
from gateway.bench.processes import Process, python, running
from gateway.demo.stage import free_ports

Say = Callable[[str], None]
AT_ONCE = 32
"""Messages under way in an end to end workload."""
CONNECTIONS = 4
"""Of MLLP."""
WARM_UP_SECONDS = 0.5
REST_SECONDS = 0.1
"""Between lone messages: the line has finished with one before the next comes."""
ROUNDS = 3
"""Turns of each contestant; the middle one counts."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What one workload came to. `ratio_to_floor` is ours over the named floor: of speeds, or of times the other way about."""

    name: str
    per_second: float
    p50_ms: float
    p99_ms: float
    floor: Mapping[str, float]
    ratio_to_floor: float | None
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The shape of `bench --json` (DESIGN section 6)."""
        return {
            "name": self.name,
            "per_second": round(self.per_second, 1),
            "p50_ms": round(self.p50_ms, 2),
            "p99_ms": round(self.p99_ms, 2),
            "floor": {what: round(value, 3) for what, value in self.floor.items()},
            "ratio_to_floor": None if self.ratio_to_floor is None else round(self.ratio_to_floor, 3),
            **self.more,
        }


@dataclass(kw_only=True)
class Stage:
    """What the workloads act on."""

    folder: Path
    installation: Installation
    bearer: str
    population: Population
    arrivals: Arrivals
    seconds: float
    rounds: int
    say: Say


@contextlib.asynccontextmanager
async def set_up(
    folder: Path,
    say: Say,
    *,
    seconds: float,
    rounds: int = ROUNDS,
    store_url: str | None = None,
    bus_url: str | None = None,
) -> AsyncIterator[Stage]:
    """An installation and its receivers; taken down at the end."""
    installation = await asyncio.to_thread(
        make_installation, folder / "installation", store_url=store_url, bus_url=bus_url
    )
    bearer = await asyncio.to_thread(register, installation)
    ports = [str(port) for port in installation.receivers]
    command = python("gateway.bench.receivers", str(folder), *ports)
    arrivals = Arrivals()
    async with (
        asyncio.TaskGroup() as group,
        running("receivers", command, folder / "receivers.log", speaks=True) as receivers,
    ):
        await receivers.says("ready")
        group.create_task(arrivals.listen(receivers))
        yield Stage(
            folder=folder,
            installation=installation,
            bearer=bearer,
            population=Population(),
            arrivals=arrivals,
            seconds=seconds,
            rounds=rounds,
            say=say,
        )


@contextlib.asynccontextmanager
async def serving(stage: Stage, copies: int) -> AsyncIterator[Process]:
    """The gateway, as anybody runs it, with so many recipients."""
    share_with(stage.installation, copies)
    stage.arrivals.copies = copies
    command = python("gateway", "serve", "--config", str(stage.installation.config))
    async with running("serve", command, stage.folder / "serve.log") as process:
        await process.ready_at(stage.installation.http_port)
        yield process


async def end_to_end(stage: Stage, name: str, make_message: Callable[[], Message], copies: int) -> Workload:
    """Messages posted until their letters have come, beside the empty pipe."""
    messages = iter(make_message, None)
    found: dict[str, list[Measured]] = {"gateway": [], "pipe": []}

    async def turn(url: str, at_once: int, seconds: float) -> Measured:
        # Connections of its own: a server closes those that were silent while it was frozen.
        async with load.posting(url, stage.bearer, at_once) as post:
            return await load.until_arrived(post, stage.arrivals, messages, at_once=at_once, seconds=seconds)

    async with serving(stage, copies) as gateway:
        ours = f"{stage.installation.http_url}/hl7v2"
        await turn(ours, 1, WARM_UP_SECONDS)
        async with empty_pipe(stage, copies) as (pipe, theirs):
            await turn(theirs, 1, WARM_UP_SECONDS)
            used = gateway.cpu_seconds(), pipe.cpu_seconds()
            for number in range(stage.rounds):
                stage.say(f"{name}: round {number + 1} of {stage.rounds}")
                for which, url, other in (("gateway", ours, pipe), ("pipe", theirs, gateway)):
                    with other.frozen():
                        found[which].append(await turn(url, AT_ONCE, stage.seconds / stage.rounds))
            cpu_ms = cpu_ms_a_message(gateway, used[0], found["gateway"])
            pipe_cpu_ms = cpu_ms_a_message(pipe, used[1], found["pipe"])
        peak_mb = {gateway.name: gateway.peak_mb()}
    mine, empty = middle(found["gateway"]), middle(found["pipe"])
    every = (*found["gateway"], *found["pipe"])
    return Workload(
        name=name,
        per_second=mine.per_second,
        p50_ms=mine.percentile_ms(50),
        p99_ms=mine.percentile_ms(99),
        floor={
            "empty_pipe_per_second": empty.per_second,
            "empty_pipe_p50_ms": empty.percentile_ms(50),
            "empty_pipe_cpu_ms": pipe_cpu_ms,
        },
        ratio_to_floor=mine.per_second / empty.per_second,
        more={
            "copies": copies,
            "cpu_ms": cpu_ms,
            "sent": sum(len(one.seconds) for one in found["gateway"]),
            "lost": sum(one.lost for one in every),
            "doubled": stage.arrivals.doubled(),
            "peak_mb": peak_mb,
        },
    )


@contextlib.asynccontextmanager
async def empty_pipe(stage: Stage, copies: int) -> AsyncIterator[tuple[Process, str]]:
    """The empty pipe to the same receivers, and where it is posted to. The receivers have had a letter each."""
    port = free_ports(1)[0]
    receivers = [str(port) for port in stage.installation.receivers[:copies]]
    command = python("gateway.bench.pipe", str(stage.folder), str(port), *receivers)
    async with running("pipe", command, stage.folder / "pipe.log") as pipe:
        await pipe.ready_at(port)
        yield pipe, f"http://127.0.0.1:{port}/hl7v2"


def cpu_ms_a_message(process: Process, before: float, rounds: Sequence[Measured]) -> float:
    """Processor milliseconds that a process used for each message of these rounds."""
    messages = sum(len(one.seconds) for one in rounds)
    return round((process.cpu_seconds() - before) * 1000 / max(messages, 1), 2)


def middle(rounds: Sequence[Measured]) -> Measured:
    """The round whose speed is the middle one."""
    return sorted(rounds, key=lambda one: one.per_second)[len(rounds) // 2]


async def acknowledged(stage: Stage) -> Workload:
    """MLLP acknowledgements after the durable commit, at several connections, with the whole line at work behind them."""
    async with serving(stage, 1) as gateway, contextlib.AsyncExitStack() as stack:
        found = []
        posts = [
            await stack.enter_async_context(load.speaking_mllp(stage.installation.mllp_port))
            for _ in range(CONNECTIONS)
        ]
        messages = iter(stage.population.admission, None)
        await load.until_acknowledged(posts[:1], messages, seconds=WARM_UP_SECONDS)
        for number in range(stage.rounds):
            stage.say(f"mllp-acknowledgements: round {number + 1} of {stage.rounds}")
            found.append(await load.until_acknowledged(posts, messages, seconds=stage.seconds / stage.rounds))
        peak_mb = {gateway.name: gateway.peak_mb()}
    mine = middle(found)
    return Workload(
        name="mllp-acknowledgements",
        per_second=mine.per_second,
        p50_ms=mine.percentile_ms(50),
        p99_ms=mine.percentile_ms(99),
        floor={},
        ratio_to_floor=None,
        more={"connections": CONNECTIONS, "sent": sum(len(one.seconds) for one in found), "peak_mb": peak_mb},
    )


async def lone(stage: Stage) -> Workload:
    """One message after another with a rest between them: nobody to share a commit with."""
    async with serving(stage, 1), load.speaking_mllp(stage.installation.mllp_port) as post:
        messages = iter(stage.population.admission, None)
        await load.until_acknowledged([post], messages, seconds=WARM_UP_SECONDS, pause_seconds=REST_SECONDS)
        stage.say("lone-message")
        found = await load.until_acknowledged([post], messages, seconds=stage.seconds, pause_seconds=REST_SECONDS)
    return Workload(
        name="lone-message",
        per_second=1000 / found.percentile_ms(50),
        p50_ms=found.percentile_ms(50),
        p99_ms=found.percentile_ms(99),
        floor={},
        ratio_to_floor=None,
        more={"sent": len(found.seconds)},
    )


WORKLOADS: Mapping[str, Callable[[Stage], Awaitable[Workload]]] = {
    "mllp-acknowledgements": acknowledged,
    "lone-message": lone,
    "prescription-to-1": lambda stage: end_to_end(stage, "prescription-to-1", stage.population.prescription, 1),
    "prescription-to-4": lambda stage: end_to_end(stage, "prescription-to-4", stage.population.prescription, 4),
    "release-to-4": lambda stage: end_to_end(stage, "release-to-4", stage.population.release, 4),
}
"""Every workload by name, in the order in which they run."""


async def run(folder: Path, names: Sequence[str], *, seconds: float, say: Say) -> dict[str, Any]:
    """The workloads of these names, each on an installation of its own in `folder`. The document of `bench --json`."""
    found = []
    for name in names:
        async with set_up(folder / name, say, seconds=seconds) as stage:
            found.append((await WORKLOADS[name](stage)).as_json())
    return {"workloads": found, "machine": machine()}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
