"""What every profile states about itself."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources as package_files
from itertools import chain
from typing import Final, cast

from fhir_profiles.elements import as_text, kind
from fhir_profiles.profiles.checking.differential import Element, elements_of, faults, issue_of
from fhir_profiles.shapes import Issue, Json, Severity

CANONICAL: Final = "https://throughgate.example/StructureDefinition/"
Fault = tuple[str, str]
"""(place, sentence)."""


def no_rules(_resource: Json) -> Iterator[Fault]:
    """The differential says everything."""
    yield from ()


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One profile that we promise. `name` is the file's; `rules` is what the differential cannot say."""

    name: str
    resource_type: str
    rules: Callable[[Json], Iterator[Fault]] = no_rules

    @cached_property
    def url(self) -> str:
        return CANONICAL + self.name

    @cached_property
    def definition(self) -> Json:
        """The StructureDefinition that stands beside the module."""
        file = package_files.files("fhir_profiles.profiles").joinpath(f"{self.name.replace('-', '_')}.json")
        return cast("Json", json.loads(file.read_text("utf-8")))

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The elements of the differential, read once."""
        return elements_of(self.definition)

    def check(self, resource: Json) -> tuple[Issue, ...]:
        """Give what in a resource breaks this profile; nothing when it keeps it. That it is valid R4 is checked elsewhere."""
        if kind(resource) != self.resource_type:
            return (Issue(severity=Severity.ERROR, code="structure", path="resourceType", text="another type"),)
        return tuple(issue_of(*fault) for fault in chain(faults(resource, self.elements), self.rules(resource)))

    def kept_by(self, resource: Json) -> bool:
        """Say whether a resource keeps this profile; the first thing that breaks it ends the question."""
        if kind(resource) != self.resource_type:
            return False
        # The rules first: most ask at once of which letter it is, and a resource is asked about every profile of its type.
        return next(chain(self.rules(resource), faults(resource, self.elements)), None) is None

    def stated_type(self) -> str:
        return as_text(self.definition.get("type"))
