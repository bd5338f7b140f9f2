"""`throughgate client end`: ends a registration. Its bearers, keys and channels are refused from the next request on."""

from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, refuse, say_json


def client_end(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The client's registered name.")],
    *,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """End a client at once: nothing that it shows is taken any more. Its name is never used again."""
    from gateway.clients import end_client

    with opened(config) as gateway:
        ended = gateway.store.write(lambda c: end_client(c, gateway, name))
    if not ended:
        raise refuse("there is no client of that name, or it has ended already")
    if as_json:
        say_json({"name": name, "ended": True})
        return
    typer.echo(f"ended {name}: its bearers, keys and channels are refused from now on")
