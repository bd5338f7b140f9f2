"""`throughgate ledger verify`: is every entry up to the last signed head still what it was? Changes nothing."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json


def ledger_verify(
    *,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", exists=True, dir_okay=False, help="A signed head from elsewhere: a witness's."),
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Find any changed, removed, swapped, inserted or truncated entry up to the signed head; say what it does not cover, and who saw it."""
    from gateway import witnessing
    from gateway.ledger.note import NoteError

    try:
        elsewhere = [each.read_text("utf-8") for each in checkpoint or ()]
    except (OSError, UnicodeDecodeError):
        raise refuse("a checkpoint is a text of a few lines in UTF-8", Exit.ARGUMENTS) from None
    with opened(config) as gateway:
        try:
            witnessed, fault = witnessing.last_witnessed(gateway.settings, gateway.clock()), ""
        except NoteError as error:
            witnessed, fault = None, f"the file of the witness's last word: {error}"
        kept = witnessing.last_word(gateway.settings) if witnessed else ""
        found = gateway.ledger.verify((*elsewhere, *([kept] if kept else [])))
        has_witness = gateway.settings.witness is not None
    faults = (*found.faults, *([fault] if fault else []))
    if as_json:
        seen = asdict(witnessed) if witnessed else None
        unseen = [] if witnessed and witnessed.covers(found.covered) else [*UNDETECTABLE.values()]
        say_json({**asdict(found), "verified": not faults, "faults": faults, "witnessed": seen, "undetectable": unseen})
    else:
        typer.echo(f"entries    {found.entries}")
        typer.echo(f"covered    {found.covered} (up to the signed head)")
        typer.echo(f"uncovered  {found.uncovered} (written since; the next head will cover them)")
        typer.echo(f"root       {found.root}")
        if witnessed:
            behind = "" if witnessed.covers(found.covered) else f". Behind that nobody can tell: {_CLASSES}"
            said = f"up to {witnessed.size} by {witnessed.name}, {witnessed.age_seconds} seconds ago"
            typer.echo(f"witnessed  {said}{behind}")
        else:
            typer.echo(f"witnessed  {'never' if has_witness else 'by nobody: no [witness] is set'}. {_NOBODY_CAN_TELL}")
        if found.unbound:
            typer.echo(
                f"unbound    {found.unbound} decisions, entered before an entry said which sealed content is their own"
            )
        for epoch in found.epochs:
            typer.echo(f"epoch      {epoch}")
        for each in faults:
            typer.echo(f"fault      {each}")
        typer.echo(
            "NOT VERIFIED: keep the database and the head file as they are, and call the IG officer"
            if faults
            else "verified"
        )
    if faults:
        raise typer.Exit(int(Exit.FAULT))


UNDETECTABLE: Final = {
    "re-sign with the stolen key": "rewritten and signed with a stolen key",
    "restore an old copy": "an old copy put back",
    "fork": "two ledgers shown to two people",
}
"""What nobody can tell from a ledger alone, nor behind a witness's last word: the class of change, and its words."""
_CLASSES: Final = "; ".join(UNDETECTABLE.values())
_NOBODY_CAN_TELL: Final = f"Without a witness nobody can tell: {_CLASSES}"
