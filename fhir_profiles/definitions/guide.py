"""The ImplementationGuide resource: which definition is which, and the example of every letter. Made from what is registered and from nothing else."""

from collections.abc import Iterable, Iterator
from typing import Final

from fhir_profiles.elements import as_objects, kind
from fhir_profiles.examples import EXAMPLES, example
from fhir_profiles.profiles import PROFILES
from fhir_profiles.shapes import Json

GUIDE: Final = "https://throughgate.example/ImplementationGuide/throughgate"


def profiles_of(bundle: Json) -> tuple[str, ...]:
    """Give the names of the profiles that a Bundle and what is in it claim, each once."""
    held = (bundle, *(entry["resource"] for entry in as_objects(bundle.get("entry"))))
    return tuple(dict.fromkeys(PROFILES[url].name for each in held for url in each.get("meta", {}).get("profile", ())))


def _examples() -> Iterator[Json]:
    for name in EXAMPLES:
        bundle = example(name)
        yield {
            "reference": {"reference": f"Bundle/{name}"},
            "name": f"Example of the letter {name.removeprefix('example-')}",
            "description": f"About nobody: a synthetic person. Keeps: {', '.join(profiles_of(bundle))}.",
            **({"exampleCanonical": url} if (url := _own(bundle)) else {"exampleBoolean": True}),
        }


def _own(bundle: Json) -> str:
    return next(iter(bundle.get("meta", {}).get("profile", ())), "")


def guide(definitions: Iterable[Json]) -> Json:
    """Give the ImplementationGuide of these definitions and of every example (http://hl7.org/fhir/R4/implementationguide.html)."""
    listed = [
        {"reference": {"reference": f"{kind(each)}/{each['id']}"}, "name": each["title"], "exampleBoolean": False}
        for each in definitions
    ]
    return {
        "resourceType": "ImplementationGuide",
        "id": "throughgate",
        "url": GUIDE,
        "version": "0.1.0",
        "name": "Throughgate",
        "title": "Throughgate",
        "status": "draft",
        "experimental": True,
        "date": "2026-01-15",
        "publisher": "Throughgate",
        "description": "What Throughgate speaks in FHIR: profiles, extensions, messages and operations, and an example of every letter.",
        "packageId": "example.throughgate",
        "fhirVersion": ["4.0.1"],
        "definition": {"resource": [*listed, *_examples()]},
    }
