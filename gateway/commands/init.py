"""`throughgate init DIR`: a folder for one installation. It makes no account and no secret that anybody knows, and shares nothing.

Recipients and agreements are copied as `*.toml.example`: an example is never read. A recipient is active once it is renamed to `*.toml`; an
agreement once two people have also signed it, and `throughgate check` then says what it opens.
"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.outcome import AsJson, Exit, refuse, say_json


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make; it must be new or empty.")],
    *,
    settings: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Your own throughgate.toml, for example an edited deploy/production.toml."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a data folder: keys, throughgate.toml, the ledger's head file, and templates of recipients and agreements."""
    from gateway import shipped, wiring
    from gateway.settings import read_settings

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise refuse(
            f"{folder} is not empty: `init` never writes over an installation; choose a new folder", Exit.ARGUMENTS
        )
    if settings is not None:
        read_settings(settings)  # what cannot be read is refused before anything is made
    config = shipped.copy_templates(folder, settings=settings)
    wiring.create_installation(config)
    if as_json:
        say_json({"config": str(config), "folder": str(folder)})
        return
    typer.echo(f"made {folder}: keys, an empty store and ledger, {config.name}")
    typer.echo("nothing is shared yet: recipients/ and agreements/ hold examples; edit them and rename them to .toml")
    typer.echo("next:")
    typer.echo(f"  throughgate client add fellgate-ehr --kinds ADT^A01,ADT^A03 --establishments ZFG --config {config}")
    typer.echo(
        f"  throughgate agreements activate --all --by NAME --reason R --config {config}   (then another person, with --approve)"
    )
    typer.echo(f"  throughgate check --config {config}")
    typer.echo(f"  throughgate serve --config {config}")
