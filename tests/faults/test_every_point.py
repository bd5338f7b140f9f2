"""Every commit, publish, send, response read, signed head and acknowledgement of the product stands between two named failpoints.

Read from the source: a new one without its points fails here, and with its points is killed at them from the day it is written.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef

ONE_COMMIT = "one commit, between the points of the store itself: died at on both sides of each in test_one_commit"
OF_THE_PIPELINE = "between send.before and send.after of the pipeline, which waits for it"
EVERY_CALL = (
    "test_file_drop dies before every call to the file system; a letter stands between send.before and send.after"
)
IN_MEMORY = "a dry run's store is memory"
EXCUSED = {
    ("gateway/store/memory.py", "write"): "nothing of it survives a process, so a crash cannot halve it",
    ("gateway/store/migrate.py", "_upgrade"): "before anything can be acknowledged; all of it or none, test_migrations",
    (
        "gateway/steps/receive.py",
        "receive",
    ): "receive.before-commit stands inside the work, once a message, in `_insert`",
    ("gateway/store/in_one.py", "write_in_one"): "the points of what is written stand around its callers",
    ("gateway/store/in_one.py", "_alone"): "within `write_in_one`",
    ("gateway/pipeline.py", "ready"): "writes nothing: it asks whether a commit is possible",
    (
        "gateway/bus/rabbitmq.py",
        "_try_everything",
    ): "`check` asks whether the broker can be used, on names that end with it",
    ("gateway/bus/unreliable.py", "publish"): "the bus below it passes the points; for tests only",
    ("gateway/rotation.py", "_until_older_writes_ended"): "writes nothing: it waits for those who do",
    (
        "gateway/rotation.py",
        "_note",
    ): "between two steps of a rotation, each with points of its own; a step that is done is not noted twice",
    ("adapters/fhir_http/outbound.py", "_post"): OF_THE_PIPELINE,
    ("adapters/mllp/outbound.py", "_exchanged"): OF_THE_PIPELINE,
    (
        "adapters/mllp/inbound.py",
        "_write",
    ): "acknowledge.before stands in the pipeline, acknowledge.after behind it: test_crash_matrix needs both",
    ("adapters/file_drop/inbound.py", "_claim"): EVERY_CALL,
    ("adapters/file_drop/inbound.py", "_refuse"): EVERY_CALL,
    ("adapters/file_drop/folder.py", "put"): EVERY_CALL,
    ("adapters/file_drop/outbound.py", "_drop"): EVERY_CALL,
    ("gateway/telling.py", "_by_address"): "between tell.before and tell.after of `desk.tell`",
    ("gateway/console/oidc.py", "_ask"): "a question of who logs in, who tries again: nothing is kept of it",
    ("gateway/trying.py", "_gate"): IN_MEMORY,
    ("gateway/wiring.py", "copy_register"): IN_MEMORY,
    **dict.fromkeys(
        (
            ("gateway/clients.py", "add_client"),
            ("gateway/clients.py", "issue_token"),
            ("gateway/commands/client_end.py", "client_end"),
            ("gateway/console/app.py", "_enter"),
            ("gateway/console/disclosures.py", "ask_for"),
            ("gateway/console/disclosures.py", "settle"),
            ("gateway/console/staff.py", "add_staff"),
            ("gateway/console/staff.py", "begin_for"),
            ("gateway/console/staff.py", "end_staff"),
            ("gateway/console/staff.py", "enrol"),
            ("gateway/console/staff.py", "log_in"),
            ("gateway/console/staff.py", "log_out"),
            ("gateway/console/staff.py", "member_of"),
            ("gateway/looks.py", "enter_look"),
            ("gateway/smart/grant.py", "grant"),
            ("gateway/smart/keys.py", "add_keys"),
            ("gateway/subject/disclosures.py", "show"),
        ),
        ONE_COMMIT,
    ),
}
"""Function by function, and why. Names that are not there any more fail the test."""


OUTSIDE = ("bench", "demo")
"""Parts of the gateway's package that no installation runs: one measures, one plays."""


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of names, attributes, subscripts and calls."""
    match node:
        case ast.Attribute():
            return f"{dotted(node.value)}.{node.attr}"
        case ast.Name():
            return node.id
        case ast.Subscript():
            return f"{dotted(node.value)}[]"
        case ast.Call():
            return f"{dotted(node.func)}()"
        case _:
            return ""


def is_durable_step(node: ast.AST) -> bool:
    """Is this a call after which something has happened that a crash cannot take back?"""
    if not isinstance(node, ast.Call):
        return False
    if not isinstance(node.func, ast.Attribute):
        return dotted(node.func) == "write_in_one"
    owner, name = dotted(node.func.value).lower(), node.func.attr
    said = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return (
        (name in ("write", "write_all", "write_async") and owner.endswith("store"))
        or (name in ("execute", "exec_driver_sql") and any(text.strip().upper().startswith("COMMIT") for text in said))
        or name == "commit"
        or (name == "publish" and owner != "super()")
        or (name == "send" and "outbound" in owner)
        or name == "post"
        or (name == "request" and owner.endswith("session"))
        or (name == "write" and owner.endswith(("transport", "writer")))
        or (name == "read" and owner.endswith(("answer.content", "reader")))
        or name == "teller"
        or (name == "replace" and owner.endswith("head"))
        or name in ("rename", "ack", "basic_ack")
    )


def points_of(function: ast.AST) -> dict[str, list[int]]:
    """Name -> lines of the failpoints that a function passes."""
    found: dict[str, list[int]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and dotted(node.func).endswith("pass_point"):
            (name,) = node.args
            assert isinstance(name, ast.Constant), "a point is a literal"
            found.setdefault(str(name.value), []).append(node.lineno)
    return found


def is_inside_around(function: ast.AST, call: ast.AST) -> bool:
    """Does it stand in a `with around("...")`?"""
    for node in ast.walk(function):
        if isinstance(node, ast.With | ast.AsyncWith) and any(inner is call for inner in ast.walk(node)):
            for item in node.items:
                made = item.context_expr
                if isinstance(made, ast.Call) and dotted(made.func) == "around":
                    return True
    return False


def is_between_points(function: ast.AST, call: ast.Call) -> bool:
    """A point `x.before...` above it and `x.after...` below it, in the same function."""
    points = points_of(function)
    above = {name.split(".")[0] for name, lines in points.items() if ".before" in name and min(lines) < call.lineno}
    below = {name.split(".")[0] for name, lines in points.items() if ".after" in name and max(lines) > call.lineno}
    return bool(above & below) or is_inside_around(function, call)


def functions_of(tree: ast.Module) -> Iterator[FUNCTIONS]:
    """Every function that is not inside another one: what is inside belongs to it."""
    stack: list[ast.AST] = list(ast.iter_child_nodes(tree))
    while stack:
        node = stack.pop()
        if isinstance(node, FUNCTIONS):
            yield node
        else:
            stack.extend(ast.iter_child_nodes(node))


def steps_of(path: str, text: str) -> Iterator[tuple[str, str, int, bool]]:
    """(path, function, line, is it between its points) of every durable step in a source; `publish` of a bus is one itself."""
    for function in functions_of(ast.parse(text)):
        if function.name == "commit" and path.startswith("gateway/store/"):
            continue  # an engine's own COMMIT: group_commit calls it, between its points
        for node in ast.walk(function):
            if is_durable_step(node):
                assert isinstance(node, ast.Call)
                yield path, function.name, node.lineno, is_between_points(function, node)
        if path.startswith("gateway/bus/") and function.name == "publish" and "protocol" not in path:
            names = {name.split(".", 1)[1].split("-")[0] for name in points_of(function)}
            yield path, function.name, function.lineno, {"before", "after"} <= names


def product() -> list[tuple[str, str, int, bool]]:
    """Every durable step of the gateway and of its adapters."""
    return [
        step
        for part in ("adapters", "gateway")
        for path in sorted((ROOT / part).rglob("*.py"))
        if path.relative_to(ROOT / part).parts[0] not in OUTSIDE
        for step in steps_of(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]


def test_every_durable_step_stands_between_two_points() -> None:
    """None is left out, but for those that say why."""
    bare = [f"{path}:{line} {name}" for path, name, line, held in product() if not held and (path, name) not in EXCUSED]
    assert not bare, bare


def test_the_steps_are_found_and_no_excuse_is_stale() -> None:
    """A search that found nothing would pass everything."""
    steps = product()
    assert len(steps) >= 25
    assert {(path, name) for path, name, _, _ in steps} >= set(EXCUSED)


@pytest.mark.parametrize(
    "line",
    [
        "parts.store.write(work)",
        "self._store.write(work)",
        "await self.store.write_async(work)",
        "write_in_one(parts.store, work, them)",
        "self._raw.execute('COMMIT')",
        "await connection.commit()",
        "await self.bus.publish(topic, some_id)",
        "await self._exchange.publish(message, routing_key=key)",
        "await self.outbounds[letter.recipient].send(letter)",
        "self._head.replace(text, signed)",
        "beside.rename(path)",
        "await message.ack()",
        "await session.post(url, data=body)",
        "await self._session.request(method, url)",
        "self._transport.write(framed(body))",
        "writer.write(framed(letter.body))",
        "await answer.content.read(65_536)",
        "await reader.read(65_536)",
        "await parts.teller(told)",
    ],
)
def test_a_step_without_points_is_found(line: str) -> None:
    """Sabotage: bare, with one side only, with the two of different steps; and in order it passes."""
    sources = {
        "async def f(): {}": False,
        "async def f():\n pass_point('x.before-commit')\n {}": False,
        "async def f():\n {}\n pass_point('x.after-commit')": False,
        "async def f():\n pass_point('x.before-commit')\n {}\n pass_point('y.after-commit')": False,
        "async def f():\n pass_point('x.after-commit')\n {}\n pass_point('x.before-commit')": False,
        "async def f():\n pass_point('x.before-commit')\n {}\n pass_point('x.after-commit')": True,
        "async def f():\n with around('x'):\n  {}": True,
        "async def f():\n with suppress(OSError):\n  {}": False,
    }
    for source, held in sources.items():
        (step,) = steps_of("gateway/x.py", source.format(line))
        assert step[3] is held, source


def test_a_bus_without_points_is_found() -> None:
    """Sabotage: a new bus whose publish passes none."""
    (step,) = steps_of("gateway/bus/new.py", "class New:\n async def publish(self, topic, id): self.queue.put(id)")
    assert not step[3]
