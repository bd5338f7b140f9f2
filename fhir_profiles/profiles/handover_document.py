"""Profile handover-document: the document Bundle of a handover, whole in itself (derived from UK Core Bundle)."""

from collections.abc import Iterator
from typing import Final

from fhir_profiles.elements import as_object, as_objects, as_text, kind, literal_references
from fhir_profiles.profiles.checking.spec import Fault, Profile
from fhir_profiles.shapes import Json


def build(*, head: Json, timestamp: str, entries: list[Json]) -> Json:
    """Write the document. `head` has its id, what the gate says of it (meta) and its identifier; the first entry is the Composition."""
    return {
        **head,
        "type": "document",
        "timestamp": timestamp,
        "entry": entries,
    }


def _rules(bundle: Json) -> Iterator[Fault]:
    entries = as_objects(bundle.get("entry"))
    if not entries or kind(as_object(entries[0].get("resource"))) != "Composition":
        yield "Bundle.entry[0]", "a document begins with its Composition"
    urls = {as_text(entry.get("fullUrl")) for entry in entries}
    if len(urls) != len(entries):
        yield "Bundle.entry", "two entries have one fullUrl"
    for number, entry in enumerate(entries):
        if any(not r.startswith("#") and r not in urls for r in literal_references(entry.get("resource"))):
            yield f"Bundle.entry[{number}]", "a reference leads out of the document"


PROFILE: Final = Profile(name="handover-document", resource_type="Bundle", rules=_rules)
