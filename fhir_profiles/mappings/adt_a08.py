"""ADT^A08, an update: what is known of the person and the stay. It must never begin or end a stay.

Nobody says with an update how the stay stands: its status is `unknown` unless there is a discharge time, and the person's file keeps what
it knew (gateway/journeys/file.py).
"""

from fhir_profiles.mappings.stay_message import about_stay
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A08. Never raises; bytes that cannot be read are held."""
    return about_stay(channel, body, event=Event.RECORD, status="unknown")
