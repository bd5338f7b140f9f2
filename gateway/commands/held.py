"""`throughgate held`: what waits for a person, harm first; each way to end the wait takes a reason, which is kept."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.looking import Looker, looker
from gateway.commands.opened import opened
from gateway.commands.outcome import CONFIG_VARIABLE, DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

app = typer.Typer(help="What waits for a person: letters and messages that are held, harm first.")

HeldId = Annotated[
    str, typer.Argument(metavar="ID", help="The id of a held letter or message, from `throughgate held`.")
]
Because = Annotated[
    str, typer.Option("--reason", help="Why. It is kept, sealed; never write a name or a number in it.")
]
AnyPath = Annotated[Path, typer.Option("--config", envvar=CONFIG_VARIABLE, help="The installation's throughgate.toml.")]
"""Looked at only where this group lists: `release` and `reject` have their own."""
By = Annotated[str, typer.Option("--by", help="Who decides: a role or a staff id.")]


@app.callback(invoke_without_command=True)
def held(context: typer.Context, *, by: Looker = "", config: AnyPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List what waits: age, reason, what to do."""
    if context.invoked_subcommand is not None:
        return
    if not config.is_file():
        raise refuse(f"{config} does not exist: give --config", Exit.ARGUMENTS)
    from gateway import desk, looks

    with opened(config) as gateway:
        items = desk.held(gateway)
        looks.enter_look(gateway, "held", by=looker(by))
    if as_json:
        say_json({"held": [asdict(item) for item in items]})
        return
    for item in items:
        what = f"{item.letter} to {item.recipient_class}" if item.letter else item.kind
        typer.echo(f"{item.id}  {item.state}  {what}  {item.reason}  waits {timedelta(seconds=item.age_seconds)}")
        typer.echo(f"    {item.todo}")
    typer.echo(f"{len(items)} waiting" if items else "nothing waits")


@app.command("release")
def release(
    some_id: HeldId,
    *,
    reason: Because,
    by: By = "operator",
    recipient: Annotated[
        str | None,
        typer.Option(help="Whom a person names: where no recipient was found, or the record is flagged sensitive."),
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Let a held letter or message go on, or send a parked or ambiguous letter again. It never overrides a recorded dissent."""
    from gateway import desk

    with opened(config) as gateway:
        state = desk.release_held(gateway, some_id, reason=reason, by=by, recipient=recipient)
    _say(some_id, state, as_json=as_json)


@app.command("delivered")
def delivered(
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a parked or ambiguous letter.")],
    *,
    reason: Because,
    by: By = "operator",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Its recipient was asked and has it: the letter is delivered and is not sent again."""
    from gateway import desk

    with opened(config) as gateway:
        state = desk.say_delivered(gateway, delivery_id, reason=reason, by=by)
    _say(delivery_id, state, as_json=as_json)


@app.command("reject")
def reject(
    some_id: HeldId, *, reason: Because, by: By = "operator", config: Config = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """End the wait: a letter is withheld, a message rejected. It does not come back."""
    from gateway import desk

    with opened(config) as gateway:
        state = desk.reject_held(gateway, some_id, reason=reason, by=by)
    _say(some_id, state, as_json=as_json)


def _say(some_id: str, state: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"id": some_id, "state": state})
    else:
        typer.echo(f"{some_id}: {state}")
        if state in ("queued", "ambiguous"):
            typer.echo("a running `throughgate serve` sends it at its next sweep")
