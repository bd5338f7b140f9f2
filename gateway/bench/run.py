"""One run of the bench: its workloads in order, each on an installation of its own. `throughgate bench` calls it; nothing else does."""

import asyncio
import os
import platform
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.bench import targets
from gateway.bench.acknowledging import acknowledged, lone
from gateway.bench.deciding import decide, give_meaning
from gateway.bench.end_to_end import end_to_end, growth, history, more_recipients, more_workers
from gateway.bench.floors import floors
from gateway.bench.stage import Plan, Say, Stage, Workload, set_up


async def _prescription_to_1(stage: Stage) -> list[Workload]:
    return [await end_to_end(stage, "prescription-to-1", stage.population.prescription, 1)]


async def _stay_to_4(stage: Stage) -> list[Workload]:
    return [await end_to_end(stage, "stay-to-4", stage.population.stay, 4)]


WORKLOADS: Mapping[str, Callable[[Stage], Awaitable[list[Workload]]]] = {
    "floors": floors,
    "decide": decide,
    "translate-result": give_meaning,
    "mllp-acknowledgements": acknowledged,
    "lone-message": lone,
    "prescription-to-1": _prescription_to_1,
    "prescription-to-4": more_recipients,
    "stay-to-4": _stay_to_4,
    "backlog": growth,
    "ten-times-the-file": history,
    "workers": more_workers,
}
"""By name, in the order in which they run. `prescription-to-4` also measures ten times the recipients, `backlog` ten times the store."""
NEED_ROOM_FOR_WORKERS = frozenset({"workers"})


def usual(plan: Plan) -> tuple[str, ...]:
    """The workloads of a run that names none: every one that its engines have room for."""
    return tuple(name for name in WORKLOADS if plan.store_url or name not in NEED_ROOM_FOR_WORKERS)


async def run(folder: Path, names: Sequence[str], plan: Plan, say: Say) -> dict[str, Any]:
    """The workloads of these names. The document of `bench --json`. SIGTERM ends it as Ctrl-C does: no process of it stays behind."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        async with set_up(folder / name, plan, say) as stage:
            for workload in await WORKLOADS[name](stage):
                found.setdefault(workload.name, workload.as_json())
    workloads = list(found.values())
    return {
        "workloads": workloads,
        "machine": machine(plan),
        "targets": list(targets.judged(workloads)),
        "faults": targets.faults(workloads),
    }


def machine(plan: Plan) -> dict[str, Any]:
    """What the numbers were measured on, and on which engines."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text("utf-8").splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "engines": plan.engines,
        "seconds": plan.seconds,
        "backlog": plan.backlog,
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.machine(),
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }
