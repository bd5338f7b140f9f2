"""`throughgate token`: a short-lived bearer for a registered client. It is shown once and never kept in clear."""

from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def token(
    *,
    client: Annotated[str, typer.Option(help="The client's registered name.")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Print a bearer token for curl; its life is limits.token_seconds."""
    from gateway.clients import issue_token

    with opened(config) as gateway:
        seconds = gateway.settings.limits.token_seconds
        bearer = issue_token(gateway, client, seconds)
    if as_json:
        say_json({"access_token": bearer, "token_type": "Bearer", "expires_in": seconds})
    else:
        typer.echo(bearer)
