"""`throughgate bench`: how fast the line is on this machine, beside floors of the same run. Synthetic people only; nothing stays."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.outcome import AsJson, Exit, refuse, say_json, say_table

SECONDS = 15.0
QUICK_SECONDS = 1.5


def bench(
    *,
    workload: Annotated[
        list[str] | None, typer.Option("--workload", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long each workload is driven.")] = SECONDS,
    quick: Annotated[bool, typer.Option("--quick", help="A few seconds in all: that it works, not how fast.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the line beside its floors: ratios are what can be compared between machines."""
    from gateway.bench.run import WORKLOADS, run

    names = tuple(workload or WORKLOADS)
    if unknown := sorted(set(names) - set(WORKLOADS)):
        raise refuse(f"no such workload: {', '.join(unknown)}; use {', '.join(WORKLOADS)}", Exit.ARGUMENTS)
    with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
        found = asyncio.run(run(Path(folder), names, seconds=QUICK_SECONDS if quick else seconds, say=_progress))
    if as_json:
        say_json(found)
        return
    say_table(
        ("workload", "per second", "p50 ms", "p99 ms", "ratio to floor"), [_row(one) for one in found["workloads"]]
    )


def _progress(line: str) -> None:
    typer.echo(line, err=True)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        "" if one[key] is None else str(one[key])
        for key in ("name", "per_second", "p50_ms", "p99_ms", "ratio_to_floor")
    )
