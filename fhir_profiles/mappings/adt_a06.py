"""ADT^A06, an outpatient becomes an inpatient: a reception where the class and the place say so, as for ADT^A04. It must never guess."""

from fhir_profiles.mappings.adt_a04 import translate as translate_registration
from fhir_profiles.shapes import Channel, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A06. Never raises; bytes that cannot be read are held."""
    return translate_registration(channel, body)
