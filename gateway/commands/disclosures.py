"""`throughgate disclosures`: everything about one person, for two people: one asks, another approves. Ids and closed words, no content."""

import typer

from gateway.commands.journey import say_ways
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config
from gateway.commands.two_people import ActId, add_steps

app = typer.Typer(help="Who was told what about one person. Two people open it.", no_args_is_help=True)

add_steps(app, "disclosures", "disclosures", after="`throughgate disclosures show {act}` shows them for 8 hours")


@app.command("show")
def show(act_id: ActId, *, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print every message about the person that two people opened, in order, each as `throughgate journey` does."""
    from gateway.subject import disclosures

    with opened(config) as gateway:
        ways = disclosures.show(gateway, act_id)
    say_ways(ways, as_json=as_json)
