"""`throughgate check`: does this installation fit together, and what would it send to whom? Changes nothing."""

from dataclasses import asdict

import typer

from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, say_json, say_table


def check(*, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Load settings, recipients and agreements, print the route table, and name what does not fit."""
    from gateway import doors, routes, wiring
    from gateway.settings import read_settings

    settings = read_settings(config)
    recipients, agreements = wiring.read_sharing(settings)
    wiring.make_answering(settings)
    table = routes.routes(recipients, agreements)
    found = [*doors.missing(settings, wiring.read_clock()), *wiring.engine_faults(settings)]
    can_open = not any(fault.place == "gateway.store_url" for fault in found)
    clients = wiring.registered_clients(settings) if can_open else None
    found += wiring.unsigned(settings, wiring.read_standing(settings)) if can_open else []
    found += routes.faults(settings, recipients, agreements, clients)
    if as_json:
        say_json({"routes": [asdict(route) for route in table], "faults": [asdict(fault) for fault in found]})
    else:
        for way in settings.ways_in():
            typer.echo(f"in   {way}")
        for back in settings.ways_back():
            typer.echo(f"back {back}")
        typer.echo(f"in   {settings.http_scheme():<5}  {settings.gateway.http_host}:{settings.gateway.http_port}")
        typer.echo()
        if table:
            rows = [
                (
                    ", ".join(route.events),
                    route.letter,
                    route.recipient,
                    route.serves,
                    route.wire,
                    route.adapter,
                    route.without_consent,
                )
                for route in table
            ]
            say_table(("events", "letter", "recipient", "serves", "wire", "adapter", "without consent"), rows)
        else:
            typer.echo("no routes: nothing is sent to anybody (no active recipient with an active agreement)")
        typer.echo()
        for fault in found:
            typer.echo(f"fault  {fault.place}: {fault.text}")
        typer.echo("fits" if not found else f"{len(found)} fault(s)")
    if found:
        raise typer.Exit(int(Exit.FAULT))
