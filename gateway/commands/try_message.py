"""`throughgate try FILE...`: what would these messages do? Stores nothing, sends nothing. Exit 1 when a message is held or rejected."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gateway.commands.message_files import read_messages
from gateway.commands.outcome import AsJson, Exit, say_json, say_table

SEVERAL = ("--history", "--consents")
_SINGLE = ("--config", "--as-of")
Json = dict[str, Any]


class SeveralValues(TyperCommand):
    """Lets `--history A B C` stand for `--history A --history B --history C`: an option takes every file up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))


def spread(arguments: Sequence[str]) -> list[str]:
    """Repeat an option that takes several values before each of its values.

    Where every file stands behind such an option, the last one is the message: `try --history A B` tries B after A.
    """
    spread_out: list[str] = []
    option, first, positional, last = "", True, False, -1
    for argument in arguments:
        if argument.startswith("-"):
            option, first = argument if argument in SEVERAL + _SINGLE else "", True
        elif option in SEVERAL and not first:
            last = len(spread_out)
            spread_out.append(option)
        elif option and first:
            first = False
        else:
            positional = True
        spread_out.append(argument)
    if not positional and last >= 0:
        del spread_out[last]
    return spread_out


def try_message(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help="HL7 v2 (ER7) or FHIR JSON.")
    ],
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", exists=True, dir_okay=False, help="Use this installation's recipients and agreements."
        ),
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Messages that came before, one or more files."),
    ] = None,
    consents: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="FHIR Consents on record, one or more files.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="The moment to decide at, ISO 8601 with an offset; default: now.")
    ] = None,
    close: Annotated[
        bool, typer.Option("--close", help="The calendar reports that these messages together would make.")
    ] = False,
    fields: Annotated[
        bool, typer.Option("--fields", help="Every field: where it went, and what became of it in each letter.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what messages would mean, who would get what, what would be withheld and why."""
    from gateway import trying

    bodies = [body for file in files for body in read_messages(file)]
    before = [body for file in history or () for body in read_messages(file)]
    said = [file.read_bytes() for file in consents or ()]
    if close:
        found = trying.try_close([*before, *bodies], as_of=as_of, config=config)
        say_json(found) if as_json else say_reports(found)
        return
    results = [trying.try_message(body, config=config, history=before, consents=said, as_of=as_of) for body in bodies]
    for result in results:
        if as_json:
            say_json(result, indent=None)
        else:
            say_result(result, fields=fields)
    if any(result["message"]["outcome"] != "released" for result in results):
        raise typer.Exit(int(Exit.FAULT))


def say_result(result: Json, *, fields: bool) -> None:
    """One message's dry run, for people."""
    message = result["message"]
    typer.echo(f"{message['kind']}  {message['event'] or ''}  {message['outcome']}".replace("    ", "  "))
    for issue in message["issues"]:
        typer.echo(f"  {issue['severity']:<11} {issue['path'] or '-'}: {issue['text']}")
    fates: dict[str, int] = {}
    for field in result["fields"]:
        fates[field["fate"]] = fates.get(field["fate"], 0) + 1
    if fates:
        typer.echo("  fields      " + ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items())))
    for field in result["fields"] if fields else ():
        say_field(field)
    for decision in result["decisions"]:
        say_decision(decision)
    for tell in result["tells"]:
        typer.echo(f"  tell        {tell['to']}: {tell['text']}")
    for task in result["tasks"]:
        typer.echo(f"  task        {task['for']}: {task['text']}")


def say_field(field: Json) -> None:
    """One field's way, to each letter."""
    typer.echo(f"    {field['source']}: {field['fate']} {field['path'] or field['reason']}")
    for way in field["recipients"]:
        by = f" ({way['rule']})" if way["rule"] else ""
        typer.echo(f"      {way['outcome']:<14} {way['letter']} for {way['recipient'] or 'no ' + way['class']}{by}")


def say_decision(decision: Json) -> None:
    """One recipient's part."""
    typer.echo(
        f"  {decision['outcome']:<11} {decision['letter']} for {decision['recipient'] or 'no ' + decision['class']} ({decision['agreement']})"
    )
    typer.echo("    fields    " + ", ".join(f"{number} {outcome}" for outcome, number in decision["fields"].items()))
    for reason in decision["reasons"]:
        typer.echo(f"    because   {reason['rule']}: {reason['text']}")
    if decision["released"]:
        typer.echo(
            f"    released  {decision['released']['wire']}, {len(decision['released']['body'])} characters; see it with --json"
        )
    if decision["counted"]:
        typer.echo(
            f"    counted   {decision['counted']['report']} {decision['counted']['period']} {decision['counted']['cell']}"
        )
    for withheld in decision["withheld"]:
        typer.echo(f"    withheld  {withheld['path']}: {withheld['rule']}")


def say_reports(found: Json) -> None:
    """The reports that a set of messages would make."""
    if not found["reports"]:
        typer.echo("no report: none of these messages is counted")
    for report in found["reports"]:
        typer.echo(f"{report['report']}  {report['establishment']}  {report['period']}")
        say_table(
            ("group", "tested", "shown"),
            [(cell["group"], str(cell["tested"]), str(cell["shown"])) for cell in report["cells"]],
        )
