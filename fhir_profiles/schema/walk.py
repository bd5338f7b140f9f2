"""Visits the elements of one sound resource: breaches of its datatypes, and its references. It must never judge what the schema judges.

Which members of which definition can hold something to judge is read off the compiled schema once; everything else is passed over.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, Final

from fhir_profiles.schema.invariants import BY_DATATYPE, Breach, Rule
from fhir_profiles.schema.references import Found, Trail, written
from fhir_profiles.shapes import Json

_REF: Final = "#/$defs/"


@dataclass(slots=True, eq=False)
class _Definition:
    """What the objects of one definition can hold. `quiet`: members in which there is nothing to judge."""

    rule: Rule | None
    members: dict[str, "_Member"] = field(default_factory=dict)
    quiet: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """One member that is looked at. `inner` is None for an array of primitives; `targets` has the types that a Reference here may lead to."""

    inner: _Definition | None
    is_reference: bool
    targets: frozenset[str]
    may_have_nulls: bool


Walk = Callable[[Json, list[Found]], Iterator[Breach]]


def walk_of(schema: Mapping[str, Any]) -> Walk:
    """Compile the schema (`r4.json`) to a walk: resource -> breaches; its references are added to the list."""
    definitions: dict[str, _Definition] = {}
    for name in schema["resources"]:
        _define(name, schema, definitions)

    def walk(resource: Json, found: list[Found]) -> Iterator[Breach]:
        return _walk(resource, definitions[resource["resourceType"]], found)

    return walk


def _define(name: str, schema: Mapping[str, Any], known: dict[str, _Definition]) -> _Definition | None:
    """Give a definition of objects, and all that it leads to; None for a primitive and for a resource inside a resource."""
    if name in known:
        return known[name]
    properties = schema["$defs"][name].get("properties")
    if properties is None or name == "nested-resource":
        return None
    made = known[name] = _Definition(BY_DATATYPE.get(name))
    for key, stated in properties.items():
        items = stated.get("items", stated)
        inner_name = _named(items, schema)
        inner = _define(inner_name, schema, known) if inner_name else None
        nulls = items is not stated and (inner is None or key[0] == "_")
        if inner is not None or nulls:
            targets = frozenset(schema["targets"].get(f"{name}.{key}", ()))
            made.members[key] = _Member(inner, inner_name == "Reference", targets, nulls)
    made.quiet = frozenset(properties) - made.members.keys()
    return made


def _named(stated: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The definition that a value has: its own, the one that a required binding narrows, or the one that it has unless it is null."""
    for choice in (stated, *stated.get("anyOf", ())):
        if "$ref" in choice:
            name = str(choice["$ref"]).removeprefix(_REF)
            narrowed = schema["$defs"][name].get("allOf", ({},))[0] if "properties" not in schema["$defs"][name] else {}
            return str(narrowed.get("$ref", name)).removeprefix(_REF)
    return ""


def _walk(resource: Json, definition: _Definition, found: list[Found]) -> Iterator[Breach]:
    waiting: list[tuple[Trail | None, _Definition, Json]] = [(None, definition, resource)]
    while waiting:
        trail, definition, node = waiting.pop()
        members = definition.members
        for key in node:
            if key not in members:
                continue
            member, value = members[key], node[key]
            if member.may_have_nulls and (key[0] == "_" or None in value):
                yield from _alignment_breaches(node, key, f"{written(trail)}.{key}")
            inner = member.inner
            if inner is None:
                continue
            is_list = type(value) is list
            for position, element in enumerate(value) if is_list else ((-1, value),):
                if element is None:
                    continue
                if inner.rule is not None:
                    for breach in inner.rule(element):
                        yield replace(breach, path=f"{written((trail, key, position))}{breach.path}")
                if member.is_reference and "reference" in element:
                    declared = element.get("type", "")
                    found.append(Found((trail, key, position), element["reference"], declared, member.targets))
                if not element.keys() <= inner.quiet:
                    waiting.append(((trail, key, position), inner, element))


def _alignment_breaches(node: Json, key: str, path: str) -> Iterator[Breach]:
    """A null in a primitive array stands for a value that its sibling array explains at the same place, and the reverse."""
    name = key.removeprefix("_")
    if key != name and name in node and None in node[name]:
        return  # judged once, from the values
    values, siblings = node.get(name, []), node.get(f"_{name}", [])
    if isinstance(values, list) and isinstance(siblings, list):
        for position, (value, sibling) in enumerate(zip_longest(values, siblings)):
            if value is None and sibling is None:
                yield Breach(key="null", text="a null that nothing explains", path=f"{path}[{position}]")
