"""`throughgate reconcile`: what is known at one side only, between us and a recipient, or a source and us. Ids only, and nothing is changed."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.looking import Looker, looker
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

if TYPE_CHECKING:
    from gateway.reconciliation import Reconciled


def reconcile(  # noqa: PLR0913  each is one option of the command line
    *,
    recipient: Annotated[str | None, typer.Option("--recipient", help="Compare with what this recipient has.")] = None,
    client: Annotated[str | None, typer.Option("--client", help="Compare with what this source sent.")] = None,
    ids: Annotated[
        Path | None,
        typer.Option(
            "--ids",
            exists=True,
            dir_okay=False,
            help="The other side's list, an id a line: delivery ids of a recipient, MSH-10 or Bundle.id of a source.",
        ),
    ] = None,
    sender: Annotated[
        list[str] | None,
        typer.Option("--sender", help="MSH-3 and MSH-4 of the source, as 'A|B'; repeat it for several."),
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Only what is ours from this instant on (ISO 8601).")] = "",
    until: Annotated[str, typer.Option("--until", help="Only what is ours before this instant.")] = "",
    by: Looker = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Compare both ends: a recipient's list of ids, its mailbox (without a list), or a source's list.

    Exit code 1 when something is known at one side only.
    """
    from gateway import looks, reconciliation

    if (recipient is None) == (client is None) or (client is not None and ids is None):
        raise refuse("give --recipient, with --ids unless it is a mailbox, or --client with --ids", Exit.ARGUMENTS)
    window = reconciliation.Window(since=_instant(since) or "", until=_instant(until) or "9999")
    listed = reconciliation.read_list(_text(ids)) if ids is not None else None
    with opened(config) as gateway:
        if recipient is not None:
            found = reconciliation.with_recipient(gateway, recipient, listed, window)
        else:
            assert client is not None
            assert listed is not None
            found = reconciliation.with_source(gateway, client, listed, window, tuple(sender or ()))
        looks.enter_look(gateway, "reconcile", by=looker(by))
    _say(found, as_json=as_json)
    if found.differences:
        raise typer.Exit(int(Exit.FAULT))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise refuse(f"{file} is not a text of ids in UTF-8", Exit.ARGUMENTS) from None


def _instant(text: str) -> str | None:
    from gateway.instants import from_text, to_text

    if not text:
        return None
    try:
        return to_text(from_text(text))
    except ValueError:
        raise refuse("--since and --until are instants such as 2026-01-15T12:00:00Z", Exit.ARGUMENTS) from None


def _say(found: "Reconciled", *, as_json: bool) -> None:
    from gateway.reconciliation import TEXTS

    if as_json:
        say_json(
            {**asdict(found), "differences": [{**asdict(one), "text": TEXTS[one.code]} for one in found.differences]}
        )
        return
    for one in found.differences:
        place = f"line {one.line}  " if one.line is not None else ""
        typer.echo(f"{one.code}  {place}{one.id}{f'  {one.state}' if one.state else ''}")
    for code in dict.fromkeys(one.code for one in found.differences):
        typer.echo(f"    {code}: {TEXTS[code]}")
    agreed = ", ".join(f"{number} {state}" for state, number in sorted(found.agreed.items())) or "none"
    typer.echo(f"{found.with_whom}: {len(found.differences)} differ; known to both, or still on its way: {agreed}")
    if found.answers:
        typer.echo(f"{found.answers} are no letters but later answers to its own messages: nothing to do")
    if found.unseen:
        typer.echo(f"{found.unseen} have no id of their own and were not compared")
