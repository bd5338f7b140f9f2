"""ADT^A14, a reception that is expected. It must never pass for a reception.

A plan is no event: the status of the stay is `unknown`, so that a person who is here already does not stop being here, and the planned time
(PV2-8, PV2-9) is an extension of the Encounter.
"""

from fhir_profiles.mappings.stay_message import about_stay
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A14. Never raises; bytes that cannot be read are held."""
    return about_stay(channel, body, event=Event.RECORD, status="unknown", with_end=False)
