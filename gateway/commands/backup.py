"""`throughgate backup DIR`: one consistent copy of the store, beside a running gateway. It never holds a key."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder; keep it away from the keys.")],
    *,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Copy the store while it is in use. Keep the keys somewhere else: whoever has both can read everything."""
    from gateway import backups, wiring
    from gateway.instants import to_text
    from gateway.settings import read_settings

    made = backups.back_up(read_settings(config), folder, now=to_text(wiring.read_clock()))
    if as_json:
        say_json(asdict(made))
        return
    typer.echo(f"made {folder / made.file}: {made.bytes} bytes, SHA-256 {made.sha256}")
    typer.echo("no key is in it: without the folder `keys` nobody can read it, you neither")
