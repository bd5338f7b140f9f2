"""What the workloads act on: a temporary installation, the process that receives, and the processes that are measured.

Contestants take turns and the others are frozen meanwhile, so that one machine measures all of them under the same weather; what is
compared are ratios.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.bench.engines import own_database, own_queues
from gateway.bench.installation import Installation, make_installation, register, share_with
from gateway.bench.load import Arrivals, Measured
from gateway.bench.messages import Population
from gateway.bench.processes import Process, python, running
from gateway.demo.stage import free_ports

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured. `seconds` is each workload's, in so many `rounds` (turns of each contestant; the middle one counts)."""

    seconds: float = 15.0
    rounds: int = 3
    at_once: int = 32
    """Messages under way end to end."""
    backlog: int = 20_000
    """Messages; the store is small with a tenth of them in it."""
    peer: bool = True
    profile: bool = False
    store_url: str | None = None
    bus_url: str | None = None

    @property
    def engines(self) -> str:
        return "production" if self.store_url else "embedded"

    @property
    def round_seconds(self) -> float:
        return self.seconds / self.rounds


QUICK: Mapping[str, Any] = {
    "seconds": 1.0,
    "rounds": 1,
    "at_once": 8,
    "backlog": 64,
    "peer": False,
}
"""That it works, not how fast: seconds in all."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What one workload came to. `floor` has the numbers of the same run beside it; every ratio is better when it is higher."""

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
    """One installation with its receivers, and who is sent about."""

    folder: Path
    plan: Plan
    installation: Installation
    bearer: str
    population: Population
    arrivals: Arrivals
    say: Say

    @property
    def url(self) -> str:
        """Where messages are posted to."""
        return f"{self.installation.http_url}/hl7v2"


@contextlib.asynccontextmanager
async def set_up(folder: Path, plan: Plan, say: Say) -> AsyncIterator[Stage]:
    """An installation with a database and queues of its own, and its receivers; taken down at the end."""
    async with contextlib.AsyncExitStack() as stack:
        if plan.store_url is not None:
            plan = replace(plan, store_url=await stack.enter_async_context(own_database(plan.store_url)))
        installation = await asyncio.to_thread(
            make_installation, folder / "installation", store_url=plan.store_url, bus_url=plan.bus_url
        )
        if plan.bus_url is not None:
            await stack.enter_async_context(own_queues(plan.bus_url, installation.name))
        bearer = await asyncio.to_thread(register, installation)
        ports = [str(port) for port in installation.receivers]
        command = python("gateway.bench.receivers", str(folder), *ports)
        arrivals = Arrivals()
        async with running("receivers", command, folder / "receivers.log", speaks=True) as receivers:
            await receivers.says("ready")
            listening = asyncio.create_task(arrivals.listen(receivers))
            yield Stage(
                folder=folder,
                plan=plan,
                installation=installation,
                bearer=bearer,
                population=Population(),
                arrivals=arrivals,
                say=say,
            )
        await listening


@contextlib.asynccontextmanager
async def serving(
    stage: Stage, copies: int, *, more_recipients: int = 0, workers: int = 0
) -> AsyncIterator[tuple[Process, ...]]:
    """The gateway as anybody runs it, with so many recipients; its processes, the one that serves first."""
    share_with(stage.installation, copies, more_recipients=more_recipients)
    stage.arrivals.copies = copies
    config = ["--config", str(stage.installation.config)]
    command = python("gateway", "serve", *config)
    if stage.plan.profile:
        command = python("gateway.bench.sampled", str(stage.folder / "profile.json"), "serve", *config)
    async with contextlib.AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(running("serve", command, stage.folder / "serve.log"))]
        await processes[0].ready_at(stage.installation.http_port)
        for number in range(workers):
            name = f"work-{number + 1}"
            worker = running(name, python("gateway", "work", *config), stage.folder / f"{name}.log", speaks=True)
            processes.append(await stack.enter_async_context(worker))
            await processes[-1].says("working; stop with Ctrl-C or SIGTERM")
        yield tuple(processes)


@contextlib.asynccontextmanager
async def empty_pipe(stage: Stage, event: str, copies: int) -> AsyncIterator[tuple[Process, str]]:
    """The empty pipe that sends on what is of `event` to the same receivers, and where it is posted to. They have had a letter each."""
    port = free_ports(1)[0]
    receivers = [str(port) for port in stage.installation.receivers[:copies]]
    command = python("gateway.bench.pipe", str(stage.folder), str(port), event, *receivers)
    async with running("pipe", command, stage.folder / "pipe.log") as pipe:
        await pipe.ready_at(port)
        yield pipe, f"http://127.0.0.1:{port}/hl7v2"


def middle(rounds: Sequence[Measured]) -> Measured:
    """The round whose speed is the middle one."""
    return sorted(rounds, key=lambda one: one.per_second)[len(rounds) // 2]


def cpu_seconds(processes: Sequence[Process]) -> float:
    """Processor time of all of them so far."""
    return sum(each.cpu_seconds() for each in processes)


def cpu_ms_a_message(used_seconds: float, rounds: Sequence[Measured]) -> float:
    """Processor milliseconds for each message of these rounds."""
    return round(used_seconds * 1000 / max(sum(len(one.seconds) for one in rounds), 1), 2)


def peak_mb(processes: Sequence[Process]) -> dict[str, float]:
    """Name -> the most memory that was ever resident in it, in megabytes."""
    return {each.name: each.peak_mb() for each in processes}
