"""`throughgate rederive DECISION`: the same decision and letter made again from what is kept; says where they first differ. No content."""

from dataclasses import asdict

import typer

from gateway.commands.explain import DecisionId
from gateway.commands.looking import Looker, Purpose, looker
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, say_json


def rederive(
    decision_id: DecisionId,
    *,
    reason: Purpose,
    by: Looker = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Make a decision again, byte for byte. Exit code 1 when anything comes out otherwise."""
    from gateway import looks
    from gateway.steps.rederive import rederive as again

    with opened(config) as gateway:
        found = again(gateway, decision_id)
        looks.enter_look(gateway, "rederive", by=looker(by), reason=reason, about=decision_id)
    if as_json:
        say_json(asdict(found))
    elif found.same:
        typer.echo(f"{decision_id}: {found.text} ({', '.join(found.checked)})")
    else:
        typer.echo(f"{decision_id}: differs at {found.first}: {found.text}")
    if not found.same:
        raise typer.Exit(int(Exit.FAULT))
