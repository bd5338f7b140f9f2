"""`throughgate ledger export FILE`: the whole signed ledger as one file, for whoever checks it without this program."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def ledger_export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    *,
    verifier: Annotated[
        Path | None, typer.Option("--verifier", help="Write the program that checks it here too: a new file.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write every entry, every signed head and the public keys into FILE. It holds ids, closed words and digests, nothing about anybody."""
    from gateway import evidence, shipped

    with opened(config) as gateway:
        made = evidence.export_ledger(gateway, file)
    if verifier is not None:
        evidence.write_new(verifier, shipped.verifier().read_bytes())
    if as_json:
        say_json(asdict(made))
        return
    typer.echo(f"wrote {file}: {made.entries} entries, SHA-256 {made.sha256}")
    if made.newer:
        typer.echo(f"{made.newer} are newer than the signed head: they are in the next export")
    typer.echo("check it on another machine: python3 verify_ledger.py FILE --key KEY (the key that was written down)")
