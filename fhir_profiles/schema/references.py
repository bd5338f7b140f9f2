"""Do the references of a resource or a Bundle lead to something, and to a type that R4 allows? It must never fetch anything.

A local `#id` that leads nowhere is an error (ref-1). A `urn:` reference that no fullUrl of its Bundle answers is an error where it says whom
or what the resource is about, elsewhere a warning: 27 of 155 official EPS examples have one (tiers of strictness,
not silence); a contained resource never makes it an error: the one around it says more surely whom it is about.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fhir_profiles.schema.invariants import Breach
from fhir_profiles.shapes import Json, Severity

_TYPE_AND_ID: Final = re.compile(
    r"(?:^|/)([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?$"
)
_RELATIVE: Final = re.compile(r"([A-Z][A-Za-z]{1,63})/[A-Za-z0-9.\-]{1,64}")
"""The usual form, without a search for where it begins."""
_ABOUT: Final = ("subject", "patient", "focus", "for", "individual")


Trail = tuple[Any, str, int]
"""Where an element stands: (trail of what holds it, its name, its position in a list or -1). Written out only for a breach."""


def written(trail: Trail | None) -> str:
    """Write a trail as a path below the resource: `.component[0].code`."""
    steps = []
    while trail is not None:
        trail, name, position = trail
        steps.append(f".{name}[{position}]" if position >= 0 else f".{name}")
    return "".join(reversed(steps))


class Found(NamedTuple):
    """One Reference with a `reference`: where it stands, the type that it says it leads to, and those that R4 allows here (none: any)."""

    trail: Trail
    reference: str
    declared: str
    allowed: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What references of one resource may lead to: its contained resources by id, its Bundle's entries by fullUrl (None: no Bundle)."""

    contained: Mapping[str, str]
    entries: Mapping[str, str] | None
    base: str = ""
    inside: bool = False
    """The resource is contained in another one."""


def entries_by_url(bundle: Json) -> dict[str, str]:
    """Give the resource type behind each fullUrl of a Bundle."""
    found = {}
    for entry in bundle.get("entry", ()):
        url, resource = entry.get("fullUrl"), entry.get("resource")
        if url and resource:
            found[url] = resource.get("resourceType", "")
    return found


def target_of(reference: str, around: Surroundings) -> str | None:
    """Give the type that a reference leads to: empty when it cannot be known from here, None when it leads nowhere."""
    if reference.startswith("#"):
        return around.contained.get(reference[1:]) if len(reference) > 1 else ""
    if around.entries is not None:
        if reference in around.entries:
            return around.entries[reference]
        if reference.startswith(("urn:uuid:", "urn:oid:")):
            return None
        if around.base and around.base + reference in around.entries:
            return around.entries[around.base + reference]
    named = _RELATIVE.fullmatch(reference) or _TYPE_AND_ID.search(reference)
    return named[1] if named else ""


def reference_breaches(found: Sequence[Found], around: Surroundings, known: frozenset[str]) -> Iterator[Breach]:
    """Judge every reference of one resource; paths are below the resource."""
    for trail, reference, declared, allowed in found:
        target = target_of(reference, around)
        if target is None:
            yield _dangling(reference, trail, lenient=around.inside)
            continue
        if not target or target not in known:
            continue
        if allowed and target not in allowed:
            text = "a reference to a type of resource that R4 does not allow here"
            yield Breach(key="target", text=text, path=written(trail))
        if declared and declared.rpartition("/")[2] != target:
            text = "a reference whose type differs from what it leads to"
            yield Breach(key="type", text=text, path=written(trail))


def _dangling(reference: str, trail: Trail, *, lenient: bool) -> Breach:
    path = written(trail)
    if reference.startswith("#"):
        return Breach(key="ref-1", text="a local reference to nothing that the resource contains (ref-1)", path=path)
    about = trail[1] in _ABOUT and not lenient
    return Breach(
        key="dangling",
        text="a reference to no entry of the Bundle",
        path=path,
        severity=Severity.ERROR if about else Severity.WARNING,
    )


def contained_breaches(resource: Json) -> Iterator[Breach]:
    """dom-2 to dom-5: contained resources contain nothing, are referred to, and have neither version nor labels of their own."""
    names = set(_local_names(resource))
    for position, inner in enumerate(resource["contained"]):
        path = f".contained[{position}]"
        meta = inner.get("meta", {})
        if "contained" in inner:
            yield Breach(key="dom-2", text="a contained resource contains nothing (dom-2)", path=path)
        if isinstance(meta, dict) and {"versionId", "lastUpdated"} & meta.keys():
            yield Breach(key="dom-4", text="a contained resource has no version of its own (dom-4)", path=path)
        if isinstance(meta, dict) and "security" in meta:
            yield Breach(key="dom-5", text="a contained resource has no labels of its own (dom-5)", path=path)
        if f"#{inner.get('id', '')}" not in names and "#" not in set(_local_names(inner)):
            yield Breach(
                key="dom-3", text="a contained resource that nothing in its resource refers to (dom-3)", path=path
            )


def _local_names(value: Any) -> Iterator[str]:
    """Give every text that begins with `#`: references, and canonical urls that name something contained."""
    if isinstance(value, str):
        if value.startswith("#"):
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _local_names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _local_names(item)
