"""SPM, or OBR-15 of older messages, as a Specimen: what was tested and when it was taken. It must never guess a time of collection."""

from fhir_profiles.ids import PATIENT_REFERENCE, reference, stable_id
from fhir_profiles.mappings.datatypes import concept
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json


def specimen_of(reading: Reading, rows: list[Row], obr: Row, order: tuple[str, ...]) -> tuple[str | None, Json | None]:
    """Give when the first specimen was taken, and a Reference to it. Further specimens of the order stay in the original message."""
    if not rows:
        return None, _of_order(obr)
    row = rows[0]
    row.residual(1, 0, reason="sequence number of the segment")
    for other in rows[1:]:
        other.leave("a further specimen of the order")
    number = row.text(2, 2, to="Specimen.id") or row.text(2, 1, to="Specimen.id")
    parts = (reading.sender, number) if number else (reading.sender, *order)
    resource: Json = {
        "resourceType": "Specimen",
        "id": stable_id("Specimen", *parts),
    }
    kind = concept(row, 4, to="Specimen.type")
    if kind is not None:
        resource["type"] = kind
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    received = reading.date_time(row, 18, to="Specimen.receivedTime")
    if received is not None:
        resource["receivedTime"] = received
    collected = reading.date_time(row, 17, to="Specimen.collection.collectedDateTime")
    collection: Json = {} if collected is None else {"collectedDateTime": collected}
    method = concept(row, 7, to="Specimen.collection.method")
    if method is not None:
        collection["method"] = method
    if collection:
        resource["collection"] = collection
    reading.resources.append(resource)
    target: Json = {"reference": reference("Specimen", resource["id"])}
    return collected, target | ({"display": kind["text"]} if kind is not None else {})


def _of_order(obr: Row) -> Json | None:
    """Read the specimen's source of OBR-15, whose first component is a code with subcomponents."""
    display = obr.text(15, 1, 1, 2, to="Observation.specimen.display")
    written = obr.text(15, 1, 1, 1, to="Observation.specimen.display")
    text = display or written or obr.text(15, 2, to="Observation.specimen.display")
    return {"display": text} if text else None
