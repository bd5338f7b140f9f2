"""Every command that a page tells somebody to type is one that there is, with the options that it names; at night nobody looks for another word."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gateway.__main__ import app

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "deploy").glob("*.md")),
    *sorted(path for path in (ROOT / "docs").glob("*.md")),
]
SHORT = ("held delivered", "held release", "held reject", "task done", "witness forget", "erase compact")
"""What the pages write without the program's name before it."""
UNSPOKEN = {"...", "ID...", "…"}
_SPAN = re.compile(r"`([^`\n]+)`")
_LINE = re.compile(r"^\s*(?:\$ )?(throughgate [^#\n]*)", re.MULTILINE)


def written(text: str) -> list[str]:
    """Commands in code spans, and lines of blocks that begin with one; continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", joined, re.DOTALL))
    spans = _SPAN.findall(re.sub(r"```.*?```", "", joined, flags=re.DOTALL))
    named = [span for span in spans if span.startswith("throughgate ")]
    return [*named, *(f"throughgate {span}" for span in spans if span.startswith(SHORT)), *_LINE.findall(blocks)]


def fault_of(command: str) -> str:
    """What is wrong with it; empty where nothing is. What stands behind a pipe, a redirection or `&&` is not ours."""
    words = shlex.split(re.split(r"\s(?:\||>|2>|&&|&|;)", command, maxsplit=1)[0])[1:]
    here: Any = get_command(app)
    while hasattr(here, "commands") and words and not words[0].startswith("-") and words[0] not in UNSPOKEN:
        if words[0] not in here.commands:
            return f"no command {words[0]}"
        here = here.commands[words.pop(0)]
    if hasattr(here, "commands") and not here.invoke_without_command:
        return "" if set(words) <= UNSPOKEN else f"not the whole of a command: {words}"
    known = {name for parameter in here.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    if unknown:
        return f"no option {unknown[0]}"
    takes = any(parameter.param_type_name == "argument" for parameter in here.params)
    return "takes no argument" if words and words[0].isupper() and not takes else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_somebody_to_type_is_there(page: Path) -> None:
    commands = written(page.read_text("utf-8"))
    assert [f"{command}: {fault}" for command in commands if (fault := fault_of(command))] == []


def test_they_are_found() -> None:
    assert sum(len(written(page.read_text("utf-8"))) for page in PAGES) > 80


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("throughgate hold", "no command hold"),
        ("throughgate held relese ID", "no command relese"),
        ("throughgate backup DIR --fast", "no option --fast"),
        ("throughgate check NAME", "takes no argument"),
        ("throughgate keys NAME", "no command NAME"),
        ('throughgate held release ID --reason "..."', ""),
        ("throughgate ledger ...", ""),
        ("throughgate serve 2>log &", ""),
    ],
)
def test_one_that_is_not_there_is_found(command: str, fault: str) -> None:
    """Sabotage."""
    assert fault_of(command) == fault
