"""On the syntax trees: `Letter` is made in `open_at_doors` only, and states are written in `moves.py` only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("adapters", "consent", "fhir_profiles", "gateway")
STATE_WRITERS = {"gateway/moves.py"}
ROW_MAKERS = {"gateway/steps/receive.py"}
"""A new message is inserted where it is received, with the first entry of its chain."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the product."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def state_writes(tree: ast.Module) -> list[int]:
    """Lines of `update(message or delivery)....values(... state=...)`, and of such statements with the column named in a dict."""
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values"):
            continue
        text = ast.unparse(node)
        if "update(message)" not in text and "update(delivery)" not in text and ".update()" not in text:
            continue
        named = any(keyword.arg == "state" for keyword in node.keywords)
        if named or any("'state'" in ast.unparse(argument) for argument in node.args):
            found.append(node.lineno)
    return found


def test_states_are_written_in_one_place() -> None:
    """The function that checks MOVES and writes the ledger entry is the only one that can."""
    assert {path for path, tree in sources() if state_writes(tree)} == STATE_WRITERS


@pytest.mark.parametrize(
    "line",
    [
        "c.execute(update(delivery).where(x).values(state='delivered'))",
        "c.execute(update(message).values({'state': 'released'}))",
    ],
)
def test_the_search_finds_a_write(line: str) -> None:
    """Sabotage: what it looks for, it sees."""
    assert state_writes(ast.parse(line)) == [1]


def test_deliveries_are_started_in_one_place() -> None:
    """`insert(delivery)` stands in moves.py; it is called by the gate alone."""
    inserts = {path for path, tree in sources() if "insert(delivery)" in ast.unparse(tree)}
    starts = {path for path, tree in sources() if "start_deliveries(" in ast.unparse(tree)} - {"gateway/moves.py"}
    assert inserts == {"gateway/moves.py"}
    assert starts == {"gateway/steps/release.py"}
