"""`throughgate restore DIR`: puts a backup into an empty place, stops everything in it from going on by itself, and says what is missing."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `throughgate backup` made.")],
    *,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Put a backup back. Nothing of it is sent, and nothing is served, before a person has begun a new epoch."""
    from gateway import backups, restored
    from gateway.ledger import LedgerFault
    from gateway.settings import read_settings

    found = backups.put_back(read_settings(config), folder)
    with opened(config) as gateway:
        restored.require_keys(gateway)
        parked = restored.park_unfinished(gateway)
        heard = restored.last_heard(gateway)
        ledger = gateway.ledger.verify()
        try:
            gateway.ledger.require_continued()
            behind = ""
        except LedgerFault as error:
            behind = str(error)
    if as_json:
        say_json(
            {
                "made_at": found.made_at,
                "entries": ledger.entries,
                "parked": asdict(parked),
                "last_heard": [asdict(each) for each in heard],
                "ledger": behind,
            }
        )
        return
    typer.echo(f"put back: the store as it was at {found.made_at}, {ledger.entries} ledger entries")
    typer.echo(f"parked: {parked.letters} letters and {parked.messages} messages wait for a person: `throughgate held`")
    for each in heard:
        typer.echo(
            f"ask     {each.client} (channel {each.channel}) for everything since {each.last_at}, message {each.last_message}"
        )
    typer.echo(f"ledger  {behind or 'continues its signed head'}")
    if behind:
        typer.echo("next: `throughgate ledger new-epoch --reason ...`; until then `serve` and `work` refuse to start")
