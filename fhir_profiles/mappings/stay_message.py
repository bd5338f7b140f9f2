"""What an ADT message about a stay has in common, whatever its event: the Patient, the Encounter, and the details beside it.

It must never say what a message means for the line: each event's own module does.
"""

from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import encounter, happened, period
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import open_message
from fhir_profiles.movements import known_to_go_on
from fhir_profiles.shapes import Channel, Event, Translation


def about_stay(
    channel: Channel, body: bytes, *, event: Event, status: str, with_end: bool = True, begins: bool = False
) -> Translation:
    """Translate one ADT about a stay. Never raises; bytes that cannot be read are held.

    `status` is that of the Encounter; `unknown` where the message does not say how the stay stands, unless it states a discharge time.
    `with_end`: whether PV1-45 is read. `begins`: the event took place when the stay began (PV1-44).
    """
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = encounter(reading, status=status)
    bounds = period(reading, with_end=with_end, planned=True)
    if bounds:
        stay["period"] = bounds
    if status == "unknown" and "end" in bounds:
        stay["status"] = "finished"
    reading.resources.append(stay)
    add_details(reading, hold)
    occurred = happened(reading, bounds.get("start") if begins else None)
    known_to_go_on(stay, occurred)
    return reading.finish((event,), occurred=occurred, hold=hold)
