"""Everything that says in FHIR what this product speaks: profiles, extensions, messages, operations and their guide.

Served read-only and rendered as docs/fhir.md. The messages are made from the registered letters, so that no letter lacks its definition. It must
never define what is not there.
"""

import json
from collections.abc import Iterator, Mapping
from importlib import resources as package_files
from types import MappingProxyType
from typing import Final, cast

from fhir_profiles.compose import LETTERS
from fhir_profiles.definitions.guide import guide
from fhir_profiles.definitions.messages import message_definition, response_definition
from fhir_profiles.elements import kind
from fhir_profiles.profiles import PROFILES
from fhir_profiles.shapes import Json


def _written() -> Iterator[Json]:
    """Give the definitions that stand in this folder as files."""
    for file in sorted(package_files.files(__name__).iterdir(), key=lambda each: each.name):
        if file.name.endswith(".json"):
            yield cast("Json", json.loads(file.read_text("utf-8")))


def _listed() -> Iterator[Json]:
    yield from (profile.definition for profile in PROFILES.values())
    yield from _written()
    yield from (message_definition(letter) for letter in LETTERS.values() if "fhir-message" in letter.wires)
    yield response_definition()


def _all() -> Iterator[Json]:
    yield from _listed()
    yield guide(_listed())


def _by_type() -> Mapping[str, Mapping[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for definition in _all():
        same_type = found.setdefault(kind(definition), {})
        if same_type.setdefault(definition["id"], definition) is not definition:
            raise ValueError(f"two definitions {kind(definition)}/{definition['id']}")
    return MappingProxyType({name: MappingProxyType(found[name]) for name in sorted(found)})


DEFINITIONS: Final = _by_type()
"""Resource type -> id -> definition. Raises ValueError at import where two have one id."""
