"""What the team refuses, read from the source: each rule holds over the tree, and each rule can fail.

A rule is a function from one file's source to its findings. `SABOTAGE` has, for each rule, a file that it must find fault with and
one that it must leave alone.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("adapters", "consent", "fhir_profiles", "gateway")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file: its path from the root with `/`, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text)


@lru_cache(maxsize=1)
def _parsed(text: str) -> ast.Module:
    """A rule asks for the tree of one file several times, then for the next file's."""
    return ast.parse(text)


Rule = Callable[[Source], Iterator[str]]


def product_sources() -> list[Source]:
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return [Source(path=file.relative_to(ROOT).as_posix(), text=file.read_text("utf-8")) for file in files]


def sources_of_tests() -> list[Source]:
    files = sorted((ROOT / "tests").rglob("*.py"))
    return [Source(path=file.relative_to(ROOT).as_posix(), text=file.read_text("utf-8")) for file in files]


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of names, empty for anything else."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every imported name with its line: `time`, `datetime.datetime`, `gateway.log.log`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


CLOCKS = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today)$")
RANDOM = re.compile(r"^(random(\.|$)|uuid\.(uuid1|uuid4)$|secrets(\.|$)|os\.urandom$)")


def no_clock(source: Source) -> Iterator[str]:
    """Only `wiring.py` reads the clock; everybody else is given one. The bench measures time, and is nothing that serves."""
    if source.path == "gateway/wiring.py" or source.path.startswith("gateway/bench/"):
        return
    for line, name in imported(source.tree):
        if name == "time" or name.startswith("time."):
            yield f"{source.path}:{line}: `{name}`: take a clock"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and CLOCKS.search(dotted(node)):
            yield f"{source.path}:{node.lineno}: `{dotted(node)}`: take a clock"


def no_random(source: Source) -> Iterator[str]:
    """Only `wiring.py` makes an id source; keys and nonces (gateway/keys) come from the operating system."""
    if source.path == "gateway/wiring.py" or source.path.startswith("gateway/keys/"):
        return
    for line, name in imported(source.tree):
        if RANDOM.match(name):
            yield f"{source.path}:{line}: `{name}`: take an id source"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and RANDOM.match(dotted(node)):
            yield f"{source.path}:{node.lineno}: `{dotted(node)}`: take an id source"


def no_print(source: Source) -> Iterator[str]:
    """The command line speaks through typer, everything else through the log."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and dotted(node.func) in ("print", "pprint", "pprint.pprint"):
            yield f"{source.path}:{node.lineno}: {dotted(node.func)}"


LOG_CALLS = re.compile(r"^(log|logging\.\w+|(self\.)?_?logger\.\w+|log\.\w+)$")


def _is_text_made_here(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return any(
            isinstance(side, ast.Constant | ast.JoinedStr) and not _is_number(side) for side in (node.left, node.right)
        )
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def no_text_made_for_the_log(source: Source) -> Iterator[str]:
    """A log line is a code, a fixed sentence and ids: text made at the call could carry content."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and LOG_CALLS.match(dotted(node.func)):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(_is_text_made_here(value) for value in values):
                yield f"{source.path}:{node.lineno}: text made in a log call"


def no_long_function(source: Source) -> Iterator[str]:
    """At most 60 lines, the docstring included. A migration is a list of tables, not logic."""
    if source.path.startswith("gateway/store/migrations/versions/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > 60:
                yield f"{source.path}:{node.lineno}: {node.name} has {length} lines"


MODES = re.compile(r"sqlite|postgres|rabbit|amqp|aio_pika|psycopg", re.IGNORECASE)
MODE_PLACES = ("gateway/store/", "gateway/bus/", "gateway/wiring.py", "gateway/settings.py", "gateway/bench/")


def _docstrings(tree: ast.Module) -> set[int]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, owners)]
    # A bare string after a constant is its documentation too.
    return {
        id(line.value)
        for body in bodies
        for line in body
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
    }


def no_mode_check(source: Source) -> Iterator[str]:
    """Only store, bus, wiring and settings know which engine is in use; the bench measures each beside its floor."""
    if source.path.startswith(MODE_PLACES):
        return
    tree = source.tree
    documentation = _docstrings(tree)
    for line, name in imported(tree):
        if MODES.search(name):
            yield f"{source.path}:{line}: imports `{name}`"
    for node in ast.walk(tree):
        text = dotted(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            text = node.value
        if MODES.search(text):
            yield f"{source.path}:{getattr(node, 'lineno', 0)}: names an engine"


EXCEPTIONS = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:\s*no\s*cover|nosec)(?P<rest>.*)$")
CODES = re.compile(r"^\s*(:\s*[A-Z]+[0-9]+(\s*,\s*[A-Z]+[0-9]+)*|\[[a-z\-, ]+\])?\s*(?P<reason>.*)$")


def no_exception_without_reason(source: Source) -> Iterator[str]:
    """`noqa`, `type: ignore` and `no cover` name a rule and say why, in at least three words."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        if (found := EXCEPTIONS.search(line)) is None or "re.compile" in line:
            continue
        rest = CODES.match(found["rest"])
        reason = re.findall(r"\w+", rest["reason"]) if rest is not None else []
        named = (
            found[1].startswith(("noqa", "type")) is False or re.match(r"\s*(:\s*[A-Z]|\[)", found["rest"]) is not None
        )
        if len(reason) < 3 or not named:
            yield f"{source.path}:{number}: {found[1]} without a rule or a reason"


LETTER_PLACE = ("gateway/steps/deliver.py", "open_at_doors")


def letter_only_at_the_door(source: Source) -> Iterator[str]:
    """`Letter(...)` stands in `open_at_doors` and nowhere else: what leaves was checked at the door."""
    tree = source.tree
    allowed: set[int] = set()
    for node in ast.walk(tree):
        if (
            source.path == LETTER_PLACE[0]
            and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == LETTER_PLACE[1]
        ):
            allowed = {id(inner) for inner in ast.walk(node)}
    names = {"Letter"} | {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == "Letter" and alias.asname
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in allowed:
            called = dotted(node.func)
            made = called.rsplit(".", 1)[-1] in names
            copied = called in ("replace", "dataclasses.replace", "copy.replace") and source.path.startswith(
                "gateway/steps/deliver"
            )
            if made or copied:
                yield f"{source.path}:{node.lineno}: a Letter made outside open_at_doors"


VAGUE = re.compile(r"^(utils?|helpers?|managers?|services?|common|core|base|misc)$")


def no_vague_name(source: Source) -> Iterator[str]:
    """A module or folder is named after the one idea in it."""
    for part in Path(source.path).with_suffix("").parts:
        if VAGUE.match(part):
            yield f"{source.path}: `{part}` names nothing"


def module_says_what_it_is_for(source: Source) -> Iterator[str]:
    """Every module that has code begins with a docstring."""
    tree = source.tree
    if tree.body and ast.get_docstring(tree) is None:
        yield f"{source.path}: no module docstring"


def no_mock(source: Source) -> Iterator[str]:
    """No patching of our own code: a seam is passed in."""
    for line, name in imported(source.tree):
        if name.startswith(("unittest.mock", "mock.", "pytest_mock")):
            yield f"{source.path}:{line}: {name}"


PRODUCT_RULES: tuple[Rule, ...] = (
    no_clock,
    no_random,
    no_print,
    no_text_made_for_the_log,
    no_long_function,
    no_mode_check,
    no_exception_without_reason,
    letter_only_at_the_door,
    no_vague_name,
    module_says_what_it_is_for,
)
TEST_RULES: tuple[Rule, ...] = (no_exception_without_reason, no_mock, module_says_what_it_is_for)

LONG = "def f():\n" + "    x = 1\n" * 60
SABOTAGE: dict[Rule, tuple[tuple[str, str], tuple[str, str]]] = {
    no_clock: (
        ("gateway/a.py", "from datetime import UTC, datetime\nx = datetime.now(UTC)"),
        ("gateway/wiring.py", "from datetime import UTC, datetime\nx = datetime.now(UTC)"),
    ),
    no_random: (
        ("consent/a.py", "import uuid\nx = uuid.uuid4()"),
        ("gateway/keys/a.py", "import os\nx = os.urandom(16)"),
    ),
    no_print: (("adapters/a.py", "print('x')"), ("adapters/a.py", "typer.echo('x')")),
    no_text_made_for_the_log: (
        ("gateway/a.py", "log(Code.X, message_id=f'{name}')"),
        ("gateway/a.py", "log(Code.X, message_id=message_id, count=total + 1)"),
    ),
    no_long_function: (("gateway/a.py", LONG), ("gateway/a.py", LONG.removesuffix("    x = 1\n"))),
    no_mode_check: (
        ("gateway/steps/a.py", "if settings.store_url.startswith('sqlite'): pass"),
        ("gateway/steps/a.py", "'''Works on SQLite and PostgreSQL alike.'''"),
    ),
    no_exception_without_reason: (
        ("gateway/a.py", "x = eval(y)  # noqa: S307"),
        ("gateway/a.py", "x = eval(y)  # noqa: S307 - the text is a constant of this module"),
    ),
    letter_only_at_the_door: (
        ("gateway/pipeline.py", "from adapters.contract import Letter as L\nL(body=b'')"),
        ("gateway/steps/deliver.py", "def open_at_doors(x):\n    return Letter(body=b'')"),
    ),
    no_vague_name: (("gateway/utils.py", "x = 1"), ("gateway/ledger/tree.py", "x = 1")),
    module_says_what_it_is_for: (("gateway/a.py", "x = 1"), ("gateway/a.py", "'''What it is for.'''\nx = 1")),
    no_mock: (("tests/a.py", "from unittest.mock import patch"), ("tests/a.py", "import respx")),
}


@pytest.mark.parametrize("rule", PRODUCT_RULES, ids=lambda rule: rule.__name__)
def test_the_product_is_tidy(rule: Rule) -> None:
    """Every file of the four folders keeps every rule."""
    assert not [finding for source in product_sources() for finding in rule(source)]


@pytest.mark.parametrize("rule", TEST_RULES, ids=lambda rule: rule.__name__)
def test_the_tests_are_tidy(rule: Rule) -> None:
    """Tests keep the rules that are about tests."""
    here = "tests/test_tidy.py"  # it quotes what it refuses
    assert not [finding for source in sources_of_tests() if source.path != here for finding in rule(source)]


EVERY_RULE: list[Rule] = sorted({*PRODUCT_RULES, *TEST_RULES}, key=lambda rule: rule.__name__)


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.__name__)
def test_each_rule_can_fail(rule: Rule) -> None:
    """Sabotage: a rule that finds nothing in a bad file would protect nobody; one that finds fault with a good file would be switched off."""
    (bad_path, bad), (good_path, good) = SABOTAGE[rule]
    assert list(rule(Source(path=bad_path, text=bad)))
    assert not list(rule(Source(path=good_path, text=good)))


def test_the_tree_is_read() -> None:
    """The rules look at something: every package has files."""
    assert {source.path.split("/")[0] for source in product_sources()} == set(PACKAGES)
