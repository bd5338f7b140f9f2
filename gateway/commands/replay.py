"""`throughgate replay ID...`: released messages once more through today's mapping, agreements and consents; the difference first. Paths only."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.held import By
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

if TYPE_CHECKING:
    from gateway.steps.replay import Change, Replayed


def replay(
    ids: Annotated[
        list[str],
        typer.Argument(
            metavar="ID...", help="Ids of messages, or of deliveries: then only that letter of its message."
        ),
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be another, and do nothing.")] = False,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send again also what is unchanged, as a new letter.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why. It is kept, sealed; needed without --dry-run.")] = "",
    by: By = "operator",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Replay, oldest first. Exit code 1 when a message or letter was left for a person to settle."""
    from gateway.steps import replay as acts

    if not dry_run and not reason.strip():
        raise refuse("a reason is needed: --reason, or --dry-run to look first", Exit.ARGUMENTS)
    with opened(config) as gateway:
        found = acts.replay(gateway, ids, reason=reason, by=by, resend=resend, dry_run=dry_run)
    if as_json:
        say_json({"dry_run": dry_run, "messages": [_as_json(one) for one in found]})
    else:
        for one in found:
            _say(one, dry_run=dry_run)
    left = (acts.Fate.OVERTAKEN, acts.Fate.UNSETTLED)
    if any(one.stopped is not None or any(change.fate in left for change in one.changes) for one in found):
        raise typer.Exit(int(Exit.FAULT))


def _as_json(one: "Replayed") -> dict[str, object]:
    from gateway.steps.replay import TEXTS

    text = TEXTS[one.stopped] if one.stopped is not None else ""
    return {
        **asdict(one),
        "text": text,
        "changes": [{**asdict(each), "text": TEXTS[each.fate]} for each in one.changes],
    }


def _say(one: "Replayed", *, dry_run: bool) -> None:
    from gateway.steps.replay import TEXTS

    if one.stopped is not None:
        typer.echo(f"message {one.message}: {one.stopped}: {TEXTS[one.stopped]}")
        return
    would = "would be read" if dry_run else "are read"
    typer.echo(f"message {one.message}: {one.filed} resources {would} otherwise")
    for change in one.changes:
        _say_change(change, TEXTS[change.fate], dry_run=dry_run)
    if not one.changes:
        typer.echo("  no letter")


def _say_change(change: "Change", text: str, *, dry_run: bool) -> None:
    whom = change.recipient or change.recipient_class
    typer.echo(f"  {change.letter} to {whom}: {change.was or 'none'} -> {change.now or 'none'}  {change.fate}: {text}")
    for name, paths in (("released", change.released), ("withheld", change.withheld), ("changed", change.changed)):
        for path in paths:
            typer.echo(f"    {name} {path}")
    if change.delivery is not None:
        typer.echo(f"    letter {change.delivery}; a running `throughgate serve` sends it at its next sweep")
    elif dry_run and change.fate == "new":
        typer.echo("    nothing was done")
