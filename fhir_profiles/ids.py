"""Resource ids that are the same for the same thing from the same sender. It must never use a person's identifier or a random number.

A later message about the same order or result gets the same id, and so supersedes the earlier version in the person's file.
These ids never leave: what leaves carries keyed ids of the gate (DESIGN section 4).
"""

import hashlib
from typing import Final

PATIENT_ID: Final = "patient"
"""Every translated bundle has exactly one Patient, and this is its id: references are `Patient/patient`."""
PATIENT_REFERENCE: Final = "Patient/patient"


def stable_id(kind: str, *parts: str) -> str:
    """Give the 32 hex digits that name one thing: SHA-256 over `kind` and `parts`, each with its length, so that no two lists collide.

    `parts` are the sender and its business identifiers (filler or placer number, OBX-1, the sender's own FHIR id).
    """
    text = "".join([f"{len(part)}:{part}" for part in (kind, *parts)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def reference(resource_type: str, resource_id: str) -> str:
    """Give `Type/id`, the only form of reference inside a translated bundle."""
    return f"{resource_type}/{resource_id}"
