"""Source messages: one module a kind, and the table that finds it. A mapping must never decide about permission, nor raise."""

from collections.abc import Callable, Mapping
from typing import Final

from fhir_profiles.mappings import (
    adt_a01,
    adt_a02,
    adt_a03,
    adt_a04,
    adt_a08,
    adt_a11,
    adt_a13,
    adt_a40,
    fhir_message,
    fhir_response,
    omp_o09,
    oru_r01,
    ras_o17,
    rde_o11,
)
from fhir_profiles.shapes import Channel, Translation

MAPPINGS: Final[Mapping[str, Callable[[Channel, bytes], Translation]]] = {
    "ADT^A01": adt_a01.translate,
    "ADT^A02": adt_a02.translate,
    "ADT^A03": adt_a03.translate,
    "ADT^A04": adt_a04.translate,
    "ADT^A08": adt_a08.translate,
    "ADT^A11": adt_a11.translate,
    "ADT^A13": adt_a13.translate,
    "ADT^A40": adt_a40.translate,
    "OMP^O09": omp_o09.translate,
    "ORU^R01": oru_r01.translate,
    "RAS^O17": ras_o17.translate,
    "RDE^O01": rde_o11.translate,
    "RDE^O11": rde_o11.translate,
    "fhir-bundle": fhir_message.translate,
    "fhir-message": fhir_message.translate,
    "fhir-resource": fhir_message.translate,
    "fhir-response": fhir_response.translate,
}
"""Message kind -> mapping."""
