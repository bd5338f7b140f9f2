"""`throughgate erase`: a person's key is destroyed; three steps, two people. It cannot be taken back."""

from dataclasses import asdict
from typing import Annotated

import typer

from gateway.commands.held import Because
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json

app = typer.Typer(
    help="Erase a person: nothing that is left opens or leads to them. It cannot be taken back.", no_args_is_help=True
)

Who = Annotated[str, typer.Option("--by", help="Who acts: a staff id or a name.")]
SomeId = Annotated[str, typer.Argument(metavar="ID", help="Id of a person or of a message; never a number of anybody.")]
ActId = Annotated[str, typer.Argument(metavar="ACT", help="What `ask` printed.")]


@app.command("ask")
def ask(some_id: SomeId, *, reason: Because, by: Who, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Ask that the person of an id be erased. A second person approves."""
    from gateway.subject import acts

    with opened(config) as gateway:
        act = acts.ask(gateway, some_id, acts.What.ERASURE, reason=reason, by=by)
    if as_json:
        say_json({"act": act})
    else:
        typer.echo(f'{act}: another person says `throughgate erase approve {act} --by WHO --reason "..."`')


@app.command("approve")
def approve(
    act_id: ActId, *, reason: Because, by: Who, config: Config = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """A second person's word: never who asked. Nothing is erased yet."""
    from gateway.subject import acts

    with opened(config) as gateway:
        act = acts.approve(gateway, act_id, reason=reason, by=by)
    if as_json:
        say_json({"act": act.id, "what": act.what.value, "approved": True})
    else:
        typer.echo(f"{act.id}: approved; `throughgate erase now {act.id}` does it, and cannot be taken back")


@app.command("now")
def now(act_id: ActId, *, reason: Because, by: Who, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Destroy the key and everything that leads to the person. Refused while a message or a letter about them is not finished."""
    from gateway.subject.erase import erase

    with opened(config) as gateway:
        done = erase(gateway, act_id, reason=reason, by=by)
    if as_json:
        say_json(asdict(done))
        return
    typer.echo(
        f"erased: {done.people} records, {done.messages} messages, {done.deliveries} letters, {done.sealed} sealed things"
    )
    typer.echo(
        "copies of the database that were made before still hold it until they are destroyed: until then it is beyond use, not gone"
    )
