"""RDS^O13, medicines dispensed: a MedicationDispense for each RXD. It must never pass for a dose taken, nor for authority to supply.

What was ordered and encoded beside it (RXO, RXE) is carried by the messages that ordered it. A dispense is named by its order and its own
number (RXD-1) and day: a later dispense of the same order does not replace an earlier one.
"""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.adt_details import add_person_details
from fhir_profiles.mappings.annotation import annotations
from fhir_profiles.mappings.confidential import Confidential, labelled
from fhir_profiles.mappings.datatypes import (
    concept,
    establishment_extension,
    number_of,
    ods_code,
    order_identifier,
    practitioner,
    quantity,
    slug,
    words,
)
from fhir_profiles.mappings.dosage import in_words, read_route, strength
from fhir_profiles.mappings.encounter import named_stay
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.orders import Medicine, cut_orders, say_replaced
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.prescription import medication
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.order_numbers import of_sender
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation

_TO: Final = "MedicationDispense"
_CONTROLS: Final = {
    **dict.fromkeys(("CA", "CR", "OC"), "cancelled"),
    **dict.fromkeys(("DC", "DR", "OD", "RU", "RQ"), "stopped"),
    **dict.fromkeys(("HD", "HR", "OH"), "on-hold"),
    **dict.fromkeys(("UA", "UF", "DF", "UD", "DE"), "declined"),
    **dict.fromkeys(("RP", "UC", "UH", "UM", "UR", "UX"), "unknown"),
}
"""HL7 table 0119: the order controls that say that nothing was dispensed, or that only ask to change an order, or say that it could not be
changed: whether anything was dispensed they do not say. UN unlinks an order from a problem, and says nothing of the supply.
"""
_NO_SUPPLY: Final = frozenset({"CA", "ER"})
"""HL7 table 0038 (ORC-5): cancelled, not found. An order that was stopped (DC, HD, RP) may have been dispensed before."""
_ORDERED: Final = frozenset({"RXO", "RXE", "TQ1", "TQ2", "RXR", "RXC"})


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one RDS. Never raises; bytes that cannot be read are held. Dispenses after a second person's PID are not translated."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = named_stay(reading, to=_TO, at="context")
    add_person_details(reading, hold)
    made: dict[str, tuple[Medicine, Json]] = {}
    orders = cut_orders(reading, "RXD", _ORDERED, first_only=hold is not None and hold.code is HoldCode.TWO_PEOPLE)
    marked = Confidential((order.orc,) for order in orders)
    for order in orders:
        for medicine in order.medicines:
            dispense = labelled(_dispense(reading, order.orc, medicine), marked.labels(order.orc, to=_TO))
            if stay is not None:
                dispense["context"] = stay
            before, said = made.get(dispense["id"], (medicine, dispense))
            if said != dispense:
                say_replaced(reading, before, medicine)
            made[dispense["id"]] = (medicine, dispense)
        order.orc.leave_by("told-once")
    reading.resources += [dispense for _, dispense in made.values()]
    return reading.finish((Event.RECORD,), hold=hold)


def _dispense(reading: Reading, orc: Row, medicine: Medicine) -> Json:
    rxd = medicine.row
    amount = _amount(reading, rxd)
    resource: Json = {
        "resourceType": _TO,
        "id": stable_id(_TO, reading.sender, *_name(reading, orc, rxd)),
    }
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    rxd.text(1, to=f"{_TO}.id")
    identifiers = _identifiers(orc, rxd)
    if identifiers:
        resource["identifier"] = identifiers
    # INVARIANT: nothing counts as dispensed that the message does not say was: an order control that denies it, or no amount, is no supply.
    resource["status"] = _status(orc, known=amount is not None)
    resource["medicationCodeableConcept"] = medication(reading, rxd, 2, to=_TO)
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    performers = _performers(rxd)
    if performers:
        resource["performer"] = [{"actor": each} for each in performers]
    ordered = order_identifier(orc, 2, kind="PLAC", to=f"{_TO}.authorizingPrescription.identifier")
    if ordered is not None:
        resource["authorizingPrescription"] = [
            {"type": "MedicationRequest", "identifier": of_sender(ordered, reading.sender)}
        ]
    kind = concept(rxd, 33, to=f"{_TO}.type")
    if kind is not None:
        resource["type"] = kind
    if amount is not None:
        resource["quantity"] = amount
    when = reading.date_time(rxd, 3, to=f"{_TO}.whenPrepared")
    if when is not None:
        resource["whenPrepared"] = when
    said = [words(rxd, 9, repetition, to=f"{_TO}.note.text") for repetition in range(1, rxd.count(9) + 1)]
    remarks = [{"text": each} for each in said if each]
    remarks += annotations(medicine.notes, to=f"{_TO}.note")
    if remarks:
        resource["note"] = remarks
    dosage = _dosage(rxd, medicine.routes)
    if dosage:
        resource["dosageInstruction"] = [dosage]
    substituted = rxd.text(11, to=f"{_TO}.substitution.wasSubstituted").upper()
    if substituted:
        resource["substitution"] = {"wasSubstituted": substituted not in {"N", "0"}}
    return resource


def _status(orc: Row, *, known: bool) -> str:
    denied = _CONTROLS.get(orc.text(1, to=f"{_TO}.status").upper())
    if denied is not None:
        return denied
    if orc.peek(5).upper() in _NO_SUPPLY:
        orc.text(5, to=f"{_TO}.status")
        return "unknown"
    return "completed" if known else "unknown"


def _name(reading: Reading, orc: Row, rxd: Row) -> tuple[str, ...]:
    for row, number in ((orc, 2), (orc, 3), (rxd, 7)):
        if row.peek(number):
            order = (f"{row.segment.name}-{number}", row.peek(number), row.peek(number, 2))
            break
    else:
        order = ("message", reading.message.get("MSH-10") or "", str(orc.segment.occurrence))
    return (*order, rxd.peek(1), rxd.moment(3) or rxd.peek(3), rxd.peek(2) or rxd.peek(2, 2))


def _identifiers(orc: Row, rxd: Row) -> list[Json]:
    found = [order_identifier(orc, 3, kind="FILL", to=f"{_TO}.identifier")]
    for number, name in ((7, "prescription"), (35, "dispense-tag")):
        value = rxd.text(number, to=f"{_TO}.identifier")
        found.append({"system": systems.LOCAL_ID + name, "value": value} if value else None)
    return [each for each in found if each is not None]


def _amount(reading: Reading, rxd: Row) -> Json | None:
    """Read RXD-4 and RXD-5: what was dispensed, never what was ordered."""
    number = number_of(rxd.peek(4))
    if number is None or number <= 0:
        if rxd.has(4):
            rxd.unsupported(4, reason="no amount that can have been dispensed")
            reading.warn(rxd.place(4), "the amount of a dispense is not above nothing, and was left out")
        return None
    rxd.mapped(4, to=f"{_TO}.quantity.value")
    return quantity(number, rxd, 5, to=f"{_TO}.quantity")


def _performers(rxd: Row) -> list[Json]:
    """Read who dispensed (RXD-10) and the pharmacy (RXD-30 by name or ODS code)."""
    to = f"{_TO}.performer.actor"
    found = [person] if (person := practitioner(rxd, 10, to=to)) is not None else []
    value = rxd.text(30, to=f"{to}.identifier.value")
    name = rxd.text(30, 2, to=f"{to}.display")
    authority = rxd.text(30, 3, to=f"{to}.identifier.system")
    if value or name:
        pharmacy: Json = {"type": "Organization"}
        if value:
            ods = ods_code(rxd, 30, 1, authority)
            system = systems.ODS if ods is not None else systems.LOCAL_ID + slug(authority or "pharmacy")
            pharmacy["identifier"] = {"system": system, "value": ods or value}
        found.append(pharmacy | ({"display": name} if name else {}))
    return found


def _dosage(rxd: Row, routes: list[Row]) -> Json:
    """Read the special instructions (RXD-15) and the route."""
    to = f"{_TO}.dosageInstruction.text"
    texts = [words(rxd, 15, repetition, to=to) for repetition in range(1, rxd.count(15) + 1)]
    said = (
        in_words(rxd, "form", 6, to=to),
        strength(rxd, 16, 28, to=to),
        in_words(rxd, "total daily dose", 12, 12, to=to),
    )
    texts = [each for each in (*texts, *said) if each]
    dosage: Json = {"text": "; ".join(texts)} if texts else {}
    return dosage | read_route(routes, to=f"{_TO}.dosageInstruction")
