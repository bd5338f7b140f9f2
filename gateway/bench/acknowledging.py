"""Workloads that end with the acknowledgement: how fast custody is taken over MLLP, beside an fsynced insert and beside the peer.

The whole line is at work behind it: what was acknowledged is being released meanwhile, and takes its share of the machine.
"""

import asyncio
import contextlib
from typing import Any

from gateway.bench import load
from gateway.bench.floors import fsynced_inserts
from gateway.bench.load import Measured
from gateway.bench.peer import PeerMissing, environment, peer_serving
from gateway.bench.stage import Stage, Workload, cpu_ms_a_message, cpu_seconds, middle, peak_mb, serving

CONNECTIONS = 4
WARM_UP_SECONDS = 0.5
REST_SECONDS = 0.1
"""Between lone messages: the line has finished with one before the next comes."""


async def acknowledged(stage: Stage) -> list[Workload]:
    """Acknowledgements after the durable commit at four connections."""
    name = "mllp-acknowledgements"
    ours: list[Measured] = []
    theirs: list[Measured] = []
    async with contextlib.AsyncExitStack() as stack:
        processes = await stack.enter_async_context(serving(stage, 1))
        peer, why = None, "left out by --quick"
        if stage.plan.peer:
            stage.say(f"{name}: the environment of the peer (once, from its hashed list)")
            try:
                python = await asyncio.to_thread(environment)
                peer = await stack.enter_async_context(peer_serving(stage.folder, python))
            except PeerMissing as missing:
                why = str(missing)
        await _turn(stage, stage.installation.mllp_port, WARM_UP_SECONDS)
        used = 0.0
        for number in range(stage.plan.rounds):
            stage.say(f"{name}: round {number + 1} of {stage.plan.rounds}")
            with peer.process.frozen() if peer else contextlib.nullcontext():
                before = cpu_seconds(processes)
                ours.append(await _turn(stage, stage.installation.mllp_port, stage.plan.round_seconds))
                used += cpu_seconds(processes) - before
            if peer is not None:
                with processes[0].frozen():
                    theirs.append(await _turn(stage, peer.port, stage.plan.round_seconds))
        memory = peak_mb(processes)
    inserts = await fsynced_inserts(stage)
    mine = middle(ours)
    return [
        Workload(
            name=name,
            per_second=mine.per_second,
            p50_ms=mine.percentile_ms(50),
            p99_ms=mine.percentile_ms(99),
            floor={
                "fsynced_inserts_per_second": inserts.per_second,
                "fsynced_insert_p50_ms": inserts.percentile_ms(50),
            },
            ratio_to_floor=mine.per_second / inserts.per_second,
            more={
                "connections": CONNECTIONS,
                "sent": sum(one.sent for one in ours),
                "cpu_ms": cpu_ms_a_message(used, ours),
                "peer": _beside(mine, theirs, why),
                "peak_mb": memory,
            },
        )
    ]


async def _turn(stage: Stage, port: int, seconds: float) -> Measured:
    async with contextlib.AsyncExitStack() as stack:
        posts = [await stack.enter_async_context(load.speaking_mllp(port)) for _ in range(CONNECTIONS)]
        return await load.until_acknowledged(posts, iter(stage.population.admission, None), seconds=seconds)


def _beside(mine: Measured, theirs: list[Measured], why: str) -> dict[str, Any]:
    """What the peer did, or why it was not measured."""
    if not theirs:
        return {"name": "hl7v2-fhir-bridge", "not_measured": why}
    peer = middle(theirs)
    return {
        "name": "hl7v2-fhir-bridge",
        "per_second": round(peer.per_second, 1),
        "p50_ms": round(peer.percentile_ms(50), 2),
        "p99_ms": round(peer.percentile_ms(99), 2),
        "ratio": round(mine.per_second / peer.per_second, 3),
    }


async def lone(stage: Stage) -> list[Workload]:
    """One message after another with a rest between them: nobody to share a commit with."""
    async with serving(stage, 1), load.speaking_mllp(stage.installation.mllp_port) as post:
        messages = iter(stage.population.admission, None)
        await load.until_acknowledged([post], messages, seconds=WARM_UP_SECONDS, rest_seconds=REST_SECONDS)
        stage.say("lone-message")
        found = await load.until_acknowledged([post], messages, seconds=stage.plan.seconds, rest_seconds=REST_SECONDS)
    inserts = await fsynced_inserts(stage)
    return [
        Workload(
            name="lone-message",
            per_second=1000 / found.percentile_ms(50),
            p50_ms=found.percentile_ms(50),
            p99_ms=found.percentile_ms(99),
            floor={"fsynced_insert_p50_ms": inserts.percentile_ms(50)},
            ratio_to_floor=inserts.percentile_ms(50) / found.percentile_ms(50),
            more={"sent": found.sent},
        )
    ]
