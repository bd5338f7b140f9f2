"""`throughgate work`: one more process that releases and delivers, beside the one that serves; no door is opened."""

import asyncio
from pathlib import Path

import typer

from gateway.commands.agreements_read import say_unsigned
from gateway.commands.outcome import DEFAULT_CONFIG, Config, Exit, refuse


def work(config: Config = DEFAULT_CONFIG) -> None:
    """Run an extra worker until SIGTERM or Ctrl-C. It takes from the same bus and store; it needs a store that several processes write to."""
    asyncio.run(_work(config))


async def _work(config: Path) -> None:
    from gateway import wiring
    from gateway.collecting import collect_seldom
    from gateway.large_blocks import give_back_large_blocks
    from gateway.serving import until_told
    from gateway.settings import read_settings

    settings = read_settings(config)
    if not wiring.has_room_for_workers(settings):
        raise refuse(
            "this store has one writing process, which is the one that serves: "
            "set gateway.store_url to a shared database (deploy/production.toml) to run workers",
            Exit.ARGUMENTS,
        )
    gateway = wiring.build(settings)
    say_unsigned(gateway)
    await gateway.start()
    try:
        collect_seldom()
        give_back_large_blocks()
        typer.echo("working; stop with Ctrl-C or SIGTERM")
        await until_told(asyncio.Event())
        typer.echo("stopping: finishing what is in flight")
    finally:
        await gateway.stop()
