"""`throughgate ledger new-epoch --reason R`: a person takes a store into use that does not continue its signed head."""

from dataclasses import asdict

import typer

from gateway.commands.held import Because, By
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def ledger_new_epoch(
    *, reason: Because, by: By = "operator", config: Config = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """Begin again from what is there. What was signed before and is not here is named in the ledger for ever, and nothing goes on by itself."""
    from gateway import restored

    with opened(config) as gateway:
        found = restored.begin_epoch(gateway, reason=reason, by=by)
    if as_json:
        say_json({**asdict(found.passed_over), "parked": asdict(found.parked)})
        return
    missing = max(found.passed_over.former_size - found.passed_over.size, 0)
    typer.echo(
        f"a new epoch begins after {found.passed_over.size} entries; {missing} that were signed before are not here"
    )
    typer.echo(
        f"parked: {found.parked.letters} letters and {found.parked.messages} messages wait for a person: `throughgate held`"
    )
    typer.echo("the head before is kept beside the new one: keep it, it says what is missing")
