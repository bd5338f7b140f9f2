"""`throughgate staff`: who may use the console. A one-time link on this terminal is the only way to an account; there is no default one."""

from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

app = typer.Typer(help="Who may use the console.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower case letters, digits and hyphens.")]


@app.command("add")
def add(
    name: Name,
    *,
    role: Annotated[
        str, typer.Option("--role", help="ig-officer, clinical-safety, caldicott-guardian, operator or auditor.")
    ],
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject", help="Who it is at the identity provider of `[console.oidc]`: no link and no password."
        ),
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Make an account, or a new link for one: its password and second factor end. The link is good once, for a quarter of an hour."""
    from gateway.api.documents import base_address
    from gateway.console.oidc import known_as
    from gateway.console.staff import LINK_MINUTES, Role, add_staff

    if role not in set(Role):
        raise refuse(f"no such role: use one of {', '.join(Role)}", Exit.ARGUMENTS)
    with opened(config) as gateway:
        oidc = gateway.settings.console.oidc
        if subject is not None and oidc is None:
            text = "there is no identity provider: say `[console.oidc]` in throughgate.toml first"
            raise refuse(text, Exit.ARGUMENTS)
        known = known_as(oidc, subject) if oidc is not None and subject is not None else None
        secret = add_staff(gateway, name, Role(role), subject=known)
        link = f"{base_address(gateway.settings)}/console/begin/{secret}"
    if subject is not None:
        say_json({"name": name, "role": role}) if as_json else typer.echo(f"{name} logs in by the identity provider")
        return
    if as_json:
        say_json({"name": name, "role": role, "link": link})
        return
    typer.echo(link)
    typer.echo(f"good once, for {LINK_MINUTES} minutes, while `throughgate serve` runs: give it to nobody but {name}")


@app.command("end")
def end(name: Name, *, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """End an account: its password, links and sessions are refused at once. Its name is not used again."""
    from gateway.console.staff import end_staff

    with opened(config) as gateway:
        end_staff(gateway, name)
    if as_json:
        say_json({"name": name, "ended": True})
    else:
        typer.echo(f"{name} has ended")
