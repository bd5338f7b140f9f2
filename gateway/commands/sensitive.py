"""`throughgate sensitive`: mark a person's record sensitive by hand, at once and alone; take the mark back, with a second person."""

import typer

from gateway.commands.held import Because
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json
from gateway.commands.two_people import ActId, SomeId, Who, add_steps

app = typer.Typer(
    help="A person who must not be found: no letter says where they are. One person marks; two take the mark back.",
    no_args_is_help=True,
)


@app.command("mark")
def mark(
    some_id: SomeId, *, reason: Because, by: Who, config: Config = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """Mark the person of an id, at once. What waits is decided again; who had open letters is a task, one a recipient."""
    from gateway.subject import flagged

    with opened(config) as gateway:
        letters = flagged.mark(gateway, some_id, reason=reason, by=by)
    if as_json:
        say_json({"marked": True, "told_openly": letters})
        return
    typer.echo("marked: no letter says from here on where the person is, and each waits for who names its recipient")
    for delivery_id in letters:
        typer.echo(f"  {delivery_id}: left before; tell its recipient, then `throughgate task done`")


add_steps(app, "sensitive", "unmark", after="`throughgate sensitive unmark {act}` takes the mark back")


@app.command("unmark")
def unmark(
    act_id: ActId, *, reason: Because, by: Who, config: Config = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """Take back a mark that was made by hand, once two people said so. What a source flagged stays flagged."""
    from gateway.subject import flagged

    with opened(config) as gateway:
        flagged.unmark(gateway, act_id, reason=reason, by=by)
    if as_json:
        say_json({"marked": False})
    else:
        typer.echo("not marked by hand any more: a record that a source flags stays flagged")
