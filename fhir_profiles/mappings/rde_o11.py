"""RDE^O11 (and RDE^O01 of older senders), prescriptions: a MedicationRequest for each order. It must never become a prescription itself.

ORC-1 says what happened to the order; its id is the placer's number, so that a change or a stop supersedes what was sent before. A stop is
an end: it keeps the start where the message repeats it (TQ1-7, RXE-32), and never restates the day of the stop as the day of prescribing.
"""

from dataclasses import dataclass, field
from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.datatypes import (
    coding,
    concept,
    establishment_extension,
    number_of,
    ods_code,
    order_identifier,
    practitioner,
    slug,
)
from fhir_profiles.mappings.dosage import dosages
from fhir_profiles.mappings.encounter import named_stay
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation
from fhir_profiles.terminology import lookup, product

PROFILE: Final = systems.UK_CORE + "UKCore-MedicationRequest"
_CONTROLS: Final = {
    **dict.fromkeys(
        ("NW", "RE", "XO", "XX", "OK", "PA", "CH", "RL", "OE", "RP", "RU", "RO", "RF", "XR", "NA"), "active"
    ),
    **dict.fromkeys(("CA", "CR", "OC"), "cancelled"),
    **dict.fromkeys(("DC", "DR", "OD", "DF"), "stopped"),
    **dict.fromkeys(("HD", "HR", "OH"), "on-hold"),
}
"""HL7 table 0119, as far as it says how an order stands."""
_ORDER_STATUSES: Final = {
    "IP": "active",
    "SC": "active",
    "A": "active",
    "CM": "completed",
    "DC": "stopped",
    "CA": "cancelled",
    "HD": "on-hold",
}
"""HL7 table 0038, for a message that only reports a status (ORC-1 SC, SN, SR)."""
_ENDED: Final = frozenset({"cancelled", "stopped"})
_CATEGORIES: Final = {"I": "inpatient", "O": "outpatient"}
_TO: Final = "MedicationRequest"


@dataclass(kw_only=True)
class Group:
    """The segments of one order. TQ1 and RXR after the RXE are those of the encoded order; those before it count only without others."""

    orc: Row
    rxe: Row | None = None
    ordered_timings: list[Row] = field(default_factory=list)
    timings: list[Row] = field(default_factory=list)
    routes: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one RDE. Never raises; bytes that cannot be read are held. Orders after a second person's PID are not translated."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = named_stay(reading, to=_TO)
    first_only = hold is not None and hold.code is HoldCode.TWO_PEOPLE
    for group in _groups(reading, first_only=first_only):
        if group.rxe is None:
            reading.warn(group.orc.place(1), "an order without an RXE segment says no medicine, and was left out")
        else:
            request = _request(reading, group, group.rxe)
            reading.resources.append(request | ({"encounter": stay} if stay is not None else {}))
    return reading.finish((Event.PRESCRIPTION,), hold=hold)


def _groups(reading: Reading, *, first_only: bool) -> list[Group]:
    """Cut the message into orders: each ORC begins one."""
    groups: list[Group] = []
    persons = 0
    for segment in reading.message.segments:
        row = reading.row(segment)
        persons += segment.name == "PID"
        if first_only and persons > 1 and segment.name != "PID":
            row.leave("about what may be another person")
        elif segment.name == "ORC":
            groups.append(Group(orc=row))
        elif not groups:
            continue
        elif segment.name == "RXE" and groups[-1].rxe is None:
            groups[-1].rxe = row
        elif segment.name == "TQ1":
            (groups[-1].ordered_timings if groups[-1].rxe is None else groups[-1].timings).append(row)
        elif segment.name == "RXR" and groups[-1].rxe is not None:
            groups[-1].routes.append(row)
        elif segment.name == "NTE":
            groups[-1].notes.append(row)
    return groups


def _request(reading: Reading, group: Group, rxe: Row) -> Json:
    orc = group.orc
    status = _status(reading, orc)
    effective = reading.date_time(orc, 15, to=f"{_TO}.dosageInstruction.timing.repeat.boundsPeriod.end")
    spoken = reading.date_time(orc, 9, to=f"{_TO}.authoredOn")
    original = reading.date_time(rxe, 32, to=f"{_TO}.authoredOn")
    stopped_at = (effective or spoken or reading.time_of_message()) if status in _ENDED else None
    resource: Json = {
        "resourceType": "MedicationRequest",
        "id": stable_id("MedicationRequest", reading.sender, *_key(reading, group, rxe)),
        "meta": {"profile": [PROFILE]},
    }
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    identifiers = [
        item
        for number, kind in ((2, "PLAC"), (3, "FILL"))
        if (item := order_identifier(orc, number, kind=kind, to=f"{_TO}.identifier")) is not None
    ]
    prescription = rxe.text(15, to=f"{_TO}.identifier")
    if prescription:
        identifiers.append({"system": systems.LOCAL_ID + "prescription", "value": prescription})
    if identifiers:
        resource["identifier"] = identifiers
    resource["status"] = status
    reason = concept(orc, 16, to=f"{_TO}.statusReason")
    if reason is not None:
        resource["statusReason"] = reason
    resource["intent"] = "order"
    category = _CATEGORIES.get(orc.text(29, to=f"{_TO}.category").upper())
    if category is not None:
        resource["category"] = [{"coding": [coding(systems.MEDICATION_REQUEST_CATEGORY, category)]}]
    resource["medicationCodeableConcept"] = medication(reading, rxe)
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    authored = original or (None if status in _ENDED else spoken)
    if authored is not None:
        resource["authoredOn"] = authored
    _rest(reading, group, rxe, resource, stopped_at)
    return resource


def _key(reading: Reading, group: Group, rxe: Row) -> tuple[str, ...]:
    """Name the order: placer number, else filler number, else the prescription number, else the message and the place in it."""
    for row, number in ((group.orc, 2), (group.orc, 3), (rxe, 15)):
        if row.peek(number):
            return f"{row.segment.name}-{number}", row.peek(number), row.peek(number, 2)
    return "message", reading.message.get("MSH-10") or "", str(group.orc.segment.occurrence)


def _status(reading: Reading, orc: Row) -> str:
    control = orc.text(1, to=f"{_TO}.status").upper()
    status = _CONTROLS.get(control) or _ORDER_STATUSES.get(orc.text(5, to=f"{_TO}.status").upper())
    if status is None:
        orc.unsupported(1, reason="this order control does not say how the order stands")
        reading.warn(orc.place(1), "this order control does not say how the order stands", code="code-invalid")
        reading.task(
            "clinical-lead", "order-control-unclear", "a prescription message does not say whether it starts or stops"
        )
        return "unknown"
    return status


def medication(reading: Reading, rxe: Row) -> Json:
    """Read RXE-2. Where the formulary knows the product its current dm+d code comes first; the code that was sent is kept beside it."""
    found = concept(rxe, 2, to=f"{_TO}.medicationCodeableConcept") or {"text": "not stated"}
    codings = [dict(item) for item in found.get("coding", [])]
    known = product(found)
    if known is None:
        reading.inform(rxe.place(2), "this medicine is not in the formulary; it is carried as it was sent")
        return found
    for item in codings:
        if "system" not in item and item.get("code", "").isdigit():
            item["system"] = systems.SNOMED
    current = coding(systems.SNOMED, known.code, known.name)
    if not any(item.get("code") == known.code for item in codings):
        codings.insert(0, current)
    return {"coding": codings, "text": found["text"]}


def _rest(reading: Reading, group: Group, rxe: Row, resource: Json, stopped_at: str | None) -> None:
    """Add requester, notes, dosage, dispensing and substitution."""
    requester = practitioner(group.orc, 12, to=f"{_TO}.requester") or practitioner(rxe, 13, to=f"{_TO}.requester")
    if requester is not None:
        resource["requester"] = requester
    indication = concept(rxe, 27, to=f"{_TO}.reasonCode")
    if indication is not None:
        resource["reasonCode"] = [indication]
    notes = _notes(group, rxe)
    if notes:
        resource["note"] = notes
    timings = group.timings or group.ordered_timings
    for row in timings:
        row.residual(1, 0, reason="sequence number of the segment")
    for row in group.ordered_timings if group.timings else ():
        row.leave("the timing as ordered; the timing as encoded is carried")
    dosage = dosages(reading, rxe, timings, group.routes, stopped_at)
    if dosage:
        resource["dosageInstruction"] = dosage
    supply = _supply(reading, rxe)
    if supply:
        resource["dispenseRequest"] = supply
    # UK Core asks for it, and in England a pharmacy may not substitute unless the prescriber says so (EPS sends false).
    allowed = rxe.text(9, to=f"{_TO}.substitution.allowedBoolean").upper() in {"G", "T"}
    resource["substitution"] = {"allowedBoolean": allowed}
    group.orc.leave("about the handling of the order: kept in the original message")


def _notes(group: Group, rxe: Row) -> list[Json]:
    notes = []
    for repetition in range(1, rxe.count(21) + 1):
        item = concept(rxe, 21, repetition, to=f"{_TO}.note.text")
        if item is not None:
            notes.append({"text": item["text"]})
    for row in group.notes:
        row.residual(1, 0, reason="sequence number of the segment")
        lines = [row.text(3, 1, repetition, to=f"{_TO}.note.text") for repetition in range(1, row.count(3) + 1)]
        text = "\n".join(line for line in lines if line)
        if text:
            notes.append({"text": text})
    return notes


def _supply(reading: Reading, rxe: Row) -> Json:
    """Read quantity (RXE-10, RXE-11), refills (RXE-12) and the dispensing pharmacy (RXE-40)."""
    to = f"{_TO}.dispenseRequest"
    supply: Json = {}
    repeats = number_of(rxe.peek(12))
    if isinstance(repeats, int) and 0 <= repeats < 1_000:
        rxe.mapped(12, to=f"{to}.numberOfRepeatsAllowed")
        supply["numberOfRepeatsAllowed"] = repeats
    amount = number_of(rxe.peek(10))
    if amount is not None:
        rxe.mapped(10, to=f"{to}.quantity.value")
        supply["quantity"] = {"value": amount, **_supply_unit(rxe)}
    elif rxe.has(10):
        rxe.unsupported(10, reason="not a number")
        reading.warn("RXE-10", "the quantity to dispense is not a number, and was left out")
    pharmacy = _pharmacy(rxe)
    if pharmacy is not None:
        supply["performer"] = pharmacy
    return supply


def _supply_unit(rxe: Row) -> Json:
    to = f"{_TO}.dispenseRequest.quantity.unit"
    written, display = rxe.text(11, 1, to=to), rxe.text(11, 2, to=to)
    rxe.text(11, 3, to=to)
    row = next(
        (found for word in (written, display) if (found := lookup("dose_units").by("written").get(word.lower()))), None
    )
    if row is not None:
        return {"unit": row["display"], "system": systems.SNOMED, "code": row["code"]}
    name = display or written
    return {"unit": name} if name else {}


def _pharmacy(rxe: Row) -> Json | None:
    to = f"{_TO}.dispenseRequest.performer"
    value = rxe.text(40, 1, to=f"{to}.identifier.value")
    display = rxe.text(40, 2, to=f"{to}.display")
    authority = rxe.text(40, 3, to=f"{to}.identifier.system")
    if not value and not display:
        return None
    result: Json = {"type": "Organization"}
    if value:
        ods = ods_code(rxe, 40, 1, authority)
        system = systems.ODS if ods is not None else systems.LOCAL_ID + slug(authority or "pharmacy")
        result["identifier"] = {"system": system, "value": ods or value}
    if display:
        result["display"] = display
    return result
