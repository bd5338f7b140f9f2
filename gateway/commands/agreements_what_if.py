"""`throughgate agreements what-if NEW.toml`: what a changed agreement would have done to past traffic. Reads only; paths and ids, no content."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.looking import Looker, looker
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, refuse, say_json, say_table

if TYPE_CHECKING:
    from gateway.steps.what_if import WhatIf

SHOWN = 20


def agreements_what_if(
    new: Annotated[
        Path,
        typer.Argument(
            metavar="NEW.toml", exists=True, dir_okay=False, help="The changed text; it need not be in the folder."
        ),
    ],
    *,
    instead_of: Annotated[
        str | None,
        typer.Option("--instead-of", help="The agreement that was in force; by default the one of the file's name."),
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Only what was decided from this day on: 2026-01-31.")] = "",
    by: Looker = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Ask past decisions again under a changed agreement: counts by recipient and outcome, and the decisions that would be others."""
    from gateway import looks
    from gateway.commands.agreements_read import read_file
    from gateway.steps.what_if import what_if

    file = read_file(new)
    if file.agreement is None:
        raise refuse(file.error)
    with opened(config) as gateway:
        found = what_if(gateway, file.agreement, instead_of=instead_of or new.stem, since=since)
        looks.enter_look(gateway, "what-if", by=looker(by))
    if as_json:
        say_json(asdict(found))
    else:
        _say(found)


def _say(found: "WhatIf") -> None:
    typer.echo(
        f"{found.decisions} decisions under {found.agreement}; {found.same} would be the same under {found.digest}"
    )
    rows = [
        (
            each.recipient or f"nobody ({each.recipient_class})",
            each.was,
            each.now,
            _more_or_less(each.more, each.less),
            str(each.decisions),
        )
        for each in found.counts
    ]
    typer.echo()
    say_table(("recipient", "was", "would be", "of the letter", "decisions"), rows)
    typer.echo()
    for path, number in _paths(found, "released"):
        typer.echo(f"would leave too: {path} ({number})")
    for path, number in _paths(found, "withheld"):
        typer.echo(f"would not leave: {path} ({number})")
    for each in found.changed[:SHOWN]:
        typer.echo(f"another: {each.decision}")
    if len(found.changed) > SHOWN:
        typer.echo(f"and {len(found.changed) - SHOWN} more: --json lists them all")
    if found.gone:
        typer.echo(f"{len(found.gone)} cannot be asked again: retention has deleted what they were made from")
    if found.events_added:
        typer.echo(
            f"not in this: letters that {', '.join(found.events_added)} would start, which nobody was asked for then"
        )


def _more_or_less(more: bool, less: bool) -> str:
    return {(True, True): "more and less", (True, False): "more", (False, True): "less"}.get((more, less), "the same")


def _paths(found: "WhatIf", which: str) -> list[tuple[str, int]]:
    paths = [path for each in found.changed for path in getattr(each, which)]
    return [(path, paths.count(path)) for path in sorted(set(paths))]
