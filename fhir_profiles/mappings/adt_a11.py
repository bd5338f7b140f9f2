"""ADT^A11, admission cancelled: the reception did not happen. It must never end care, a prescription or a plan: a person looks.

The stay is cancelled, nothing else: what was prescribed or planned in it stays as it is until whoever prescribed it ends it.
"""

from fhir_profiles.mappings.stay_message import about_stay
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A11. Never raises; bytes that cannot be read are held."""
    return about_stay(channel, body, event=Event.RECEPTION_CANCELLED, status="cancelled", with_end=False)
