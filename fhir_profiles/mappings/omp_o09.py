"""OMP^O09, medicines ordered and not yet encoded by a pharmacy: a MedicationRequest for each RXO. It must never become a prescription itself.

The order has the id that a later RDE of the same placer number has, so that the encoded order supersedes the order.
"""

from typing import Final

from fhir_profiles.mappings.dosage import ABSENT, Places
from fhir_profiles.mappings.rde_o11 import translate_orders
from fhir_profiles.shapes import Channel, Translation

RXO: Final = Places(
    code=1,
    low=2,
    high=3,
    unit=4,
    instructions=7,
    substitution=9,
    amount=11,
    amount_unit=12,
    repeats=13,
    prescriber=14,
    number=ABSENT,
    notes=6,
    indication=20,
    original=ABSENT,
    pharmacy=32,
    timing=None,
    form=5,
    strength=18,
    volume=25,
    rate=21,
    per=17,
    daily=ABSENT,
)


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one OMP. Never raises; bytes that cannot be read are held. Orders after a second person's PID are not translated."""
    return translate_orders(channel, body, "RXO", RXO)
