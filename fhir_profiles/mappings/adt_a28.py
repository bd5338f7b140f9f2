"""ADT^A28, a person is added: what ADT^A31 says of a person who may be new. It must never begin a stay."""

from fhir_profiles.mappings.adt_a31 import translate as translate_person
from fhir_profiles.shapes import Channel, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A28. Never raises; bytes that cannot be read are held."""
    return translate_person(channel, body)
