"""`throughgate demo`: the story of one prison, played through real wires on this machine. Exit 0 only if every invariant held."""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.outcome import AsJson, Exit, refuse, say_json


def demo(
    *,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep throughgate.toml and the data here; a new or empty folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play a story with synthetic people and print who got what, what was withheld and why; then verify the ledger."""
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise refuse(f"{keep} is not empty: choose a new folder", Exit.ARGUMENTS)
    from gateway.demo.run import perform

    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="throughgate-demo-")))
        performance = asyncio.run(perform(folder, _silent if as_json else typer.echo))
        if as_json:
            say_json(performance.as_json())
        elif performance.held:
            typer.echo("every invariant held")
        else:
            typer.echo("NOT every invariant held: see NO above, and NOT AS THE STORY SAYS")
        if keep is not None and not as_json:
            typer.echo(
                f"kept in {keep}: look with  throughgate journey ID --reason 'the demo' --config {keep / 'throughgate.toml'}"
            )
    if not performance.held:
        raise typer.Exit(int(Exit.FAULT))


def _silent(_line: str) -> None:
    """With --json only the document is printed."""
