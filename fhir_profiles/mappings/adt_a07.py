"""ADT^A07, an inpatient becomes an outpatient. It must never pass for a release: whoever leaves custody is discharged (ADT^A03).

In a prison it means that a person left the healthcare wing, or that a sender corrects a class: the stay goes on, whatever PV1-45 says.
"""

from fhir_profiles.mappings.stay_message import about_stay
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A07. Never raises; bytes that cannot be read are held."""
    return about_stay(channel, body, event=Event.RECORD, status="unknown", with_end=False)
