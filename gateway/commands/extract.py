"""`throughgate extract`: a pseudonymised table for an approved evaluator; three steps, two people. What is printed is for who makes it, not for them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.held import Because
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json
from gateway.commands.two_people import ActId, Who

if TYPE_CHECKING:
    from gateway.extracts.make import Made

app = typer.Typer(
    help="A pseudonymised table of one quarter for one approved evaluator. Two people make it.", no_args_is_help=True
)


@app.command("ask")
def ask(
    agreement: Annotated[str, typer.Argument(metavar="AGREEMENT", help="The agreement of this evaluation, in force.")],
    quarter: Annotated[str, typer.Argument(metavar="QUARTER", help="A quarter that is over, as 2026-Q1.")],
    *,
    reason: Because,
    by: Who,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Ask for the extract of a quarter. A second person approves."""
    from gateway.extracts import approval
    from gateway.steps.indicators import QuarterError

    with opened(config) as gateway:
        try:
            act = approval.ask(gateway, agreement, quarter, reason=reason, by=by)
        except QuarterError as error:
            raise refuse(str(error), Exit.ARGUMENTS) from None
    if as_json:
        say_json({"act": act})
    else:
        typer.echo(f'{act}: another person says `throughgate extract approve {act} --by WHO --reason "..."`')


@app.command("approve")
def approve(
    act_id: ActId, *, reason: Because, by: Who, config: Config = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """A second person's word: never who asked. Nothing is made yet."""
    from gateway.extracts import approval

    with opened(config) as gateway:
        act = approval.approve(gateway, act_id, reason=reason, by=by)
    if as_json:
        say_json({"act": act.id, "agreement": act.agreement, "quarter": act.quarter, "approved": True})
    else:
        typer.echo(
            f"{act.id}: {act.agreement}, {act.quarter}: approved; `throughgate extract now {act.id} --out FILE` writes it"
        )


@app.command("now")
def now(
    act_id: ActId,
    *,
    out: Annotated[Path, typer.Option("--out", help="A new file for the evaluator, as CSV.")],
    k: Annotated[
        int, typer.Option("--k", min=10, help="How many people at least look alike; never less than 10.")
    ] = 10,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write the extract. Refused without a check of the national data opt-out in the last days, and for another extract of the same quarter."""
    from gateway import evidence
    from gateway.extracts.make import make

    with opened(config) as gateway:
        made = make(gateway, act_id, k)
    evidence.write_new(out, made.csv)
    _say(made, out, as_json=as_json)


def _say(made: "Made", out: Path, *, as_json: bool) -> None:
    extract, left = made.extract, made.left_out
    risk = extract.measures
    if as_json:
        say_json(
            {
                "file": out.name,
                "sha256": made.sha256,
                "rows": risk.rows,
                "suppressed": extract.suppressed,
                "opted_out": left.opted_out,
                "not_agreed": left.not_agreed,
                "sensitive": left.sensitive,
                "not_noticed": left.not_noticed,
                "smallest_group": risk.smallest,
                "groups": risk.groups,
                "highest_risk": round(risk.highest_risk, 4),
                "mean_risk": round(risk.mean_risk, 4),
                "alike": round(risk.alike, 4),
            }
        )
        return
    typer.echo(f"wrote {out} for {made.evaluator}, {made.quarter}: {risk.rows} rows; SHA-256 {made.sha256}")
    typer.echo(
        f"left out: {extract.suppressed} for want of others who look like them, {left.opted_out} opted out or not checked, "
        f"{left.not_agreed} did not agree, {left.sensitive} flagged sensitive, {left.not_noticed} without a privacy notice"
    )
    typer.echo(
        f"risk: at least {risk.smallest} look alike, so whoever knows that a person is in it names the right row at most 1 in {risk.smallest} times "
        f"(mean 1 in {1 / risk.mean_risk:.1f}); at most {risk.alike:.0%} of a group share what is told of it"
    )
    typer.echo("these counts are for you: with the file they go to nobody")
