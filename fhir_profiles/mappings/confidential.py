"""ORC-28, how confidential an order is (HL7 table 0177), as labels of all that is made of the order. It must never lower a label, nor guess one."""

from collections.abc import Sequence
from typing import Final

from fhir_profiles import systems
from fhir_profiles.mappings.datatypes import coding
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.shapes import Json

_LABELS: Final = {
    "V": (systems.CONFIDENTIALITY, "V"),
    "R": (systems.CONFIDENTIALITY, "R"),
    "PSY": (systems.ACT_CODE, "PSY"),
    "AID": (systems.ACT_CODE, "HIV"),
    "HIV": (systems.ACT_CODE, "HIV"),
    "ETH": (systems.ACT_CODE, "ETH"),
}
"""The codes that ask for more care than usual. What the others say (an employee, a courtesy) keeps nothing back, and stays in the message."""


def labels_of(orc: Row | None, *, to: str) -> list[Json]:
    """Read ORC-28; `to` is the resource that carries it. Empty where it says nothing that keeps anything back."""
    written = orc.peek(28).upper() if orc is not None else ""
    if orc is None or written not in _LABELS:
        return []
    for component in (1, 2, 3):
        orc.text(28, component, to=f"{to}.meta.security")
    return [coding(*_LABELS[written])]


def labelled(resource: Json, labels: Sequence[Json]) -> Json:
    """Give the resource with these labels beside its own; the same where there are none."""
    if not labels:
        return resource
    meta = resource.get("meta", {})
    marked = {**meta, "security": [*meta.get("security", ()), *labels]}
    return {"resourceType": resource["resourceType"], "id": resource["id"], "meta": marked} | {
        key: value for key, value in resource.items() if key != "meta"
    }
