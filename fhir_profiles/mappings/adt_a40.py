"""ADT^A40, merge of two records: held for a person until merges are built. It must never move one person's data to another."""

from typing import Final

from fhir_profiles.mappings.encounter import happened
from fhir_profiles.mappings.person import add_patient
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.shapes import Channel, Event, Hold, HoldCode, Translation

_HOLD: Final = Hold(
    code=HoldCode.MERGE_WAITS, path="MRG-1", text="a merge of two records waits for a person; nothing was moved"
)


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A40: the surviving Patient alone, always held. Never raises."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    add_patient(reading)
    for row in reading.rows("MRG"):
        row.leave("a merge waits for a person")
    return reading.finish((Event.MERGE,), occurred=happened(reading, None), hold=_HOLD)
