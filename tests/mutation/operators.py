"""Small changes to a function, each a mistake that somebody could make: what a test suite has to notice.

Made on the syntax tree, one change a mutant, always in the same order. MUST NOT touch docstrings, annotations, or the words of an error.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Mult: ast.FloorDiv,
}
NAMES = {"any_of": "all_of", "all_of": "any_of", "any": "all", "all": "any", "min": "max", "max": "min"}
"""Functions that are easily confused; a name that the module does not know fails at once, which any test notices."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change. `function` is its outermost function by qualified name, empty for a constant of the module."""

    module: str
    function: str
    constant: str
    line: int
    change: str
    source: str
    at: tuple[int, int, int]
    """Which owner, which node of it, which change of that."""

    @property
    def name(self) -> str:
        return f"{self.module}.{self.function or self.constant}: {self.change}"

    def tree(self) -> ast.Module:
        """The whole module, changed."""
        tree = ast.parse(self.source)
        owner, place, number = self.at
        top = list(_owners(tree))[owner][2]
        target = list(ast.walk(top))[place]
        replacement = list(_changes(target))[number][1]()
        for holder in list(ast.walk(top)):
            for name, value in ast.iter_fields(holder):
                if value is target:
                    setattr(holder, name, replacement)
                elif isinstance(value, list):
                    setattr(holder, name, [replacement if item is target else item for item in value])
        return ast.fix_missing_locations(tree)


def mutants(module: str, source: str) -> list[Mutant]:
    """Every mutant of a module's functions and of its constants, in their order."""
    found: list[Mutant] = []
    for owner, (function, constant, top) in enumerate(_owners(ast.parse(source))):
        alone = _left_alone(top)
        for place, node in enumerate(ast.walk(top)):
            if id(node) in alone:
                continue
            line = getattr(node, "lineno", top.lineno)
            found += [
                Mutant(
                    module=module,
                    function=function,
                    constant=constant,
                    line=line,
                    change=change,
                    source=source,
                    at=(owner, place, number),
                )
                for number, (change, _) in enumerate(_changes(node))
            ]
    return found


def _owners(tree: ast.Module) -> Iterator[tuple[str, str, ast.stmt]]:
    for top in tree.body:
        if isinstance(top, ast.FunctionDef):
            yield top.name, "", top
        elif isinstance(top, ast.ClassDef):
            for item in top.body:
                if isinstance(item, ast.FunctionDef):
                    yield f"{top.name}.{item.name}", "", item
        elif isinstance(top, ast.Assign) and isinstance(top.targets[0], ast.Name):
            yield "", top.targets[0].id, top


def _left_alone(top: ast.stmt) -> set[int]:
    """Docstrings, annotations, decorators, and whatever an error says."""
    alone: set[int] = set()
    for node in ast.walk(top):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Raise):
            parts = [node]
        elif isinstance(node, ast.FunctionDef):
            parts = [node.returns, *node.decorator_list]
            parts += [item.annotation for item in (*node.args.args, *node.args.kwonlyargs)]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts = [node]
        alone |= {id(inner) for part in parts if part is not None for inner in ast.walk(part)}
    return alone


class Change:
    """What takes the place of a node."""

    def __init__(self, node: ast.AST, **fields: object) -> None:
        self._node, self._fields = node, fields

    def __call__(self) -> ast.AST:
        """The node with its new fields; a field named `become` is the whole new node."""
        if "become" in self._fields:
            become = self._fields["become"]
            assert isinstance(become, ast.AST)
            return ast.copy_location(become, self._node)
        made = copy.copy(self._node)
        for name, value in self._fields.items():
            setattr(made, name, value)
        return made


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    before = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
    for change in _of_expression(node):
        after = ast.unparse(change())
        yield f"`{_short(before)}` becomes `{_short(after)}`", change
    for words, change in _of_statement(node):
        yield f"`{_short(before)}` {words}", change


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:87]}..."


def _of_expression(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            other = COMPARISONS[type(operator)]()
            yield Change(node, ops=[other if index == at else item for index, item in enumerate(node.ops)])
    elif isinstance(node, ast.BoolOp):
        yield Change(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield Change(node, become=node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield Change(node, op=ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.IfExp):
        yield Change(node, body=node.orelse, orelse=node.body)
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield Change(node, id=NAMES[node.id])
    elif isinstance(node, ast.Constant):
        yield from _of_constant(node)


def _of_constant(node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield Change(node, value=not node.value)
    elif isinstance(node.value, int):
        yield Change(node, value=node.value + 1)
    elif isinstance(node.value, str):
        yield Change(node, value=f"{node.value}-changed")


def _of_statement(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "gives nothing back", Change(node, value=ast.Constant(value=None))
    elif isinstance(node, ast.If):
        yield "asks the opposite", Change(node, test=ast.UnaryOp(op=ast.Not(), operand=node.test))
    elif isinstance(node, ast.Assign | ast.AugAssign) and not _is_none(node.value):
        if isinstance(node, ast.AugAssign):
            yield "is left out", Change(node, become=ast.Pass())
    elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield "is left out", Change(node, become=ast.Pass())
    elif isinstance(node, ast.Break):
        yield "goes on", Change(node, become=ast.Continue())
    elif isinstance(node, ast.Continue):
        yield "stops", Change(node, become=ast.Break())


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
