"""ADT^A04, registration: a reception only where the class and the place say so. It must never make a clinic visit a reception.

Custody is a stay: patient class I (inpatient) at a place of an establishment (PV1-3.4). Everything else, an outpatient registration, a
visit, no class at all, joins the person's file and nothing more.
"""

from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import encounter, happened, period
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.movements import known_to_go_on
from fhir_profiles.shapes import Channel, Event, Translation
from fhir_profiles.v2_identity import agency


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A04. Never raises; bytes that cannot be read are held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = encounter(reading, status="in-progress")
    bounds = period(reading, with_end=True, planned=True)
    if bounds:
        stay["period"] = bounds
    if "end" in bounds:
        stay["status"] = "finished"
    reading.resources.append(stay)
    add_details(reading, hold)
    event = Event.RECEPTION if _is_custody(reading) and "end" not in bounds else Event.RECORD
    occurred = happened(reading, bounds.get("start"))
    known_to_go_on(stay, occurred)
    return reading.finish((event,), occurred=occurred, hold=hold)


def _is_custody(reading: Reading) -> bool:
    row = reading.first("PV1")
    return row is not None and row.peek(2).upper() == "I" and agency(row.peek(3, 4)) is not None
