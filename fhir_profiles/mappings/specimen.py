"""SPM, or OBR-15 of older messages, as a Specimen: what was tested and when it was taken. It must never guess a time of collection."""

from collections.abc import Sequence
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import is_before
from fhir_profiles.ids import PATIENT_REFERENCE, reference, stable_id
from fhir_profiles.mappings.confidential import labelled
from fhir_profiles.mappings.datatypes import (
    coding,
    concept,
    number_of,
    practitioner,
    rest_of_identifier,
    slug,
    unit,
    universal_id,
)
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json

_TO: Final = "Specimen"
_STATUSES: Final = {"Y": "available", "N": "unavailable"}
"""SPM-20, HL7 table 0136."""


def specimen_of(
    reading: Reading, rows: list[Row], obr: Row, order: tuple[str, ...], labels: Sequence[Json]
) -> tuple[str | None, Json | None]:
    """Give when the first specimen was taken, and a Reference to it. Further specimens of the order stay in the original message.

    `labels` are those of the order.
    """
    if not rows:
        return None, _of_order(obr)
    row = rows[0]
    row.residual(1, 0, reason="sequence number of the segment")
    for other in rows[1:]:
        other.leave("a further specimen of the order")
    number = row.peek(2, 2) or row.peek(2, 1)
    parts = (reading.sender, number) if number else (reading.sender, *order)
    resource: Json = {"resourceType": _TO, "id": stable_id(_TO, *parts)}
    _identifiers(row, resource)
    status = _STATUSES.get(row.text(20, to=f"{_TO}.status").upper())
    if status is not None:
        resource["status"] = status
    kind = concept(row, 4, to=f"{_TO}.type")
    if kind is not None:
        resource["type"] = kind
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    received = reading.date_time(row, 18, to=f"{_TO}.receivedTime") or reading.date_time(
        obr, 14, to=f"{_TO}.receivedTime"
    )
    if received is not None:
        resource["receivedTime"] = received
    collected, collection = _collection(reading, row, obr)
    if collection:
        resource["collection"] = collection
    _handling(row, resource)
    reading.resources.append(labelled(resource, labels))
    target: Json = {"reference": reference(_TO, resource["id"])}
    return collected, target | ({"display": kind["text"]} if kind is not None else {})


def _identifiers(row: Row, resource: Json) -> None:
    """Read the placer's and the filler's number (SPM-2), the accession number (SPM-30), others (SPM-31, SPM-32), and the parent's (SPM-3)."""
    found = _pair(row, 2, to=f"{_TO}.identifier")
    other = _cx(row, 31, to=f"{_TO}.identifier")
    found += [other] if other is not None else []
    shipment = row.text(32, to=f"{_TO}.identifier.value")
    if shipment:
        named = row.text(32, 2, to=f"{_TO}.identifier.system")
        found.append({"system": systems.LOCAL_ID + slug(named or "shipment"), "value": shipment})
    if found:
        resource["identifier"] = found
    accession = _cx(row, 30, to=f"{_TO}.accessionIdentifier")
    if accession is not None:
        resource["accessionIdentifier"] = accession
    parents = _pair(row, 3, to=f"{_TO}.parent.identifier")
    if parents:
        resource["parent"] = [{"type": _TO, "identifier": each} for each in parents]


def _pair(row: Row, number: int, *, to: str) -> list[Json]:
    """Read an EIP: the number of who placed the order (PLAC) and of the laboratory (FILL)."""
    found = []
    for position, kind in ((1, "PLAC"), (2, "FILL")):
        value = row.text(number, position, 1, 1, to=f"{to}.value")
        if value:
            namespace = row.text(number, position, 1, 2, to=f"{to}.system")
            universal = row.text(number, position, 1, 3, to=f"{to}.assigner")
            kind_of_id = row.text(number, position, 1, 4, to=f"{to}.assigner") if universal else ""
            found.append(
                {
                    "type": {"coding": [coding(systems.V2_TABLE + "0203", kind)]},
                    "system": systems.LOCAL_ID + "specimen" + (f"/{slug(namespace)}" if namespace else ""),
                    "value": value,
                    **({"assigner": universal_id(universal, kind_of_id)} if universal else {}),
                }
            )
    return found


def _cx(row: Row, number: int, *, to: str) -> Json | None:
    value = row.text(number, to=f"{to}.value")
    if not value:
        return None
    authority = row.text(number, 4, to=f"{to}.system")
    kind = row.text(number, 5, to=f"{to}.type")
    typed: Json = {"type": {"coding": [coding(systems.V2_TABLE + "0203", kind)]}} if kind else {}
    rest = rest_of_identifier(row, number, 1, to=to)
    return {**rest, **typed, "system": systems.LOCAL_ID + slug(authority or "specimen"), "value": value}


def _collection(reading: Reading, row: Row, obr: Row) -> tuple[str | None, Json]:
    """Read when (a moment, or a period where SPM-17 has an end), how, from where, how much, and by whom it was taken."""
    to = f"{_TO}.collection"
    collection: Json = {}
    collector = practitioner(obr, 10, to=f"{to}.collector") if obr.has(10) else None
    if collector is not None:
        collection["collector"] = collector
    begun = reading.date_time(row, 17, to=f"{to}.collected[x]")
    ended = reading.date_time(row, 17, 2, to=f"{to}.collected[x]") if begun is not None else None
    if begun is not None and ended is not None and not is_before(ended, begun):
        collection["collectedPeriod"] = {"start": begun, "end": ended}
    elif begun is not None:
        collection["collectedDateTime"] = begun
        if ended is not None:
            row.unsupported(17, 2, reason="the end lies before the start")
    amount = number_of(row.peek(12))
    if amount is not None:
        row.mapped(12, 1, to=f"{to}.quantity.value")
        written = row.text(12, 2, to=f"{to}.quantity.unit") or row.text(12, 2, 1, 2, to=f"{to}.quantity.unit")
        collection["quantity"] = {"value": amount, **unit(written)}
    for number, name in ((7, "method"), (8, "bodySite")):
        item = concept(row, number, to=f"{to}.{name}")
        if item is not None:
            collection[name] = item
    return begun, collection


def rejected(rows: Sequence[Row]) -> str:
    """Read why the laboratory would not test the first specimen (SPM-21), or that it is not there (SPM-20 N); empty where it says neither.

    INVARIANT: no letter holds a Specimen: a result of one that was rejected says so itself, or it is read as a negative.
    """
    if not rows:
        return ""
    row, to = rows[0], "Observation.interpretation.text"
    found = []
    for repetition in range(1, row.count(21) + 1):
        words = [row.text(21, component, repetition, to=to) for component in (2, 1, 9)]
        found += [next((word for word in words if word), "")]
    said = ", ".join(word for word in found if word)
    return said or ("not available" if row.peek(20).upper() == "N" else "")


def as_it_came(rows: Sequence[Row]) -> list[str]:
    """Give in words in which condition the first specimen was (SPM-24), and what was remarked of it (SPM-14)."""
    row = rows[0] if rows else None
    if row is None:
        return []
    repetitions = range(1, row.count(24) + 1)
    found = [row.peek(24, 2, each) or row.peek(24, 1, each) or row.peek(24, 9, each) for each in repetitions]
    return [f"specimen, as written: {words}" for words in (*found, row.peek(14)) if words]


def _handling(row: Row, resource: Json) -> None:
    """Read the container and what was added, the condition, and the remark."""
    kind = concept(row, 27, to=f"{_TO}.container.type")
    additive = concept(row, 6, to=f"{_TO}.container.additiveCodeableConcept")
    if kind is not None or additive is not None:
        added: Json = {"additiveCodeableConcept": additive} if additive is not None else {}
        resource["container"] = [{**({"type": kind} if kind is not None else {}), **added}]
    conditions = [
        item
        for repetition in range(1, row.count(24) + 1)
        if (item := concept(row, 24, repetition, to=f"{_TO}.condition")) is not None
    ]
    if conditions:
        resource["condition"] = conditions
    remark = row.text(14, to=f"{_TO}.note.text")
    if remark:
        resource["note"] = [{"text": remark}]


def _of_order(obr: Row) -> Json | None:
    """Read the specimen's source of OBR-15, whose first component is a code with subcomponents."""
    display = obr.text(15, 1, 1, 2, to="Observation.specimen.display")
    written = obr.text(15, 1, 1, 1, to="Observation.specimen.display")
    text = display or written or obr.text(15, 2, to="Observation.specimen.display")
    return {"display": text} if text else None
