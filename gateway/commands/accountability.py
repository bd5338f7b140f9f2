"""`throughgate accountability`: the record of processing activities (article 30), the evidence for a DPIA and the agreements, from what is in force."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def accountability(
    *,
    to: Annotated[Path, typer.Option("--to", file_okay=False, help="The folder to write the documents into.")] = Path(),
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write each document, as HTML and Markdown. Each is an entry of the ledger."""
    from gateway.accountability import DOCUMENTS, files
    from gateway.evidence import enter_export

    made: dict[str, str] = {}
    with opened(config) as gateway:
        for name in DOCUMENTS:
            enter_export(gateway, name)
            made |= files(gateway, name)
    to.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (to / name).write_text(text, "utf-8")
    written = [str(to / name) for name in made]
    if as_json:
        say_json({"files": written})
        return
    for name in written:
        typer.echo(name)
