"""The wire `fhir-document`: a document Bundle, the Composition first, its narrative made here (http://hl7.org/fhir/R4/documents.html)."""

from typing import Final

from fhir_profiles.fhir_json import encode
from fhir_profiles.profiles import claimed, handover_document
from fhir_profiles.shapes import Heading, Json, Rendered
from fhir_profiles.wires.envelope import entries_of, first_of, head_of
from fhir_profiles.wires.narrative import narrated

CONTENT_TYPE: Final = "application/fhir+json"


def document(bundle: Json, heading: Heading) -> Json:
    """Make the document. Raises ValueError when the letter has no Composition: such a letter has another wire."""
    entries = narrated(entries_of(bundle, heading))
    first = first_of(entries, "Composition")
    if first is None:
        raise ValueError("fhir-document: the letter has no Composition")
    return claimed(
        handover_document.build(
            head=head_of(bundle, heading),
            timestamp=heading.time,
            entries=[first, *(entry for entry in entries if entry is not first)],
        )
    )


def render(bundle: Json, heading: Heading) -> Rendered:
    body = encode(document(bundle, heading))
    return Rendered(content_type=CONTENT_TYPE, body=body, text=body)
