"""The path language of an agreement, compiled: what `Observation.value[x]` permits and what it does not (consent/agreements/README.md).

    path      = type "." step *( "." step )
    step      = element | element "[x]" | "extension(" url ")"

A path permits what it names and everything below, except what is RESERVED: each of those needs a path that names it.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

_RESERVED = (
    "text display div title comment description instruction patientInstruction conclusion authorString "  # free text and names, wherever they stand
    "id identifier assigner extension modifierExtension contained url data hash userSelected"  # identities, links, attached content, whose choice
)
RESERVED = frozenset(_RESERVED.split())
"""Element names that no wider path permits. `reference` is rebuilt, never copied."""
NEVER = frozenset({"contained", "modifierExtension", "implicitRules", "div", "id", "resourceType"})
"""Element names that no path can permit."""
_CHOICES = (
    "Boolean Integer Decimal Instant Date DateTime Time Uri Url Canonical Code Id Oid PositiveInt UnsignedInt Uuid Address Age "
    "CodeableConcept Coding ContactPoint Count Distance Duration HumanName Money Period Quantity Range Ratio SampledData Timing Dosage"
)
CHOICES = frozenset(_CHOICES.split())
"""Types that `value[x]` includes. Not text (`valueString`), attachments, references or identifiers: those need their own path."""

_STEP = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<choice>\[x\])?(\((?P<url>[^()\s]+)\))?(\.|\Z)")


class PathError(ValueError):
    """A path that does not follow the language. The text quotes the path, which is an agreement's and holds nothing about anyone."""


@dataclass
class Node:
    """One step. `whole` permits what is below, but for what is reserved; `children` are the steps that are named."""

    whole: bool = False
    children: dict[str, "Node"] = field(default_factory=dict)
    _merged: dict[str, "Node | None"] = field(default_factory=dict, repr=False)

    def child(self, key: str) -> "Node | None":
        """The node for an element as it stands in FHIR JSON, `valueQuantity` also through `value[x]`."""
        if key not in self._merged:
            self._merged[key] = self._find(key)
        return self._merged[key]

    def _find(self, key: str) -> "Node | None":
        found = self.children.get(key)
        for name, node in self.children.items():
            if name.endswith("[x]") and key.startswith(name[:-3]) and key[len(name) - 3 :] in CHOICES:
                found = node if found is None else _merge(found, node)
        return found

    def extension(self, url: str) -> "Node | None":
        return self.children.get(f"extension({url})")


def _merge(one: Node, other: Node) -> Node:
    names = {**one.children, **other.children}
    both = {
        name: _merge(one.children[name], other.children[name]) for name in one.children.keys() & other.children.keys()
    }
    return Node(one.whole or other.whole, {**names, **both})


@lru_cache(maxsize=4096)  # an agreement has hundreds of paths, and of each smaller choice of them a tree is made
def steps(path: str) -> tuple[str, ...]:
    """The steps of a path; PathError says what is wrong with it."""
    found: list[str] = []
    place = 0
    while place < len(path):
        step = _STEP.match(path, place)
        if (
            step is None
            or (step["url"] is not None) != (step["name"] == "extension")
            or (step["choice"] and step["url"])
        ):
            raise PathError(f"not a path of the agreement language: {path}")
        if step["name"] in NEVER:
            raise PathError(f"no agreement can permit {step['name']}: {path}")
        found.append(f"extension({step['url']})" if step["url"] else step["name"] + (step["choice"] or ""))
        place = step.end()
    if (
        len(found) < 2
        or path.endswith(".")
        or not found[0][0].isupper()
        or "(" in found[0]
        or any(step[0].isupper() for step in found[1:])
    ):
        raise PathError(f"a path names a type and an element: {path}")
    if found[1] == "text":
        raise PathError(f"narrative is made again from what leaves, never passed on: {path}")
    if found[-1] == "reference":
        raise PathError(f"a reference is permitted by the element that holds it: {path}")
    return tuple(found)


@lru_cache(maxsize=256)
def compile_paths(paths: tuple[str, ...]) -> Node:
    """The permitted paths as one tree; the root's children are resource types."""
    root = Node()
    for path in paths:
        node = root
        for step in steps(path):
            node = node.children.setdefault(step, Node())
        node.whole = True
    return root


def permits(root: Node, path: str) -> bool:
    """Would the element at this path leave? `path` is an element as it stands in FHIR JSON (`Observation.valueQuantity.value`)."""
    found: Node | None = root
    whole = False
    for step in path.split("."):
        node = found.child(step) if found is not None else None
        if node is None and (not whole or is_reserved(step)):
            return False
        whole = whole or (node is not None and node.whole)
        found = node
    return whole


@lru_cache(maxsize=4096)
def is_reserved(key: str) -> bool:
    """No wider path permits this element: it is reserved, a primitive's extension, or free text by its type."""
    return key in RESERVED or key.startswith("_") or key.endswith(("String", "Markdown", "Base64Binary"))
