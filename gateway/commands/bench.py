"""`throughgate bench`: how fast the line is on this machine, beside floors of the same run. Synthetic people only; nothing stays."""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.outcome import AsJson, Exit, refuse, say_json, say_table

if TYPE_CHECKING:
    from gateway.bench.stage import Plan


def bench(  # noqa: PLR0913  each is one option of the command line
    *,
    workload: Annotated[
        list[str] | None, typer.Option("--workload", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, max=3600, help="How long each workload is driven.")] = None,
    backlog: Annotated[
        int | None, typer.Option(min=10, help="How many messages wait in the workload of that name.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds in all: that it works, not how fast.")] = False,
    peer: Annotated[
        bool, typer.Option(help="Install and measure hl7v2-fhir-bridge beside the acknowledgements.")
    ] = True,
    profile: Annotated[bool, typer.Option("--profile", help="Say where the serving process spends its time.")] = False,
    store_url: Annotated[
        str | None, typer.Option(help="A server on which a database may be created and dropped again.")
    ] = None,
    bus_url: Annotated[str | None, typer.Option(help="A broker on which queues may be declared and deleted.")] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="An earlier --json result: a ratio below 0.8 of its own is a fault."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the line beside its floors: ratios are what can be compared between machines and days."""
    from gateway.bench.run import WORKLOADS, run, usual
    from gateway.bench.targets import fallen

    if (store_url is None) != (bus_url is None):
        raise refuse("--store-url and --bus-url belong together", Exit.ARGUMENTS)
    plan = _plan(
        {"seconds": seconds, "backlog": backlog},
        quick=quick,
        peer=peer,
        profile=profile,
        store_url=store_url,
        bus_url=bus_url,
    )
    names = tuple(workload) if workload else usual(plan)
    if unknown := sorted(set(names) - set(WORKLOADS)):
        raise refuse(f"no such workload: {', '.join(unknown)}; use {', '.join(WORKLOADS)}", Exit.ARGUMENTS)
    with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
        try:
            found = asyncio.run(run(Path(folder), names, plan, _progress))
        except asyncio.CancelledError:
            raise refuse("ended before there was a result; nothing stays behind") from None
    if against is not None:
        found["faults"] += fallen(found["workloads"], json.loads(against.read_text("utf-8"))["workloads"])
    if as_json:
        say_json(found)
    else:
        _say(found)
    if found["faults"]:
        raise typer.Exit(int(Exit.FAULT))


def _plan(asked: Mapping[str, Any], *, quick: bool, **options: Any) -> "Plan":
    from gateway.bench.stage import QUICK, Plan

    said = {what: value for what, value in asked.items() if value is not None}
    return Plan(**{**options, **(QUICK if quick else {}), **said})


def _progress(line: str) -> None:
    typer.echo(line, err=True)


def _say(found: dict[str, Any]) -> None:
    columns = ("name", "per_second", "p50_ms", "p99_ms", "ratio_to_floor")
    rows = [tuple("" if one[key] is None else str(one[key]) for key in columns) for one in found["workloads"]]
    say_table(("workload", "per second", "p50 ms", "p99 ms", "ratio to floor"), rows)
    for one in found["workloads"]:
        if why := one.get("peer", {}).get("not_measured"):
            typer.echo(f"{one['peer']['name']} was not measured: {why}")
        for kind, places in one.get("profile", {}).items():
            for place, share in places.items():
                typer.echo(f"{one['name']}  {kind}  {share:6.1%}  {place}")
    for one in found["targets"]:
        answer = "reached" if one["met"] else "NOT reached"
        typer.echo(f"{answer}: {one['workload']}, {one['what']}: {one['measured']:g}, asked {one['target']}")
    for fault in found["faults"]:
        typer.echo(f"FAULT: {fault}")
