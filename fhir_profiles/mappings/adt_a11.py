"""ADT^A11, admission cancelled: the reception did not happen. It must never end care, a prescription or a plan: a person looks.

The stay is cancelled, nothing else: what was prescribed or planned in it stays as it is until whoever prescribed it ends it.
"""

from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import encounter, happened, period
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A11. Never raises; bytes that cannot be read are held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = encounter(reading, status="cancelled")
    bounds = period(reading, with_end=False)
    if bounds:
        stay["period"] = bounds
    reading.resources.append(stay)
    add_details(reading, hold)
    return reading.finish((Event.RECEPTION_CANCELLED,), occurred=happened(reading, None), hold=hold)
