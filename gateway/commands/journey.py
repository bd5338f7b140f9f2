"""`throughgate journey ID`: the whole way of one message; of everything about its person: `disclosures`. Ids and closed words, no content."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.looking import Looker, Purpose, looker
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.whole_way import MessageWay


def journey(
    some_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a message, a delivery or a decision.")],
    *,
    reason: Purpose,
    by: Looker = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Print what a message meant for whom, what was withheld by which rule, and what became of each letter."""
    from gateway import looks, whole_way

    with opened(config) as parts:
        with parts.store.read() as c:
            found = whole_way.find_message(c, some_id)
            way = whole_way.message_way(c, parts, found) if found is not None else None
        if way is None:
            raise refuse(
                "no message, delivery or decision has this id: `throughgate held` lists what waits", Exit.ARGUMENTS
            )
        looks.enter_look(parts, "journey", by=looker(by), reason=reason, about=way.id)
    say_ways((way,), as_json=as_json)


def say_ways(ways: "Sequence[MessageWay]", *, as_json: bool) -> None:
    """Messages as one JSON document, or as an indented account each."""
    if as_json:
        say_json({"messages": [asdict(way) for way in ways]})
        return
    for way in ways:
        _say_way(way)


def _say_way(way: "MessageWay") -> None:
    """One message as an indented account."""
    reason = f" ({way.reason})" if way.reason else ""
    typer.echo(f"message {way.id}  {way.kind} from {way.client}  {way.received_at}  {way.state}{reason}")
    for name, value in way.asked_as.items():
        typer.echo(f"  asked as {name} {value}")
    for decision in way.decisions:
        typer.echo(
            f"  decided {decision.outcome}: {decision.letter} to {decision.recipient or decision.recipient_class}  [{decision.id}]"
        )
        for rule, text in decision.reasons:
            typer.echo(f"    because {rule}: {text}")
        for report, period, cell in decision.counted:
            typer.echo(f"    counted in {report} {period}, cell {cell}")
        for path, rule in decision.withheld:
            typer.echo(f"    withheld {path}: {rule}")
        for missing in decision.missing:
            typer.echo(f"    not on file: {missing}")
    for delivery in way.deliveries:
        reason = f" ({delivery.reason})" if delivery.reason else ""
        typer.echo(
            f"  letter {delivery.id}  {delivery.letter} to {delivery.recipient or delivery.recipient_class}: {delivery.state}{reason}"
        )
        if delivery.waits_for is not None:
            typer.echo(f"    waits for {delivery.waits_for.value}")
        elif delivery.due_at is not None:
            typer.echo(f"    goes from {delivery.due_at}")
        for attempt in delivery.attempts:
            outcome = attempt.outcome or "not known yet"
            typer.echo(
                f"    attempt {attempt.number}  {attempt.intent_at}  {outcome}{f' ({attempt.code})' if attempt.code else ''}"
            )
    if way.answer is not None:
        code = f" ({way.answer.code})" if way.answer.code else ""
        typer.echo(f"  answer {way.answer.id} to {way.client}, asked for later: {way.answer.state}{code}")
    for task in way.tasks:
        told = f"told {task.told_at}" if task.told_at else "not told"
        typer.echo(f"  task for {task.role}: {task.code}, {told}, {'done' if task.ended_at else 'open'}")
