"""`throughgate replay ID...`: what released messages would do once more through today's mapping, agreements and consents; then, by a person's
word, exactly that. Paths only.
"""

from collections.abc import Sequence
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
    shown: Annotated[
        str,
        typer.Option("--apply", metavar="DIGEST", help="Do it: the digest of the difference that you were shown."),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference and do nothing, as without it.")
    ] = False,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send again also what is unchanged, as a new letter.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why. It is kept, sealed; needed with --apply.")] = "",
    by: By = "operator",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what a replay would do, oldest first, and a digest of that; with --apply do it, if it is still the same.

    Exit code 1 when a message or letter is left for a person to settle, or when it is not what was shown.
    """
    from gateway.steps import replay as acts

    if shown and dry_run:
        raise refuse("--dry-run does nothing and --apply does it: give one of them", Exit.ARGUMENTS)
    if shown and not reason.strip():
        raise refuse("a reason is needed: --reason", Exit.ARGUMENTS)
    with opened(config) as gateway:
        try:
            if shown:
                done = acts.replay(gateway, ids, shown=shown, reason=reason, by=by, resend=resend)
                _say_all(done, None, as_json=as_json)
            else:
                looked = acts.look(gateway, ids, resend=resend)
                done = looked.messages
                _say_all(done, looked.digest, as_json=as_json)
        except acts.NotAsShown as error:
            _say_all(error.looked.messages, error.looked.digest, as_json=as_json)
            raise refuse(str(error)) from None
    if any(one.stopped is not None or any(each.fate in acts.LEFT_TO_A_PERSON for each in one.changes) for one in done):
        raise typer.Exit(int(Exit.FAULT))


def _say_all(found: Sequence["Replayed"], digest: str | None, *, as_json: bool) -> None:
    """`digest` names what is only shown; None when it was done."""
    from gateway.steps.replay import by_recipient

    recipients = by_recipient(found)
    if as_json:
        messages = [_as_json(one) for one in found]
        say_json(
            {
                "dry_run": digest is not None,
                "shown": digest,
                "recipients": [asdict(each) for each in recipients],
                "messages": messages,
            }
        )
        return
    for one in found:
        _say(one, shown=digest is not None)
    for each in recipients:
        typer.echo(
            f"{each.recipient or each.recipient_class}: {each.leaving} leaving, {each.correcting} correcting an earlier letter, "
            f"{each.recalled} recalled, {each.kept_back} kept back, {each.left_to_a_person} left to a person"
        )
    if digest is not None:
        typer.echo(
            f'nothing was done. To do this and nothing else: the same command with `--apply {digest} --reason "..."`'
        )


def _as_json(one: "Replayed") -> dict[str, object]:
    from gateway.steps.replay import TEXTS

    text = TEXTS[one.stopped] if one.stopped is not None else ""
    return {
        **asdict(one),
        "text": text,
        "changes": [{**asdict(each), "text": TEXTS[each.fate]} for each in one.changes],
    }


def _say(one: "Replayed", *, shown: bool) -> None:
    from gateway.steps.replay import TEXTS

    if one.stopped is not None:
        typer.echo(f"message {one.message}: {one.stopped}: {TEXTS[one.stopped]}")
        return
    would = "would be read" if shown else "are read"
    typer.echo(f"message {one.message}: {one.filed} resources {would} otherwise")
    for change in one.changes:
        _say_change(change, TEXTS[change.fate])
    if not one.changes:
        typer.echo("  no letter")


def _say_change(change: "Change", text: str) -> None:
    whom = change.recipient or change.recipient_class
    typer.echo(f"  {change.letter} to {whom}: {change.was or 'none'} -> {change.now or 'none'}  {change.fate}: {text}")
    for name, paths in (("released", change.released), ("withheld", change.withheld), ("changed", change.changed)):
        for path in paths:
            typer.echo(f"    {name} {path}")
    if change.recalls:
        typer.echo(f"    recalls {change.before}, which has not left")
    if change.corrects:
        typer.echo(f"    says that it takes the place of {change.before}, which may have arrived")
    elif change.fate == "new" and not change.leaves:
        typer.echo("    no letter leaves; what its recipient has stays with it")
    if change.delivery is not None and change.leaves:
        typer.echo(f"    letter {change.delivery}; a running `throughgate serve` sends it at its next sweep")
