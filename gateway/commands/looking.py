"""Who looks, and why: the options of every command that shows what is kept. By default it is the user of the operating system."""

import getpass
from typing import Annotated

import typer

Looker = Annotated[
    str,
    typer.Option("--by", help="Who looks: a staff id or a name.", show_default="the user of the operating system"),
]
Purpose = Annotated[
    str, typer.Option("--reason", help="Why you look. It is kept, sealed; never write a name or a number in it.")
]


def looker(by: str) -> str:
    """The name as given, or the user's; empty, which is refused, where the operating system has no name either."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
