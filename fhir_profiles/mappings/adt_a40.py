"""ADT^A40, merge of two records: who stays (PID-3) and which numbers are given up (MRG-1). It must never move anybody's data itself.

The line moves it, in one transaction (gateway/steps/merge.py). What cannot be one merge of two people is held: several merges in one
message, a number given up that names nobody, two different NHS numbers.
"""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.mappings.adt_details import add_details
from fhir_profiles.mappings.encounter import happened
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.shapes import Channel, Event, Hold, HoldCode, PersonIdentifier, Translation
from fhir_profiles.v2_identity import identifiers_in

_SEVERAL: Final = Hold(
    code=HoldCode.MERGE_WAITS, path="MRG[2]-1", text="several merges in one message: send one message a merge"
)
_NOBODY: Final = Hold(
    code=HoldCode.MERGE_WAITS,
    path="MRG-1",
    text="the number that is given up is no valid NHS number or prison number: nothing was moved",
)
_TWO_NHS_NUMBERS: Final = Hold(
    code=HoldCode.IDENTITY_CONFLICT,
    path="MRG-1",
    text="the two records have different NHS numbers: a person says whether they are one person",
)


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ADT^A40: the surviving Patient, and the identifiers that are given up. Never raises."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    absorbed = _absorbed(reading)
    hold = identity_hold(reading) or _hold(reading, absorbed)
    add_patient(reading)
    add_details(reading, hold)
    return reading.finish((Event.MERGE,), occurred=happened(reading, None), hold=hold, absorbed=absorbed)


def _absorbed(reading: Reading) -> tuple[PersonIdentifier, ...]:
    """Read MRG-1 (and, as older senders write it, MRG-4): the numbers that are given up, each once."""
    rows = reading.rows("MRG")
    for other in rows[1:]:
        other.leave_by("one-person")
    if not rows:
        return ()
    found: dict[tuple[str, str], PersonIdentifier] = {}
    for number in (1, 4):
        for identifier in identifiers_in(reading.message, rows[0].segment, number):
            found.setdefault((identifier.system, identifier.value), identifier)
    for number in (1, 4):
        for repetition in range(1, rows[0].count(number) + 1):
            rows[0].mapped(number, 0, repetition, to="Translation.absorbed")
    rows[0].leave("about accounts and names of the record that is given up")
    staying = {(each.system, each.value) for each in reading.persons}
    return tuple(each for name, each in found.items() if name not in staying)


def _hold(reading: Reading, absorbed: tuple[PersonIdentifier, ...]) -> Hold | None:
    if len(reading.message.all("MRG")) > 1 or len(reading.message.all("PID")) > 1:
        return _SEVERAL
    if not any(each.valid for each in absorbed):
        return _NOBODY
    own = {each.value for each in reading.persons if each.system == systems.NHS_NUMBER and each.valid}
    given_up = {each.value for each in absorbed if each.system == systems.NHS_NUMBER and each.valid}
    return _TWO_NHS_NUMBERS if own and given_up else None
