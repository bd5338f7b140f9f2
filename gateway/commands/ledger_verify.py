"""`throughgate ledger verify`: is every entry up to the last signed head still what it was? Changes nothing."""

from dataclasses import asdict

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, say_json


def ledger_verify(*, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Find any changed, removed, swapped, inserted or truncated entry up to the signed head; say what it does not cover."""
    with opened(config) as gateway:
        found = gateway.ledger.verify()
    if as_json:
        say_json(asdict(found))
    else:
        typer.echo(f"entries    {found.entries}")
        typer.echo(f"covered    {found.covered} (up to the signed head)")
        typer.echo(f"uncovered  {found.uncovered} (written since; the next head will cover them)")
        typer.echo(f"root       {found.root}")
        for epoch in found.epochs:
            typer.echo(f"epoch      {epoch}")
        for fault in found.faults:
            typer.echo(f"fault      {fault}")
        typer.echo(
            "verified"
            if found.verified
            else "NOT VERIFIED: keep the database and the head file as they are, and call the IG officer"
        )
    if not found.verified:
        raise typer.Exit(int(Exit.FAULT))
