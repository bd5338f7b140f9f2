"""`throughgate terminology check`: are the shipped code lists well formed, and what of them could only a terminology server tell? Changes nothing."""

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from gateway.commands.outcome import AsJson, Exit, say_json

if TYPE_CHECKING:
    from fhir_profiles.terminology.checking import Report


def terminology_check(*, as_json: AsJson = False) -> None:
    """Check form and check digits, rows twice, retired codes and unverified rows of the code lists; list what needs a terminology server."""
    from fhir_profiles.terminology.checking import check, read_tables

    tables = read_tables()
    report = check(tables)
    if as_json:
        say_json({"files": len(tables), **asdict(report)})
    else:
        _say(len(tables), report)
    if report.faults:
        raise typer.Exit(int(Exit.FAULT))


def _say(files: int, report: "Report") -> None:
    typer.echo(f"{files} files, {report.rows} rows, {len(report.faults)} faults")
    for fault in report.faults:
        place = fault.place
        typer.echo(f"  {place.file}.csv:{place.line}: {fault.rule}: {place.code}: {fault.text}")
    typer.echo(f"{len(report.retired)} retired codes that are still understood when they come in")
    for place in report.retired:
        typer.echo(f"  {place.file}.csv:{place.line}: {place.code}")
    typer.echo(f"{len(report.unverified)} unverified rows, carried as local codes or words")
    for place in report.unverified:
        typer.echo(f"  {place.file}.csv:{place.line}: {place.code}")
    systems = Counter(each.system for each in report.needs_server)
    typer.echo(
        f"{len(report.needs_server)} codes of which only a terminology server knows whether they are active (--json lists them)"
    )
    for system, number in sorted(systems.items()):
        typer.echo(f"  {number:>4}  {system}")
