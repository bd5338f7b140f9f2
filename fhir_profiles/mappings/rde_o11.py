"""RDE^O11 (and RDE^O01 of older senders), prescriptions: a MedicationRequest for each order. It must never become a prescription itself."""

from typing import Final

from fhir_profiles.mappings import participation
from fhir_profiles.mappings.adt_details import add_observations, add_person_details
from fhir_profiles.mappings.confidential import Confidential, labelled
from fhir_profiles.mappings.dosage import Places
from fhir_profiles.mappings.encounter import named_stay
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.prescription import Group, request
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation

_ORDERED: Final = frozenset({"RXO", "RXR", "RXC"})
"""What stands before the RXE says the order as it was placed: its own message (OMP) carries it."""
RXE: Final = Places(
    code=2,
    low=3,
    high=4,
    unit=5,
    instructions=7,
    substitution=9,
    amount=10,
    amount_unit=11,
    repeats=12,
    prescriber=13,
    number=15,
    notes=21,
    indication=27,
    original=32,
    pharmacy=40,
    timing=1,
    form=6,
    strength=25,
    volume=33,
    rate=23,
    per=22,
    daily=19,
)


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one RDE. Never raises; bytes that cannot be read are held. Orders after a second person's PID are not translated."""
    return translate_orders(channel, body, "RXE", RXE)


def translate_orders(channel: Channel, body: bytes, segment: str, places: Places) -> Translation:
    """Translate the orders of a message; `segment` says what each orders."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = named_stay(reading, to="MedicationRequest")
    first_only = hold is not None and hold.code is HoldCode.TWO_PEOPLE
    add_person_details(reading, hold)
    groups = _groups(reading, segment, first_only=first_only)
    marked = Confidential((group.orc,) for group in groups)
    once: dict[str, tuple[Group, Json]] = {}
    for group in groups:
        if group.medicine is None:
            text = f"an order without an {segment} segment says no medicine, and was left out"
            reading.warn(group.orc.place(1), text)
        else:
            labels = marked.labels(group.orc, to="MedicationRequest")
            made = labelled(request(reading, group, group.medicine, places), labels)
            if made["id"] in once and once[made["id"]][1] != made:
                _say_twice(reading, group, once[made["id"]][0])
            once[made["id"]] = (group, made)
    reading.resources += [made | ({"encounter": stay} if stay is not None else {}) for _, made in once.values()]
    return reading.finish((Event.PRESCRIPTION,), hold=hold)


def _say_twice(reading: Reading, group: Group, before: Group) -> None:
    """Two orders of one number in one message, which differ: the last counts, and a person asks which of the two was meant."""
    text = "two orders of this message have the same number and differ: the last counts"
    reading.warn(group.orc.place(2), text, code="duplicate")
    reading.task("order-control-unclear")
    medicine = (before.medicine,) if before.medicine is not None else ()
    for row in (before.orc, *medicine, *before.timings, *before.routes, *before.components, *before.notes):
        row.drop(text)


def _groups(reading: Reading, medicine: str, *, first_only: bool) -> list[Group]:
    """Cut the message into orders: each ORC begins one. An OBX is about the person, and is added at once; a note belongs to what it follows."""
    groups: list[Group] = []
    observed: list[tuple[Row, list[Row]]] = []
    notes: list[Row] | None = None
    persons = 0
    for segment in reading.message.segments:
        row = reading.row(segment)
        persons += segment.name == "PID"
        if first_only and persons > 1 and segment.name != "PID":
            row.leave_by("one-person")
        elif segment.name == "ORC":
            groups.append(Group(orc=row))
            notes = groups[-1].notes
        elif segment.name == "OBX":
            notes = []
            observed.append((row, notes))
        elif not groups:
            continue
        elif segment.name == medicine and groups[-1].medicine is None:
            groups[-1].medicine = row
            notes = groups[-1].notes
        elif segment.name == "TQ1":
            (groups[-1].ordered_timings if groups[-1].medicine is None else groups[-1].timings).append(row)
        elif segment.name == "RXR" and groups[-1].medicine is not None:
            groups[-1].routes.append(row)
        elif segment.name == "RXC" and groups[-1].medicine is not None:
            groups[-1].components.append(row)
        elif segment.name in _ORDERED and groups[-1].medicine is None:
            row.leave_by("told-once")
        elif segment.name in participation.SEGMENTS:
            groups[-1].people.append(row)
        elif segment.name == "NTE" and notes is not None:
            notes.append(row)
    add_observations(reading, observed)
    return groups
