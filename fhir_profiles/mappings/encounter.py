"""PV1 and EVN as a UK Core Encounter: one stay in custody. It must never say what a departure means for the line; `adt_a03` does.

The stay is named by the visit number (PV1-19), else by the establishment: a later message about the stay supersedes the earlier one.
"""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import is_before
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.datatypes import coding, concept, practitioner, slug
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json

PROFILE: Final = systems.UK_CORE + "UKCore-Encounter"
_CLASSES: Final = {
    "I": ("IMP", "inpatient encounter"),
    "O": ("AMB", "ambulatory"),
    "E": ("EMER", "emergency"),
    "P": ("PRENC", "pre-admission"),
}


def encounter(reading: Reading, *, status: str) -> Json:
    """Make the Encounter of the message's PV1 and EVN, with `status` (in-progress, finished)."""
    row = reading.first("PV1")
    visit = row.peek(19) if row is not None else ""
    parts = (reading.sender, "visit", visit) if visit else (reading.sender, "stay", reading.establishment or "")
    resource: Json = {
        "resourceType": "Encounter",
        "id": stable_id("Encounter", *parts),
        "meta": {"profile": [PROFILE]},
        "status": status,
        "subject": {"reference": PATIENT_REFERENCE},
    }
    if reading.establishment is not None:
        identifier = {"system": systems.AGENCY, "value": reading.establishment}
        resource["serviceProvider"] = {"type": "Organization", "identifier": identifier}
    if row is None:
        resource["class"] = coding(systems.DATA_ABSENT, "unknown")
        return resource
    row.residual(1, 0, reason="sequence number of the segment")
    resource["class"] = _class(row)
    _visit_number(row, resource)
    _place(row, resource)
    service = concept(row, 10, to="Encounter.serviceType")
    if service is not None:
        resource["serviceType"] = service
    attending = practitioner(row, 7, to="Encounter.participant.individual")
    if attending is not None:
        role = coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "ATND")
        resource["participant"] = [{"type": [{"coding": [role]}], "individual": attending}]
    kind = concept(row, 4, to="Encounter.type")
    if kind is not None:
        resource["type"] = [kind]
    source = concept(row, 14, to="Encounter.hospitalization.admitSource")
    if source is not None:
        resource["hospitalization"] = {"admitSource": source}
    return resource


def named_stay(reading: Reading, *, to: str) -> Json | None:
    """Give a Reference by visit number, for messages that name a stay and must not restate it; `to` is the resource that refers to it."""
    row = reading.first("PV1")
    if row is None:
        return None
    row.residual(1, 0, reason="sequence number of the segment")
    row.leave("about the stay: an admission or a discharge message carries it")
    if reading.establishment is not None and row.peek(3, 4) == reading.establishment:
        row.text(3, 4, to=f"{to}.extension")
    value = row.text(19, to=f"{to}.encounter.identifier")
    if not value:
        return None
    authority = row.text(19, 4, to=f"{to}.encounter.identifier")
    return {"type": "Encounter", "identifier": {"system": _visit_system(authority), "value": value}}


def _visit_system(authority: str) -> str:
    return systems.LOCAL_ID + "visit" + (f"/{slug(authority)}" if authority else "")


def _class(row: Row) -> Json:
    written = row.text(2, to="Encounter.class").upper()
    known = _CLASSES.get(written)
    if known is not None:
        return coding(systems.ACT_CODE, *known)
    if written:
        return coding(systems.V2_TABLE + "0004", written)
    return coding(systems.DATA_ABSENT, "unknown")


def _visit_number(row: Row, resource: Json) -> None:
    value = row.text(19, to="Encounter.identifier.value")
    if value:
        authority = row.text(19, 4, to="Encounter.identifier.system")
        kind = row.text(19, 5, to="Encounter.identifier.type")
        typed: Json = {"type": {"coding": [coding(systems.V2_TABLE + "0203", kind)]}} if kind else {}
        resource["identifier"] = [{**typed, "system": _visit_system(authority), "value": value}]


def _place(row: Row, resource: Json) -> None:
    """Read PV1-3 (building, floor, wing, room, bed) as the display of a Location, and note where the establishment was read."""
    facility = row.text(3, 4, to="Encounter.serviceProvider")
    provider = resource.get("serviceProvider")
    if facility and (provider is None or provider["identifier"]["value"] != facility):
        resource["serviceProvider"] = (provider or {"type": "Organization"}) | {"display": facility}
    here = location(row, 3)
    if here is not None:
        resource["location"] = [here]


def location(row: Row, number: int) -> Json | None:
    """Read a PL as an Encounter.location: where inside the establishment, as a person would say it."""
    to = "Encounter.location.location.display"
    parts = [row.text(number, position, to=to) for position in (7, 8, 1, 2, 3, 9)]
    display = ", ".join(part for part in parts if part)
    if not display:
        return None
    kind = row.text(number, 6, to="Encounter.location.physicalType")
    found: Json = {"location": {"display": display}}
    return found | ({"physicalType": {"text": kind}} if kind else {})


def period(reading: Reading, *, with_end: bool) -> Json:
    """Read PV1-44 and PV1-45. An end before its start is left out, with an issue: a wrong clock must not hold a release."""
    row = reading.first("PV1")
    if row is None:
        return {}
    result: Json = {}
    start = reading.date_time(row, 44, to="Encounter.period.start")
    if start is not None:
        result["start"] = start
    end = reading.date_time(row, 45, to="Encounter.period.end") if with_end else None
    if end is not None and start is not None and is_before(end, start):
        row.unsupported(45, reason="the end lies before the start")
        reading.warn("PV1-45", "the discharge lies before the admission, and was left out of the period")
    elif end is not None:
        result["end"] = end
    return result


def happened(reading: Reading, moment: str | None) -> str | None:
    """Say when the event took place: the visit's own time, else EVN-6 (occurred), else EVN-2 (recorded)."""
    event = reading.first("EVN")
    if event is None:
        return moment
    event.text(1, to="Translation.events")
    reading.recorded_by = practitioner(event, 5, to="Provenance.agent.who")
    event.leave("about the recording of the event: kept in the original message")
    occurred = reading.date_time(event, 6, to="Translation.occurred")
    recorded = reading.date_time(event, 2, to="Translation.occurred")
    event.text(7, to="Translation.establishment")
    return moment or occurred or recorded
