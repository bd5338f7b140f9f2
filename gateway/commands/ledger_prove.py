"""`throughgate ledger prove ID`: a small file that proves what the signed ledger says of one entry or one delivery."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def ledger_prove(
    some_id: Annotated[str, typer.Argument(metavar="ENTRY|DELIVERY", help="The id of an entry or of a delivery.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", help="A new file for the proof.")] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write the entries, each with its path to the signed head, and that the head continues the first one that covered them."""
    from gateway import evidence

    with opened(config) as gateway:
        made = evidence.prove(gateway, some_id)
    if out is not None:
        evidence.write_new(out, json.dumps(made, ensure_ascii=False, indent=1).encode() + b"\n")
    if as_json or out is None:
        say_json(made, indent=1)
        return
    typer.echo(f"wrote {out}: {len(made['entries'])} entries; check it with verify_ledger.py")
