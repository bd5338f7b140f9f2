"""A reply to one of our messages (kind `fhir-response`): it says what became of a delivery and joins nobody's file.

What it says is read by `fhir_profiles/replies.py`; here every leaf of it is accounted for.
"""

from typing import Final

from fhir_profiles.fhir_json import FhirJsonError, decode
from fhir_profiles.mappings.fhir_carry import field, leaves
from fhir_profiles.shapes import Channel, Fate, Translation
from fhir_profiles.validate import validate

_REPLY: Final = "a reply: it says what became of a letter, and is kept as the message that it is"


def translate(channel: Channel, body: bytes) -> Translation:
    """Give a Translation without resources. Never raises."""
    del channel
    empty = {"resourceType": "Bundle", "type": "collection"}
    try:
        bundle = decode(body)
    except FhirJsonError:
        return Translation(bundle=empty, events=(), persons=(), fields=())
    fields = tuple(field(place, Fate.RESIDUAL, "", _REPLY) for place in leaves(bundle, "Bundle"))
    return Translation(bundle=empty, events=(), persons=(), fields=fields, issues=validate(bundle))
