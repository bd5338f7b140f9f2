"""The wire `fhir-collection`: a collection Bundle. It has no time of its own, and spaces at its end: a report must tell nothing by its length."""

from typing import Final

from fhir_profiles.fhir_json import encode
from fhir_profiles.profiles import claimed
from fhir_profiles.shapes import Heading, Json, Rendered
from fhir_profiles.wires.envelope import entries_of, head_of
from fhir_profiles.wires.narrative import narrated

CONTENT_TYPE: Final = "application/fhir+json"
LENGTH: Final = 8192
"""A body is as many bytes, or a multiple of it."""


def collection(bundle: Json, heading: Heading) -> Json:
    entries = list(narrated(entries_of(bundle, heading)))
    shell: Json = {**head_of(bundle, heading), "type": "collection"}
    return claimed({**shell, "entry": entries} if entries else shell)


def render(bundle: Json, heading: Heading) -> Rendered:
    # INVARIANT: whoever sees how much is sent, and not what, sees the same every month.
    body = encode(collection(bundle, heading))
    body = body.ljust(-len(body) // LENGTH * -LENGTH)
    return Rendered(content_type=CONTENT_TYPE, body=body, text=body)
