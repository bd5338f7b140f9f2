"""ADT^A45, a visit that moves from one record to another: held like ADT^A44. It must never move anything."""

from fhir_profiles.mappings.adt_a44 import translate as translate_move
from fhir_profiles.shapes import Channel, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A45. Never raises; always held."""
    return translate_move(channel, body)
