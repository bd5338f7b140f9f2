"""The labels of what a letter itself adds. What came from the file keeps the labels that it has."""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.shapes import Json

RESTRICTED: Final[Json] = {
    "security": [
        {"system": systems.CONFIDENTIALITY, "code": "R"},
        {"system": systems.ACT_CODE, "code": "SUD"},
    ]
}
"""The letter says by its existence that a person is known to a substance misuse service."""
CONFIDENTIAL: Final[Json] = {"security": [{"system": systems.CONFIDENTIALITY, "code": "R"}]}
"""The letter is about a person in custody and says nothing of what for."""
NORMAL: Final[Json] = {"security": [{"system": systems.CONFIDENTIALITY, "code": "N"}]}
