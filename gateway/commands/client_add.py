"""`throughgate client add`: registers a system that may send here, or whose mailbox may be opened."""

from dataclasses import asdict
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json


def split(values: list[str] | None) -> tuple[str, ...]:
    """`A,B` and repeated options alike; order kept, nothing twice."""
    return tuple(dict.fromkeys(part.strip() for value in values or () for part in value.split(",") if part.strip()))


def client_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case letters, digits and hyphens.")],
    *,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may send: ADT^A01,ADT^*,fhir-message,fhir-bundle,fhir-resource,fhir-response,hmpps-event; repeat or use commas."
        ),
    ] = None,
    establishments: Annotated[
        list[str] | None, typer.Option(help="Agency ids of the establishments it may speak for.")
    ] = None,
    recipient: Annotated[str | None, typer.Option(help="The recipient whose mailbox this client may open.")] = None,
    consent_authority: Annotated[
        bool,
        typer.Option("--consent-authority", help="What it says about consent may widen sharing, not only narrow it."),
    ] = False,
    audit_reader: Annotated[
        bool, typer.Option("--audit-reader", help="It may read the feed of AuditEvents: a site's own audit store.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Register a client. It gets no secret: `throughgate token --client NAME` makes a short-lived one."""
    from gateway.clients import add_client, find

    with opened(config) as gateway:
        if recipient is not None and recipient not in gateway.recipients:
            raise refuse(f"no active recipient is called {recipient}: `throughgate check` lists them", Exit.ARGUMENTS)
        client_id = add_client(
            gateway,
            name=name,
            kinds=split(kinds),
            establishments=split(establishments),
            recipient=recipient,
            consent_authority=consent_authority,
            audit_reader=audit_reader,
        )
        with gateway.store.read() as c:
            added = find(c, name)
    assert added is not None
    if as_json:
        say_json({**asdict(added), "id": client_id})
        return
    sends = f"sends {', '.join(added.kinds)} for {', '.join(added.establishments)}" if added.kinds else "sends nothing"
    typer.echo(
        f"registered {name}: {sends}{f', opens the mailbox of {recipient}' if recipient else ''}{', reads the audit feed' if audit_reader else ''}"
    )
