"""A concept as what it says in one value, so that the same words and codes are looked up once. It must never add to what a concept says.

A concept is a CodeableConcept, a Coding or a text.
"""

import json
from typing import Any

from fhir_profiles import fhir_json

Frozen = str | bytes
"""A text, or the JSON of a concept."""


def frozen(concept: Any) -> Frozen:
    """Give the concept as a value that can be looked up by."""
    if isinstance(concept, str):
        return concept
    try:
        return fhir_json.encode(concept)
    except fhir_json.FhirJsonError:  # half a character, which no JSON body can hold
        return json.dumps(concept, default=str).encode()


def thawed(concept: Frozen) -> Any:
    """Give back a concept that says the same."""
    return concept if isinstance(concept, str) else json.loads(concept)
