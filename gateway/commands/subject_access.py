"""`throughgate subject-access`: what was done with one person's data, for an officer; and the copy that the person may have. Two people each."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.held import Because
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json
from gateway.commands.two_people import ActId, Who, add_steps

if TYPE_CHECKING:
    from gateway.subject.report import Report

app = typer.Typer(
    help="A person's data: the officer's report, and the copy that the person may have.", no_args_is_help=True
)

add_steps(app, "subject-access", "report", after="`throughgate subject-access report {act}` writes it")


@app.command("report")
def report(
    act_id: ActId,
    *,
    out: Annotated[Path, typer.Option("--out", help="A new file for the report: for the officer, never handed over.")],
    proof: Annotated[Path, typer.Option("--proof", help="A new file for the proof of every entry in it.")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write everything that happened to this person's data, found by reading the whole ledger with the person's key; exit code 1 where
    the ledger does not verify, or the database says otherwise than it.
    """
    from gateway import evidence
    from gateway.subject import report as reports

    with opened(config) as gateway:
        made, proved = reports.make(gateway, act_id)
    evidence.write_new(out, json.dumps(asdict(made), ensure_ascii=False, indent=1).encode() + b"\n")
    evidence.write_new(proof, json.dumps(proved, ensure_ascii=False, indent=1).encode() + b"\n")
    _say(made, out, proof, as_json=as_json)
    if made.differs or not made.ledger.verified:
        raise typer.Exit(int(Exit.FAULT))


def _say(made: "Report", out: Path, proof: Path, *, as_json: bool) -> None:
    if as_json:
        counts = {"messages": len(made.messages), "deliveries": len(made.deliveries), "acts": len(made.acts)}
        said = {"differs": made.differs, "apart": made.apart, "epochs": made.ledger.epochs, "unproved": made.unproved}
        say_json({"act": made.act, **counts, **said, "verified": made.ledger.verified})
        return
    typer.echo(f"wrote {out}: {len(made.messages)} messages, {len(made.deliveries)} deliveries, {len(made.acts)} acts")
    typer.echo(f"wrote {proof}: check it with verify_ledger.py")
    for each in made.differs:
        typer.echo(f"differs  {each}")
    for each in made.apart:
        typer.echo(f"apart    {each}")
    for each in made.ledger.epochs:  # no fault, and never left unsaid: what was signed once is not here
        typer.echo(f"ledger   {each}")
    if made.unproved:
        typer.echo(
            f"{made.unproved} of its entries are under no signed head yet: they are in the report, and not in the proof"
        )
    if not made.ledger.verified:
        typer.echo("the ledger does NOT verify: `throughgate ledger verify`")


@app.command("lines")
def lines(act_id: ActId, *, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List what the person's copy would say, a line each, for who reviews it."""
    from gateway.subject import persons_copy

    with opened(config) as gateway:
        found = persons_copy.lines(gateway, act_id)
    if as_json:
        say_json({"act": act_id, "lines": [asdict(each) for each in found]})
        return
    for each in found:
        typer.echo(f"{each.id}  {each.at[:10]}")
        for sentence in each.sentences:
            typer.echo(f"    {sentence}")


@app.command("review")
def review(
    act_id: ActId,
    *,
    reason: Because,
    by: Who,
    role: Annotated[str, typer.Option("--as", help="health-professional or officer.")],
    withhold: Annotated[
        list[str] | None,
        typer.Option("--withhold", help="LINE=GROUND: serious-harm (a health professional only), third-party, crime."),
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say which lines the person's copy leaves out, and on which ground. What this role said before no longer counts."""
    from gateway.subject import persons_copy
    from gateway.subject.persons_copy import Ground, Role

    try:
        chosen = {line: Ground(ground) for line, _, ground in (each.partition("=") for each in withhold or ())}
        reviewer = Role(role)
    except ValueError:
        raise refuse("give LINE=GROUND with serious-harm, third-party or crime; --as health-professional or officer", Exit.ARGUMENTS) from None  # fmt: skip
    with opened(config) as gateway:
        persons_copy.review(gateway, act_id, role=reviewer, withhold=chosen, reason=reason, by=by)
    if as_json:
        say_json({"act": act_id, "reviewed": role, "withheld": len(chosen)})
    else:
        typer.echo(f"{act_id}: reviewed; {len(chosen)} lines are left out by this review")


@app.command("copy")
def copy(
    act_id: ActId,
    *,
    out: Annotated[Path, typer.Option("--out", help="A new file: what the person may have. `.pdf`: in large print.")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write the person's copy in plain English. Refused before a health professional's review of every line."""
    from gateway import evidence
    from gateway.subject import persons_copy

    with opened(config) as gateway:
        made = persons_copy.write(gateway, act_id)
    evidence.write_new(out, made.paper if out.suffix.lower() == ".pdf" else made.text.encode())
    if as_json:
        say_json({"act": act_id, "file": out.name})
    else:
        typer.echo(f"wrote {out}")
