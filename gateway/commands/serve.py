"""`throughgate serve`: the gateway as one process, until it is told to stop."""

import asyncio
from pathlib import Path

import typer

from gateway.commands.agreements_read import say_unsigned
from gateway.commands.outcome import DEFAULT_CONFIG, Config


def serve(config: Config = DEFAULT_CONFIG) -> None:
    """Run the gateway until SIGTERM or Ctrl-C: HTTP, MLLP listeners, deliveries."""
    asyncio.run(_serve(config))


async def _serve(config: Path) -> None:
    from gateway import wiring
    from gateway.collecting import collect_seldom
    from gateway.large_blocks import give_back_large_blocks
    from gateway.serving import Serving
    from gateway.settings import read_settings

    settings = read_settings(config)
    gateway = wiring.build(settings)
    say_unsigned(gateway)
    async with Serving(gateway, settings) as serving:
        collect_seldom()
        give_back_large_blocks()
        for door in serving.addresses():
            typer.echo(door)
        typer.echo("pages  /console/ at the http door; an account: throughgate staff add NAME --role ig-officer")
        typer.echo("ready; stop with Ctrl-C or SIGTERM")
        await serving.until_stopped()
        typer.echo("stopping: doors closed, finishing what is in flight")
