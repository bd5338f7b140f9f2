"""`ask` and `approve`: the two steps with which every act about one person begins, the same for each command that has them."""

from typing import Annotated

import typer

from gateway.commands.held import Because
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json

Who = Annotated[str, typer.Option("--by", help="Who acts: a staff id or a name.")]
SomeId = Annotated[str, typer.Argument(metavar="ID", help="Id of a person or of a message; never a number of anybody.")]
ActId = Annotated[str, typer.Argument(metavar="ACT", help="What `ask` printed.")]


def add_steps(app: typer.Typer, command: str, what: str, *, after: str) -> None:
    """Give the command of this name both steps. `what` is a value of `gateway.subject.acts.What`; `after` says what can be done once
    approved.
    """

    @app.command("ask")
    def ask(
        some_id: SomeId, *, reason: Because, by: Who, config: Config = DEFAULT_CONFIG, as_json: AsJson = False
    ) -> None:
        """Ask for this about the person of an id. A second person approves."""
        from gateway.subject import acts

        with opened(config) as gateway:
            act = acts.ask(gateway, some_id, acts.What(what), reason=reason, by=by)
        if as_json:
            say_json({"act": act})
        else:
            typer.echo(f'{act}: another person says `throughgate {command} approve {act} --by WHO --reason "..."`')

    @app.command("approve")
    def approve(
        act_id: ActId, *, reason: Because, by: Who, config: Config = DEFAULT_CONFIG, as_json: AsJson = False
    ) -> None:
        """A second person's word: never who asked. Nothing is done yet."""
        from gateway.subject import acts

        with opened(config) as gateway:
            act = acts.approve(gateway, act_id, reason=reason, by=by)
        if as_json:
            say_json({"act": act.id, "what": act.what.value, "approved": True})
        else:
            typer.echo(f"{act.id}: approved; {after.format(act=act.id)}")
