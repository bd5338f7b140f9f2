"""How many fields a letter had before anything was taken out of it, and how many it left with: the numbers that flows show without opening it.

A field is one value of one element of a resource, `Patient.name` twice where two names stand. It MUST NOT keep or judge what a field says.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fhir_profiles.shapes import Json

Element = tuple[str, str]
"""Type of a resource and name of an element."""
_NOT_COUNTED: Final = frozenset({"resourceType", "id", "meta"})
"""What every resource has made anew."""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """`left` are those of `composed` that leave: a letter that nothing left of has none."""

    composed: int
    left: int


def elements_of(bundle: Json | None) -> Counter[Element]:
    """How often each element stands in a letter. Nothing stands in none."""
    found: Counter[Element] = Counter()
    for element, value in _elements(bundle):
        found[element] += len(value) if isinstance(value, list) else 1
    return found


def values_by_element(bundle: Json | None) -> dict[Element, list[Any]]:
    """What stands in each element of a letter, in its order: as many values as `elements_of` counts."""
    found: dict[Element, list[Any]] = {}
    for element, value in _elements(bundle):
        found.setdefault(element, []).extend(value if isinstance(value, list) else (value,))
    return found


def _elements(bundle: Json | None) -> Iterator[tuple[Element, Any]]:
    for entry in (bundle or {}).get("entry", ()):
        resource: dict[str, Any] = entry["resource"]
        kind = resource["resourceType"]
        yield from (((kind, name), value) for name, value in resource.items() if name not in _NOT_COUNTED)


def fields_of(composed: Json, left: Json | None) -> Fields:
    """The numbers of one letter; `left` is what leaves of it."""
    before = elements_of(composed)
    # what a letter gets in the place of what it lost is no field that left
    return Fields(composed=before.total(), left=(before & elements_of(left)).total())
