"""ADT^A22, back from leave of absence: the stay goes on. It must never pass for a reception: nothing begins anew."""

from fhir_profiles.mappings.stay_message import about_stay
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A22. Never raises; bytes that cannot be read are held."""
    return about_stay(channel, body, event=Event.RECORD, status="in-progress", with_end=False)
