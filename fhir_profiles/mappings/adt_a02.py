"""ADT^A02, a move inside the prison: the stay's new place. It must never pass for a transfer to another prison in silence.

Between two prisons senders say A03 and A01 (DESIGN section 6; HL7 v2.5.1 3.3.2). An A02 that names two establishments is taken for what it
then is, a transfer: the prison that was left hands over.
"""

from dataclasses import replace

from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import encounter, happened, period
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.movements import known_to_go_on
from fhir_profiles.shapes import Channel, Event, Translation
from fhir_profiles.v2_identity import agency


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A02. Never raises; bytes that cannot be read are held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = encounter(reading, status="in-progress")
    bounds = period(reading, with_end=False)
    if bounds:
        stay["period"] = bounds
    reading.resources.append(stay)
    event, left = Event.RECORD, None
    row = reading.first("PV1")
    if row is not None:
        before = agency(row.peek(6, 4))
        if before is not None and reading.establishment is not None and before != reading.establishment:
            left = before
            event = Event.TRANSFER
            reading.warn(
                "PV1-6", "a move between two prisons: senders say a discharge and an admission", code="business-rule"
            )
    add_details(reading, hold)
    occurred = happened(reading, None)
    known_to_go_on(stay, occurred)
    moved = reading.finish((event,), occurred=occurred, hold=hold)
    # A handover is written by the prison that was left, for the one where the person is now.
    return moved if left is None else replace(moved, establishment=left, destination=moved.establishment)
