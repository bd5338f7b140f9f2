"""ADT^A31, an update of a person. It must never say anything of a stay: a PV1 in it is there because the standard asks for one.

What the message does not say keeps its value in the person's file (gateway/journeys/file.py).
"""

from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import happened, leave_stay
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A31. Never raises; bytes that cannot be read are held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    leave_stay(reading)
    add_details(reading, hold)
    return reading.finish((Event.RECORD,), occurred=happened(reading, None), hold=hold)
