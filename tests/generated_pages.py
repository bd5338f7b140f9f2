"""The pages of docs/ that are made from the code, so that they cannot differ from it. `python -m tests.generated_pages` writes them.

`test_docs.py` compares what is committed with what these functions make.
"""

import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from consent.document import markdown
from consent.ig_document import ig_document
from fhir_profiles.mappings import minimised
from gateway import settings, shipped, states
from gateway.commands.agreements_read import read_files
from tests.fhir_page import fhir_page
from tests.spec.tables import PAGES as SHARING_RULES
from tests.spec.tables import read_page

DOCS = Path(__file__).resolve().parent.parent / "docs"


def _diagram(start: frozenset[Any], moves: Mapping[Any, frozenset[Any]]) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    for state in sorted(start):
        yield f"    [*] --> {state}"
    for state, targets in moves.items():
        for target in sorted(targets):
            yield f"    {state} --> {target}"
        if not targets:
            yield f"    {state} --> [*]"
    yield "```"


def _table(states_: type[StrEnum], moves: Mapping[Any, frozenset[Any]], start: frozenset[Any]) -> Iterator[str]:
    yield "| state | may begin here | next |"
    yield "|---|---|---|"
    for state in states_:
        yield f"| `{state}` | {'yes' if state in start else ''} | {', '.join(f'`{to}`' for to in sorted(moves[state])) or 'ended'} |"


def states_page() -> str:
    """docs/states.md."""
    lines = [
        "# States",
        "",
        "Made from `gateway/states.py` by `python -m tests.generated_pages`; a test compares. A move that is not here cannot happen, and",
        "every move writes its ledger entry in the same transaction.",
        "",
        "## Message",
        "",
        *_diagram(states.MESSAGE_START, states.MESSAGE_MOVES),
        "",
        *_table(states.MessageState, states.MESSAGE_MOVES, states.MESSAGE_START),
        "",
        "## Delivery",
        "",
        *_diagram(states.DELIVERY_START, states.DELIVERY_MOVES),
        "",
        *_table(states.DeliveryState, states.DELIVERY_MOVES, states.DELIVERY_START),
        "",
        "## Owed answer",
        "",
        "What a sender asked to be told later, as a message of its own (decisions/0028). Its chain in the ledger has the event `answer`.",
        "",
        *_diagram(states.ANSWER_START, states.ANSWER_MOVES),
        "",
        *_table(states.AnswerState, states.ANSWER_MOVES, states.ANSWER_START),
        "",
    ]
    return "\n".join(lines)


def _models(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table of throughgate.toml with its heading, outermost first."""
    yield prefix, model
    for name, field in model.model_fields.items():
        inner = field.annotation
        repeated = get_origin(inner) is tuple
        for candidate in (inner, *get_args(inner)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                path = f"{prefix.strip('[]')}.{name}" if prefix else name
                yield from _models(candidate, f"[[{path}]]" if repeated else f"[{path}]")


def _default(value: Any) -> str:
    if isinstance(value, Path):
        return f"`{value.as_posix()}`"
    if value is None or value in ((), ""):
        return "none"
    return f"`{value}`"


def _rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        required = field.default is PydanticUndefined and field.default_factory is None
        default = {} if field.default_factory is not None else field.default
        kind = getattr(field.annotation, "__name__", str(field.annotation)).replace("typing.", "")
        bounds = ", ".join(
            f"{sign} {getattr(rule, attribute)}"
            for rule in field.metadata
            for attribute, sign in (("ge", "at least"), ("gt", "more than"), ("le", "at most"))
            if getattr(rule, attribute, None) is not None
        )
        if "Literal" in str(field.annotation):
            kind = " or ".join(f"`{value}`" for value in _literals(field.annotation))
        elif get_origin(field.annotation) is tuple:
            kind = "list"
        elif get_origin(field.annotation) is not None or "|" in kind:
            kind = {"int | None": "int", "float | None": "float"}.get(kind, "table")
        yield f"| `{name}` | {kind}{f', {bounds}' if bounds else ''} | {'required' if required else _default(default)} |"


def _literals(annotation: Any) -> Iterator[str]:
    for value in get_args(annotation):
        if get_args(value):
            yield from _literals(value)
        elif isinstance(value, str):
            yield value


def settings_page() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "`throughgate.toml`, made from `gateway/settings.py` by `python -m tests.generated_pages`; a test compares. An unknown key is an",
        "error. Technical settings have safe defaults; nothing here can widen what is shared. Relative paths are relative to the file.",
        "Times are in seconds or days as the name says.",
    ]
    for heading, model in _models(settings.Settings, ""):
        if not heading:
            continue
        rows = list(_rows(model))
        says = " ".join((model.__doc__ or "").split())
        lines += ["", f"## `{heading}`", "", says, "", "| key | value | default |", "|---|---|---|", *rows]
    return "\n".join([*lines, ""])


def hazards_page() -> str:
    """docs/hazards.md: the hazard log as a page for people."""
    hazards = tomllib.loads((DOCS / "hazards.toml").read_text("utf-8"))["hazard"]
    lines = [
        "# Hazard log",
        "",
        "Made from `hazards.toml` by `python -m tests.generated_pages`; a test compares. The shape is that of DCB0129: hazard, cause, effect,",
        "control, the test that shows the control, and what remains. Severity and likelihood are for the deploying organisation to set:",
        "this is a developer's log, not a clinical safety case.",
    ]
    for hazard in hazards:
        lines += [
            "",
            f"## {hazard['id']} {hazard['hazard']}",
            "",
            f"**Cause.** {hazard['cause']}",
            "",
            f"**Effect.** {hazard['effect']}",
        ]
        lines += ["", "**Control.**", "", *[f"- {control}" for control in hazard["control"]]]
        lines += ["", "**Shown by.**", "", *[f"- `{test}`" for test in hazard["test"]]]
        lines += ["", f"**Residual risk.** {hazard['residual']}"]
    return "\n".join([*lines, ""])


def minimised_page() -> str:
    """docs/minimised-at-intake.md."""
    lines = [
        "# Minimised at intake",
        "",
        "Made from `fhir_profiles/mappings/minimised.toml` by `python -m tests.generated_pages`; a test compares. What a message says and the",
        "product does not carry, by rule: UK GDPR article 5(1)(c), personal data limited to what is necessary. `throughgate try --json` names",
        "the rule with the field (`minimised`). Nothing is deleted: the sealed original bytes keep it as long as the message is kept. What no",
        "mapping reads and no rule names is `residual`, which is a gap and no decision.",
        "",
        "| rule | what it leaves out | why | fields of HL7 v2 | elements of FHIR and of HMPPS events | and inside what is carried |",
        "|---|---|---|---|---|---|",
    ]
    for rule in minimised.rules().values():
        places = ", ".join(f"`{place}`" for place in rule.fields)
        elements = ", ".join(f"`{element}`" for element in rule.elements)
        lines.append(f"| `{rule.name}` | {rule.because} | {rule.why} | {places} | {elements} | {rule.parts} |")
    return "\n".join([*lines, ""])


def agreements_page() -> str:
    """docs/sharing-agreements.md: the shipped agreements and drafts, and the sharing rules as they run."""
    agreements = [file.agreement for file in read_files(shipped.agreements()) if file.agreement is not None]
    states_ = {each.name: "shipped as an example" for each in agreements}
    rules = [read_page(name) for name in SHARING_RULES]
    return markdown("Sharing agreements", ig_document(agreements, states_, rules))


PAGES = {
    "states.md": states_page,
    "settings.md": settings_page,
    "hazards.md": hazards_page,
    "minimised-at-intake.md": minimised_page,
    "sharing-agreements.md": agreements_page,
    "fhir.md": fhir_page,
}


def write_pages() -> None:
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), "utf-8")


if __name__ == "__main__":
    write_pages()
