"""ADT^A44 and ADT^A45, a booking or a visit that moves from one record to another. It must never move anything: a person does, at both records.

What moved with it (prescriptions, results, letters that left) does not say to which booking it belonged, so no rule can move it safely. The
message names both records and is held: a handover of either says that a message about the person waits.
"""

from typing import Final

from fhir_profiles.mappings.encounter import happened
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.shapes import Channel, Hold, HoldCode, PersonIdentifier, Translation
from fhir_profiles.v2_identity import identifiers_in

_MOVES: Final = Hold(
    code=HoldCode.TWO_PEOPLE,
    path="MRG-1",
    text="a booking or a visit moves from one record to another: nothing was moved; look at both records",
)


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A44 or ADT^A45: the Patient who keeps the booking, and the numbers of the other record. Never raises; always held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    add_patient(reading)
    others: dict[tuple[str, str], PersonIdentifier] = {}
    for row in reading.rows("MRG"):
        row.leave_by("one-person")
        for identifier in identifiers_in(reading.message, row.segment, 1):
            others.setdefault((identifier.system, identifier.value), identifier)
        row.mapped_field(1, to="Translation.absorbed")
    for row in (*reading.rows("PV1"), *reading.rows("PV2")):
        row.leave_by("one-person")
    hold = identity_hold(reading) or _MOVES
    return reading.finish((), occurred=happened(reading, None), hold=hold, absorbed=tuple(others.values()))
