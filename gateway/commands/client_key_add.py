"""`throughgate client key add`: registers the public keys by which a client signs its assertions (SMART Backend Services)."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def client_key_add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The client's registered name: `iss` and `sub` of its assertions.")
    ],
    *,
    jwks: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="A JWKS file of public keys: EC P-384 (ES384) or RSA (RS384)."),
    ],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Add public keys to a client. The private half never leaves its owner; several keys let a client change over without a gap."""
    from gateway.api.documents import token_address
    from gateway.smart.keys import MAX_JWKS_BYTES, add_keys

    with jwks.open("rb") as file:
        body = file.read(MAX_JWKS_BYTES + 1)
    with opened(config) as gateway:
        kids = add_keys(gateway, name, body)
        address = token_address(gateway.settings)
    if as_json:
        say_json({"name": name, "kids": list(kids), "token_endpoint": address})
        return
    typer.echo(f"added to {name}: {', '.join(kids)}")
    typer.echo(f"it gets its bearers at {address}")
