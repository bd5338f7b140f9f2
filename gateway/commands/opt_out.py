"""`throughgate opt-out import`: which NHS numbers have no national data opt-out. It is asked for extracts alone, never for care."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, refuse, say_json

app = typer.Typer(help="The national data opt-out, for uses beyond a person's own care.", no_args_is_help=True)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The NHS numbers that the national service gave back as having no opt-out, one a line.",
        ),
    ],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Replace the list. Whoever is not in it is left out of every extract; after seven days it counts as none. Delete the file afterwards."""
    from gateway import opt_outs

    try:
        lines = file.read_text("ascii").splitlines()
    except UnicodeDecodeError:
        raise refuse("the file is not a list of numbers") from None
    with opened(config) as gateway:
        loaded = opt_outs.load(gateway, lines)
    if as_json:
        say_json(asdict(loaded))
    else:
        typer.echo(f"{loaded.numbers} numbers; {loaded.in_it} of {loaded.on_file} people on file may be in an extract")
