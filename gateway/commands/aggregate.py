"""`throughgate aggregate QUARTER`: a table for commissioners and boards, in which nobody can be counted out. Nothing is sent; it is entered as it was made."""

from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json, say_table


def aggregate(
    quarter: Annotated[str, typer.Argument(metavar="QUARTER", help="A quarter that is over, as 2026-Q1.")],
    small: Annotated[
        int | None, typer.Option("--small", min=7, help="The largest number that is hidden. As set: `reports.small`.")
    ] = None,
    base: Annotated[
        int | None, typer.Option("--base", min=5, help="What everything else is rounded to. As set: `reports.base`.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """How many people's handovers were confirmed, delivered and neither, by establishment. `*` is a small number, or hides one.

    A quarter has one table, whoever gets a part of it: what was printed first is printed again, and by other rules it is refused.
    """
    from consent.aggregates import Rules
    from gateway.steps.indicators import QuarterError, printed

    with opened(config) as gateway:
        reports = gateway.settings.reports
        try:
            table = printed(gateway, quarter, Rules(small=small or reports.small, base=base or reports.base))
        except QuarterError as error:
            raise refuse(str(error), Exit.ARGUMENTS) from None
    lines = [(row, *(table.shown[row, column] for column in table.columns)) for row in table.rows]
    if as_json:
        say_json(
            {
                "quarter": quarter,
                "handovers": [dict(zip(("establishment", *table.columns), line, strict=True)) for line in lines],
            }
        )
    else:
        say_table(("establishment", *table.columns), lines)
