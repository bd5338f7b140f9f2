"""ADT^A03, discharge: what PV1-36 makes of it. Only a release is a release; `MRG` (a merge of records) never is.

It must never take silence for anything but a possible release: an empty or unknown value is RELEASE_UNCLEAR, so that the handover leaves,
provisional, and a person is asked.
"""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.datatypes import code_system, coding
from fhir_profiles.mappings.encounter import encounter, happened, period
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.shapes import Channel, Event, Json, Translation
from fhir_profiles.terminology import Disposition, disposition, disposition_display
from fhir_profiles.v2_identity import agency

EVENTS: Final = {
    Disposition.RELEASE: Event.RELEASE,
    Disposition.TRANSFER: Event.TRANSFER,
    Disposition.COURT: Event.COURT,
    Disposition.TEMPORARY_ABSENCE: Event.TEMPORARY_ABSENCE,
    Disposition.ESCAPE: Event.ESCAPE,
    Disposition.DEATH: Event.DEATH,
    Disposition.MERGE: Event.MERGE,
    Disposition.UNCLEAR: Event.RELEASE_UNCLEAR,
}
_TASKS: Final = {Disposition.UNCLEAR: Event.RELEASE_UNCLEAR.value, Disposition.MERGE: "discharge-by-merge"}


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A03. Never raises; bytes that cannot be read are held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = encounter(reading, status="finished")
    bounds = period(reading, with_end=True)
    if bounds:
        stay["period"] = bounds
    meaning = _read_disposition(reading, stay)
    reading.resources.append(stay)
    add_details(reading, hold)
    if meaning in _TASKS:
        reading.task(_TASKS[meaning])
    occurred = happened(reading, bounds.get("end"))
    row = reading.first("PV1")
    going = agency(row.peek(37)) if row is not None and meaning is Disposition.TRANSFER else None
    return reading.finish((EVENTS[meaning],), occurred=occurred, hold=hold, destination=going)


def _read_disposition(reading: Reading, stay: Json) -> Disposition:
    """Read PV1-36 by the channel's table; the Encounter keeps the source's code beside our word for it."""
    row = reading.first("PV1")
    written = row.peek(36) if row is not None else ""
    meaning = disposition(written, reading.channel.dispositions)
    if row is not None and written:
        if meaning is Disposition.UNCLEAR:
            reading.warn("PV1-36", "no table knows this discharge disposition", code="code-invalid")
        hospitalization = stay.setdefault("hospitalization", {})
        hospitalization["dischargeDisposition"] = _concept(row, written, meaning)
    place = _destination(row) if row is not None else ""
    if place:
        stay.setdefault("hospitalization", {})["destination"] = {"display": place}
    return meaning


def _destination(row: Row) -> str:
    """Read PV1-37, a DLD: its second component is a date, and the name of the place stands in the first, beside its code."""
    to = "Encounter.hospitalization.destination.display"
    name = row.text(37, 1, 1, 2, to=to)
    if not name and row.peek(37, 2) and row.moment(37, 2) is None:
        name = row.text(37, 2, to=to)  # senders write a code and its name
    return name or row.text(37, to=to)


def _concept(row: Row, written: str, meaning: Disposition) -> Json:
    to = "Encounter.hospitalization.dischargeDisposition"
    row.text(36, to=f"{to}.coding.code")
    display = row.text(36, 2, to=f"{to}.coding.display") or disposition_display(written)
    named = row.text(36, 3, to=f"{to}.coding.system")
    source = code_system(named) or (
        systems.LOCAL_CODE + "nomis-movement-reason" if disposition_display(written) else systems.V2_TABLE + "0112"
    )
    codings = [coding(source, written, display), coding(systems.DISPOSITION, meaning.value)]
    return {"coding": codings, "text": display or written}
