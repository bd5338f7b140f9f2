"""ADT^A01, reception: the Patient and an Encounter in progress. It must never start anything that leaves; it joins the person's file."""

from fhir_profiles.mappings.stay_message import about_stay
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A01. Never raises; bytes that cannot be read are held."""
    return about_stay(channel, body, event=Event.RECEPTION, status="in-progress", begins=True)
