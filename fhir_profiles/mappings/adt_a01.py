"""ADT^A01, reception: the Patient and an Encounter in progress. It must never start anything that leaves; it joins the person's file."""

from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import encounter, happened, period
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A01. Never raises; bytes that cannot be read are held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = encounter(reading, status="in-progress")
    bounds = period(reading, with_end=True)
    if bounds:
        stay["period"] = bounds
    reading.resources.append(stay)
    add_details(reading, hold)
    occurred = happened(reading, bounds.get("start"))
    return reading.finish((Event.RECEPTION,), occurred=occurred, hold=hold)
