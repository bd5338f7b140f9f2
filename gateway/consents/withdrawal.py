"""Did the person withdraw? R4 Consent has no status reason, so `inactive` alone does not say who ended it.

It is the person's act when it is coded so, or when its source says so in the local extension. A lapse is not a dissent: taking it for
one would keep a handover back. Source: reference/consent.md 3.4 c; codes/consent-codes.csv.
"""

from collections.abc import Iterator

from fhir_profiles.shapes import Json
from fhir_profiles.systems import WITHDRAWN_EXTENSION

WITHDRAWN_CODES = frozenset({"XaNwU", "9NdJ."})
"""CTV3 and Read v2: consent withdrawn to share patient data with specified third party."""


def is_withdrawn_by_person(consent: Json) -> bool:
    """True for an `inactive` consent that says that the person withdrew it."""
    if consent.get("status") != "inactive":
        return False
    said = any(
        each.get("url") == WITHDRAWN_EXTENSION and each.get("valueBoolean") is True
        for each in consent.get("extension", [])
    )
    return said or any(coding.get("code") in WITHDRAWN_CODES for coding in _codings(consent))


def _codings(consent: Json) -> Iterator[Json]:
    for category in consent.get("category", []):
        yield from category.get("coding", [])
    for code in consent.get("provision", {}).get("code", []):
        yield from code.get("coding", [])
