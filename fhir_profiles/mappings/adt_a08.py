"""ADT^A08, an update: what is known of the person and the stay. It must never begin or end a stay.

Nobody says with an update how the stay stands: its status is `unknown` unless there is a discharge time, and the person's file keeps what
it knew (gateway/journeys/file.py).
"""

from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import encounter, happened, period
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A08. Never raises; bytes that cannot be read are held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = encounter(reading, status="unknown")
    bounds = period(reading, with_end=True)
    if bounds:
        stay["period"] = bounds
    if "end" in bounds:
        stay["status"] = "finished"
    reading.resources.append(stay)
    add_details(reading, hold)
    return reading.finish((Event.RECORD,), occurred=happened(reading, None), hold=hold)
