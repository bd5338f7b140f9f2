"""What R4 asks of every resource and element, against the paths that an agreement lets leave: what is left must be FHIR. It knows no agreement.

A path is that of the agreement language: `Observation.value[x]`; what it names leaves with everything below it that has no name of its own.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from fhir_profiles.validate import schema

_ALWAYS = frozenset({"resourceType", "id", "meta"})
_INVARIANTS: Final = {
    "AllergyIntolerance": (frozenset({"clinicalStatus"}),),
    "Appointment": (frozenset({"start"}), frozenset({"end"})),
    "Organization": (frozenset({"name", "identifier"}),),
}
"""What ait-1, app-2 and org-1 ask of the resource itself."""


def lacking(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that R4 asks for beside these and that are not among them, sorted; of a choice, one of it. Empty: what leaves can be FHIR.

    Where a path reaches into an element that does not leave whole, that element needs what R4 asks of it.
    """
    named = frozenset(path.partition(".extension(")[0].replace("[x]", "") for path in paths)
    inside = {path.rpartition(".")[0] for path in named}
    parents = {".".join(path.split(".")[:depth]) for path in inside for depth in range(1, path.count(".") + 2)}
    found = set()
    for parent in parents:
        if _leaves_whole(parent, named):
            continue
        for group in _asked(_definition(parent)):
            if not any(_is_there(parent, name, named) for name in group):
                found.add(f"{parent}.{min(group, key=len)}")
    return tuple(sorted(found))


def _leaves_whole(element: str, named: frozenset[str]) -> bool:
    steps = element.split(".")
    return any(".".join(steps[:depth]) in named for depth in range(2, len(steps) + 1))


def _is_there(parent: str, name: str, named: frozenset[str]) -> bool:
    """Is the element, or something in it, or the choice that it is of, among the paths?"""
    place = f"{parent}.{name}"
    choice = any(
        place.startswith(path) and place[len(path)].isupper()
        for path in named
        if path.rpartition(".")[0] == parent and len(path) < len(place)
    )
    return choice or any(path == place or path.startswith(f"{place}.") for path in named)


def _definition(path: str) -> str:
    """The definition of what a path leads to; nothing where R4 has none of its own for it."""
    element, *steps = path.split(".")
    for step in steps:
        stated = schema()["$defs"].get(element, {}).get("properties", {}).get(step.partition("(")[0], {})
        element = str((stated.get("items") or stated).get("$ref", "")).rpartition("/")[2]
    return element


@cache
def _asked(element: str) -> tuple[frozenset[str], ...]:
    """Of each of these the element needs one."""
    return (*_groups(schema()["$defs"].get(element, {})), *_INVARIANTS.get(element, ()))


def _groups(definition: dict[str, Any]) -> Iterator[frozenset[str]]:
    for name in definition.get("required", ()):
        if name not in _ALWAYS:
            yield frozenset({name})
    for asked in (definition, *definition.get("allOf", ())):
        alternatives = {name.lstrip("_") for one in asked.get("anyOf", ()) for name in one.get("required", ())}
        if alternatives:
            yield frozenset(alternatives)
