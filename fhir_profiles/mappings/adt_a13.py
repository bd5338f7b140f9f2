"""ADT^A13, discharge cancelled: the stay goes on. It must never end or supply anything; the line sends corrections because of it."""

from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import encounter, happened, period
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.movements import known_to_go_on
from fhir_profiles.shapes import Channel, Event, Translation


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A13. Never raises; bytes that cannot be read are held. A discharge time that it repeats is not carried."""
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
    add_details(reading, hold)
    visit = reading.first("PV1")
    if visit is not None:
        for number in (36, 37, 45):
            visit.residual(number, 0, reason="about the discharge that this message cancels")
    occurred = happened(reading, None)
    known_to_go_on(stay, occurred)
    return reading.finish((Event.RELEASE_CANCELLED,), occurred=occurred, hold=hold)
