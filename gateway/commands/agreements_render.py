"""`throughgate agreements render`: the document that an information governance officer signs, as HTML and Markdown. Reads agreements only."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.agreements_check import Config
from gateway.commands.agreements_read import folder_of, read_files
from gateway.commands.outcome import AsJson, refuse, say_json

if TYPE_CHECKING:
    from consent.shapes import Agreement

NAME = "sharing-agreements"


def agreements_render(
    *,
    to: Annotated[
        Path, typer.Option("--to", file_okay=False, help=f"The folder to write {NAME}.html and {NAME}.md into.")
    ] = Path(),
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write each agreement in plain words, who may have which kind of data, and for every field who may see it."""
    from consent.document import markdown, page
    from consent.ig_document import ig_document

    folder = folder_of(config)
    files = list(read_files(folder))
    broken = [file.error for file in files if file.agreement is None]
    if broken:
        raise refuse("\n  ".join(["nothing is written while a file cannot be read: correct it first", *broken]))
    agreements = [file.agreement for file in files if file.agreement is not None]
    if not agreements:
        raise refuse(f"there is no agreement in {folder}: rename an example to .toml, and edit it")
    title = "Sharing agreements"
    blocks = ig_document(agreements, _states(config, agreements))
    to.mkdir(parents=True, exist_ok=True)
    made = {f"{NAME}.html": page(title, blocks), f"{NAME}.md": markdown(title, blocks)}
    for name, text in made.items():
        (to / name).write_text(text, "utf-8")
    written = [str(to / name) for name in made]
    if as_json:
        digests = {each.name: each.digest for each in agreements}
        say_json({"files": written, "agreements": digests, "drafts": [each.name for each in agreements if each.draft]})
        return
    for name in written:
        typer.echo(name)


def _states(config: Path | None, agreements: list["Agreement"]) -> dict[str, str]:
    """How each stands in the installation; the shipped ones are examples."""
    if config is None:
        return {each.name: "shipped as an example" for each in agreements}
    from gateway import wiring
    from gateway.settings import read_settings

    standing = wiring.read_standing(read_settings(config))
    return {each.name: standing.of(each.name, each.digest) for each in agreements}
