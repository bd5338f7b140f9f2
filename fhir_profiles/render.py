"""Render: a minimised letter and its heading to the bytes of a wire. Pure and deterministic: the same inputs give the same bytes.

It must never be given a letter that has not been through the gate: its only caller is `gateway.steps.release`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from fhir_profiles.shapes import Heading, Json, Rendered
from fhir_profiles.wires import fhir_collection, fhir_document, fhir_message, hl7v2, pdf

_WIRES: Final[Mapping[str, Callable[[Json, Heading], Rendered]]] = {
    "fhir-collection": fhir_collection.render,
    "fhir-document": fhir_document.render,
    "fhir-message": fhir_message.render,
    "hl7v2": hl7v2.render_document,
    "hl7v2-oru": hl7v2.render_results,
    "pdf": pdf.render,
}
WIRES: Final = frozenset(_WIRES)


def render(bundle: Json, wire: str, heading: Heading) -> Rendered:
    """Write a letter for a wire. Raises ValueError when there is no such wire, or the wire cannot carry this letter."""
    write = _WIRES.get(wire)
    if write is None:
        raise ValueError(f"there is no wire named {wire}")
    return write(bundle, heading)
