"""`throughgate person`: a person's word that two records are one person, or two. Ids of people or messages only, never a number of anybody."""

from typing import Annotated

import typer

from gateway.commands.held import Because, By
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json

app = typer.Typer(
    help="Say who is who, where messages cannot: two records are one person, or two.", no_args_is_help=True
)

One = Annotated[
    str, typer.Argument(metavar="A", help="Id of a person or of a message. Never an NHS number or a prison number.")
]
Other = Annotated[str, typer.Argument(metavar="B", help="Id of a person or of a message.")]


@app.command("link")
def link(
    one: One,
    other: Other,
    *,
    reason: Because,
    by: By = "operator",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """A and B are one person: A stays. Messages that were held for it go on; open letters are decided again."""
    from gateway.steps import link as acts

    with opened(config) as gateway:
        person_id = acts.link(gateway, one, other, reason=reason, by=by)
    if as_json:
        say_json({"person": person_id})
    else:
        typer.echo(f"{person_id}: one person; a running `throughgate serve` sends what is waiting at its next sweep")


@app.command("separate")
def separate(
    one: One,
    other: Other,
    *,
    reason: Because,
    by: By = "operator",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """A and B are two people: a message that mixes them is rejected, a later merge of them is held, and one that was made is taken apart."""
    from gateway.steps import link as acts

    with opened(config) as gateway:
        apart = acts.separate(gateway, one, other, reason=reason, by=by)
    sent, unclear = (apart.sent, apart.unclear) if apart is not None else ((), ())
    if as_json:
        say_json({"separated": True, "taken_apart": apart is not None, "sent": sent, "unclear": unclear})
        return
    typer.echo("two people: a merge of them will be held")
    for delivery_id in sent:
        typer.echo(f"  {delivery_id}: left while they were one; tell its recipient, and send a right one")
    for message_id in unclear:
        typer.echo(f"  {message_id}: names both or neither; it is in no file")
