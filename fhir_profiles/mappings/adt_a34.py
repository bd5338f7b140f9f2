"""ADT^A34, merge of two records as HL7 v2.3 wrote it: what ADT^A40 says. It must never move anybody's data itself."""

from fhir_profiles.mappings.adt_a40 import translate as translate_merge
from fhir_profiles.shapes import Channel, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A34: the surviving Patient, and the identifiers that are given up. Never raises."""
    return translate_merge(channel, body)
