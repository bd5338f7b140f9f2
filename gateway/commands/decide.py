"""`throughgate decide FILE`: what consents say of resources, for one recipient, purpose and moment. Stores nothing, releases nothing."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.outcome import AsJson, Exit, refuse, say_json


def decide(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The question, one JSON document.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Decide one question: exit 0 whatever the answer is, 2 when the file is no question."""
    from gateway.deciding import QuestionError, decide_question

    try:
        answer = decide_question(file.read_bytes())
    except QuestionError as error:
        raise refuse(str(error), Exit.ARGUMENTS) from None
    say_json(answer) if as_json else say_answer(answer)


def say_answer(answer: dict[str, Any]) -> None:
    """One answer, for people."""
    typer.echo(answer["outcome"])
    for reason in answer["reasons"]:
        typer.echo(f"  because     {reason['rule']}: {reason['text']}")
    for one in answer["resources"]:
        by = " ".join(part for part in (one["consent"], one["version"], one["provision"]) if part)
        typer.echo(f"  {one['outcome']:<11} {one['type']}/{one['id']}: {one['rule']}{f' ({by})' if by else ''}")
    for group in answer["paths"]:
        typer.echo(f"  {group['outcome']:<11} {', '.join(group['paths'])}: {group['rule']}")
    for remark in answer["lint"]:
        typer.echo(f"  lint        {remark['consent']}: {remark['code']}: {remark['text']}")
