"""`throughgate audit-events`: the ledger as FHIR AuditEvents, a line each, for a site's own audit store."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, say_json


def audit_events(
    *,
    after: Annotated[
        int, typer.Option("--after", min=-1, help="The last position that the store has; -1 for all.")
    ] = -1,
    count: Annotated[int, typer.Option("--count", min=1, max=10_000, help="At most so many.")] = 1_000,
    out: Annotated[Path, typer.Option("--out", help="A new file: FHIR NDJSON.")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write what the ledger says after a position, by IHE's Basic Audit Log Patterns, and say where to go on. The ids are the entries':
    the same page twice is the same events.
    """
    from fhir_profiles import fhir_json
    from gateway import audit_feed, evidence

    with opened(config) as gateway:
        page = audit_feed.take_page(gateway, after=after, count=count)
    evidence.write_new(out, b"".join(fhir_json.encode(each) + b"\n" for each in page.events))
    if as_json:
        say_json({"file": out.name, "events": len(page.events), "last": page.last, "more": page.more})
    else:
        typer.echo(
            f"wrote {out}: {len(page.events)} events; next: --after {page.last}{' (there are more)' if page.more else ''}"
        )
