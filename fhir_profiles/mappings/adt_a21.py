"""ADT^A21, leave of absence: out for a time, and expected back. It must never pass for a release, and no handover leaves for it."""

from fhir_profiles.mappings.stay_message import about_stay
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A21. Never raises; bytes that cannot be read are held."""
    return about_stay(channel, body, event=Event.TEMPORARY_ABSENCE, status="onleave", with_end=False)
