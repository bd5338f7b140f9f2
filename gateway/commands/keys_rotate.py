"""`throughgate keys rotate NAME`: another key in the place of one, while the gateway serves. Killed, it is called again and goes on."""

from dataclasses import asdict
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, say_json


def keys_rotate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="installation, seal or ledger-signing.")],
    *,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Rotate a key. Every process has to see the same folder of keys; none has to be stopped."""
    from gateway.rotation import rotate

    def say(what: str, rows: int) -> None:
        if not as_json:
            typer.echo(f"{what}: {rows}" if rows else what)

    with opened(config) as gateway:
        done = rotate(gateway, name, say)
    if as_json:
        say_json(asdict(done))
    else:
        typer.echo(f"{name}: {done.rows} rows are under the new key, and the old one opens nothing any more")
        typer.echo("it is kept in keys/retired: destroy it when no backup is older than now")
        if done.unopened:
            typer.echo(
                f"{done.unopened} rows are under no key of this installation: `throughgate ledger verify`, and ask why"
            )
    if done.unopened:
        raise typer.Exit(int(Exit.FAULT))
