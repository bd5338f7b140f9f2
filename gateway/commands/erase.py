"""`throughgate erase`: a person's key is destroyed; three steps, two people. It cannot be taken back."""

from dataclasses import asdict

import typer

from gateway.commands.held import Because
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json
from gateway.commands.two_people import ActId, Who, add_steps

app = typer.Typer(
    help="Erase a person: nothing that is left opens or leads to them. It cannot be taken back.", no_args_is_help=True
)

add_steps(app, "erase", "erasure", after="`throughgate erase now {act}` does it, and cannot be taken back")

_IN_THE_FILES = {
    True: "nothing of it is left in the database's files",
    False: "remnants can still be in the database's files: stop the gateway in a quiet hour, and `throughgate erase compact` takes them out",
}


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
    typer.echo(_IN_THE_FILES[done.compacted])
    typer.echo(
        "copies of the database that were made before still hold it until they are destroyed: until then it is beyond use, not gone"
    )


@app.command("compact")
def compact(*, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Write the database anew, so that nothing of who was erased is left in its files: about 10 seconds a gigabyte. Stop the gateway first."""
    from gateway.steps.compact import compact as write_anew

    with opened(config) as gateway:
        done = write_anew(gateway, at_most_bytes=None)
    if as_json:
        say_json({"compacted": done})
    else:
        typer.echo(_IN_THE_FILES[done])
    if not done:
        raise typer.Exit(1)
