"""The console's templates, with hostile text behind every value that they print; and which places of which template have printed.

What is escaped is shown as text. What a template or a module has marked as safe is not: there the text would be markup, in the page.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, nodes
from markupsafe import Markup

from gateway.console.rendering import ENVIRONMENT

HOSTILE = "\"><script>window.scripts++</script><img src=x onerror=window.scripts++><svg/onload=window.scripts++>{{7*7}}'`javascript:alert(1)"


class _Marking(Environment):
    """Gives each expression that a template prints to the filter `hostile`, with its place: template, line, number in its piece."""

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        for output in template.find_all(nodes.Output):
            for number, node in enumerate(output.nodes):
                if not isinstance(node, nodes.TemplateData):
                    said = [nodes.Const(_place(name, node, number)), nodes.Const(isinstance(node, nodes.Call))]
                    output.nodes[number] = nodes.Filter(node, "hostile", said, [], None, None, lineno=node.lineno)
        return template


def _place(name: str | None, node: nodes.Expr, number: int) -> str:
    return f"{name}:{node.lineno}:{number}"


@dataclass
class Hostile:
    """An environment in the place of the console's. `printed` has the places that have printed; `changed` is what a sabotage makes of a
    template's text.
    """

    changed: Callable[[str, str], str] = lambda _name, text: text
    printed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.environment = _Marking(
            loader=FunctionLoader(self._read),
            autoescape=ENVIRONMENT.autoescape,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals.update(ENVIRONMENT.globals)
        self.environment.filters.update({**ENVIRONMENT.filters, "hostile": self._hostile})

    def _read(self, name: str) -> str:
        assert ENVIRONMENT.loader is not None
        return self.changed(name, ENVIRONMENT.loader.get_source(ENVIRONMENT, name)[0])

    def _hostile(self, value: Any, place: str, is_call: bool) -> Any:
        self.printed.add(place)
        if isinstance(value, Markup):
            # what a macro printed has been through here already; anything else that is markup was not escaped
            return value if is_call else Markup(f"{value}{HOSTILE}")
        return f"{value}{HOSTILE}"

    def places(self) -> set[str]:
        """Every place of every template that prints a value, macros left out that print through their own."""
        found = set()
        for name in ENVIRONMENT.list_templates():
            for output in self.environment.parse(self._read(name), name).find_all(nodes.Output):
                for node in output.nodes:
                    if (
                        isinstance(node, nodes.Filter)
                        and node.name == "hostile"
                        and isinstance(node.args[0], nodes.Const)
                    ):
                        found.add(str(node.args[0].value))
        return found
