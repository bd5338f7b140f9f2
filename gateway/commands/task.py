"""`throughgate task`: what people were asked to do; `done` says that somebody has done it, with a reason that is kept."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from gateway.commands.held import AnyPath, Because, By
from gateway.commands.looking import Looker, looker
from gateway.commands.opened import opened
from gateway.commands.outcome import DEFAULT_CONFIG, AsJson, Config, Exit, refuse, say_json

app = typer.Typer(
    help="What people were asked to do: open tasks, oldest first. What waits itself is in `throughgate held`."
)


@app.callback(invoke_without_command=True)
def task(
    context: typer.Context,
    *,
    role: Annotated[str | None, typer.Option("--role", help="Only the tasks of this role.")] = None,
    by: Looker = "",
    config: AnyPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List open tasks: role, age, what to do, and the letter or message that each is about."""
    if context.invoked_subcommand is not None:
        return
    if not config.is_file():
        raise refuse(f"{config} does not exist: give --config", Exit.ARGUMENTS)
    from gateway import desk, looks

    with opened(config) as gateway:
        items = [item for item in desk.tasks(gateway) if role is None or item.role == role]
        looks.enter_look(gateway, "task", by=looker(by))
    if as_json:
        say_json({"tasks": [asdict(item) for item in items]})
        return
    for item in items:
        told = "told" if item.told_at else "not told"
        age = timedelta(seconds=item.age_seconds)
        typer.echo(
            f"{item.id}  {item.role}  {item.code}  {told}  open {age}  {item.delivery or item.message or item.agreement}"
        )
        typer.echo(f"    {item.todo}")
    typer.echo(f"{len(items)} open" if items else "no task is open")


@app.command("done")
def done(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The id of an open task, from `throughgate task`.")],
    *,
    reason: Because,
    by: By = "operator",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say that a task is done. After a telephone call about a handover that was not confirmed: it is not asked about again."""
    from gateway import desk

    with opened(config) as gateway:
        desk.end_task(gateway, task_id, reason=reason, by=by)
    if as_json:
        say_json({"id": task_id, "state": "done"})
    else:
        typer.echo(f"{task_id}: done")
