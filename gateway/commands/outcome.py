"""How every command ends: what is printed, as text or as JSON, and the exit code. It MUST NOT print the content of a message."""

import json
import traceback
from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer

CONFIG_VARIABLE = "THROUGHGATE_CONFIG"
DEFAULT_CONFIG = Path("throughgate.toml")


class Exit(IntEnum):
    """DESIGN section 6."""

    GOOD = 0
    FAULT = 1
    ARGUMENTS = 2


Config = Annotated[
    Path,
    typer.Option(
        "--config",
        envvar=CONFIG_VARIABLE,
        exists=True,
        dir_okay=False,
        help="The installation's throughgate.toml.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


def _as_json(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise TypeError(f"no JSON form for {type(value).__name__}")


def say_json(value: Any, *, indent: int | None = 2) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=indent, default=_as_json))


def say_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their longest cell; nothing is cut."""
    cells = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for number, row in enumerate(cells):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            typer.echo("  ".join("-" * width for width in widths))


def refuse(text: str, code: Exit = Exit.FAULT) -> typer.Exit:
    """Say on standard error what is wrong and what to do; raise what this returns."""
    typer.echo(f"throughgate: {text}", err=True)
    return typer.Exit(int(code))


def complain(error: Exception) -> int:
    """The text and exit code of an error that reached the top. Only our own errors are quoted: another's text could hold data."""
    from gateway.errors import ThroughgateError

    if isinstance(error, ThroughgateError):
        typer.echo(f"throughgate: {error}", err=True)
    else:
        typer.echo(f"throughgate: internal error, {type(error).__name__} at {_place(error)}", err=True)
        typer.echo("this is a defect of the program: report the line above; it holds no data", err=True)
    return int(Exit.FAULT)


def _place(error: Exception) -> str:
    """Where an error came from: files and lines of the last frames, never a value."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames)) or "start"
