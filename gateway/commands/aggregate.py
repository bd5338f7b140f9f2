"""`throughgate aggregate QUARTER`: a table for commissioners and boards, in which nobody can be counted out. Nothing is sent; that it was made is entered."""

from typing import Annotated

import typer

from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json, say_table


def aggregate(
    quarter: Annotated[str, typer.Argument(metavar="QUARTER", help="A quarter that is over, as 2026-Q1.")],
    small: Annotated[
        int, typer.Option("--small", min=7, help="The largest number that is hidden; never less than 7.")
    ] = 7,
    base: Annotated[
        int, typer.Option("--base", min=5, help="What everything else is rounded to; never less than 5.")
    ] = 5,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """How many people's handovers were confirmed, delivered and neither, by establishment. `*` is a small number, or hides one.

    Give it to others once: a table of the same quarter made later, or by other rules, can be subtracted from it.
    """
    from consent.aggregates import Rules
    from gateway.evidence import enter_aggregate
    from gateway.indicators import QuarterError, handovers

    with opened(config) as gateway:
        try:
            table = handovers(gateway, quarter, Rules(small=small, base=base))
        except QuarterError as error:
            raise refuse(str(error), Exit.ARGUMENTS) from None
        enter_aggregate(gateway, quarter, small=small, base=base)
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
