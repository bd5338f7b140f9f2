"""One order as one MedicationRequest, from whichever segment says what is ordered. It must never become a prescription itself.

ORC-1 says what happened to the order; its id is the placer's number, so that a change or a stop supersedes what was sent before. A stop is
an end: it keeps the start where the message repeats it (TQ1-7, RXE-32), and never restates the day of the stop as the day of prescribing.
"""

from dataclasses import dataclass, field
from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings import participation
from fhir_profiles.mappings.annotation import annotations
from fhir_profiles.mappings.datatypes import (
    coding,
    concept,
    establishment_extension,
    number_of,
    ods_code,
    order_identifier,
    practitioner,
    slug,
    words,
)
from fhir_profiles.mappings.dosage import Places, dosages
from fhir_profiles.mappings.field_ledger import Row, keep_order
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.medicines import other_strength
from fhir_profiles.order_numbers import of_sender
from fhir_profiles.shapes import Json
from fhir_profiles.terminology import lookup, product

PROFILE: Final = systems.UK_CORE + "UKCore-MedicationRequest"
_CONTROLS: Final = {
    **dict.fromkeys(
        ("NW", "RE", "XO", "XX", "OK", "PA", "CH", "RL", "OE", "RO", "RF", "XR", "NA", "AF", "PR", "PY"), "active"
    ),
    **dict.fromkeys(("CA", "CR", "OC"), "cancelled"),
    **dict.fromkeys(("DC", "DR", "OD", "DF", "RU", "RQ"), "stopped"),
    **dict.fromkeys(("HD", "HR", "OH"), "on-hold"),
}
"""HL7 table 0119, as far as it says how an order stands.

INVARIANT: the order that was replaced (RU, RQ) never stands beside the one in its place (RO): two doses would. RP only asks for it: a person looks.
"""
_ORDER_STATUSES: Final = {
    "IP": "active",
    "SC": "active",
    "A": "active",
    "CM": "completed",
    "DC": "stopped",
    "RP": "stopped",
    "CA": "cancelled",
    "HD": "on-hold",
}
"""HL7 table 0038: what counts where ORC-1 only reports a status (SC, SN, SR), or says that an order stands which ORC-5 ends or suspends."""
_CONTRADICTIONS: Final = frozenset({("RL", "HD"), ("OE", "HD"), ("RO", "RP"), ("RF", "CM"), ("AF", "CM")})
"""ORC-1 beside ORC-5: a hold that is released, an order that takes another's place, a refill. Which of the two is the newer word nobody can say."""
_NO_SUCH_ORDER: Final = "ER"
_ENDED: Final = frozenset({"cancelled", "stopped"})
_UNCLEAR: Final = "this order control does not say how the order stands"
_PRIORITIES: Final = {"S": "stat", "A": "asap", "R": "routine"}
"""HL7 table 0485, as far as R4 has a word for it."""
_CATEGORIES: Final = {"I": "inpatient", "O": "outpatient"}
_TO: Final = "MedicationRequest"


@dataclass(kw_only=True)
class Group:
    """The segments of one order. TQ1 and RXR after the RXE are those of the encoded order; those before it count only without others.

    `medicine` is the segment that says what is ordered: the RXE, or in an OMP the RXO.
    """

    orc: Row
    medicine: Row | None = None
    ordered_timings: list[Row] = field(default_factory=list)
    timings: list[Row] = field(default_factory=list)
    routes: list[Row] = field(default_factory=list)
    components: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    people: list[Row] = field(default_factory=list)


def request(reading: Reading, group: Group, rx: Row, at: Places) -> Json:
    """Make the MedicationRequest of one order. `rx` says what is ordered, in the fields that `at` names."""
    orc = group.orc
    status = _status(reading, orc)
    effective = reading.date_time(orc, 15, to=f"{_TO}.dosageInstruction.timing.repeat.boundsPeriod.end")
    spoken = reading.date_time(orc, 9, to=f"{_TO}.authoredOn")
    original = reading.date_time(rx, at.original, to=f"{_TO}.authoredOn")
    stopped_at = (effective or spoken or reading.time_of_message()) if status in _ENDED else None
    resource: Json = {
        "resourceType": "MedicationRequest",
        "id": stable_id("MedicationRequest", reading.sender, *_key(reading, group, rx, at)),
        "meta": {"profile": [PROFILE]},
    }
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    identifiers = [
        of_sender(item, reading.sender) if kind == "PLAC" else item
        for number, kind in ((2, "PLAC"), (3, "FILL"))
        if (item := order_identifier(orc, number, kind=kind, to=f"{_TO}.identifier")) is not None
    ]
    prescription = rx.text(at.number, to=f"{_TO}.identifier")
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
    resource["medicationCodeableConcept"] = medication(reading, rx, at.code)
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    authored = original or (None if status in _ENDED else spoken)
    if authored is not None:
        resource["authoredOn"] = authored
    if spoken is not None and spoken not in {authored, stopped_at}:
        orc.residual(9, 1, reason="when this was said of the order: when it was ordered, or ends, is carried")
    _rest(reading, group, rx, at, resource, stopped_at)
    return resource


def _key(reading: Reading, group: Group, rx: Row, at: Places) -> tuple[str, ...]:
    """Name the order: placer number, else filler number, else the prescription number, else the message and the place in it."""
    for row, number in ((group.orc, 2), (group.orc, 3), (rx, at.number)):
        if row.peek(number):
            return f"{row.segment.name}-{number}", row.peek(number), row.peek(number, 2)
    return "message", reading.message.get("MSH-10") or "", str(group.orc.segment.occurrence)


def _status(reading: Reading, orc: Row) -> str:
    """Read ORC-1 and ORC-5. What ends the order wins over what suspends it, and that over what lets it stand, whichever of the two says so."""
    control, written = orc.text(1, to=f"{_TO}.status").upper(), orc.peek(5).upper()
    status, standing = _CONTROLS.get(control), _ORDER_STATUSES.get(written)
    # INVARIANT: an order that either field ends never stands, and one that ORC-1 ends (RU, RQ: a replaced one) is not brought back by ORC-5.
    if status is None or (standing is not None and _strength(standing) > _strength(status)):
        status = standing
        orc.text(5, to=f"{_TO}.status")
    contradictory = (control, written) in _CONTRADICTIONS or (status == "active" and written == _NO_SUCH_ORDER)
    if status is None or contradictory:
        text = "the order status contradicts the order control" if contradictory else _UNCLEAR
        orc.unsupported(1, reason=text)
        reading.warn(orc.place(1), text, code="code-invalid")
        reading.task("order-control-unclear")
        return "unknown"
    return status


def _strength(status: str) -> int:
    return {"active": 0, "on-hold": 1}.get(status, 2)


def medication(reading: Reading, rx: Row, number: int, *, to: str = _TO) -> Json:
    """Read what is ordered or given. Where the formulary knows the product its current dm+d code comes first, the code that was sent beside it."""
    found = concept(rx, number, to=f"{to}.medicationCodeableConcept") or {"text": "not stated"}
    codings = [dict(item) for item in found.get("coding", [])]
    if other_strength(found):
        reading.warn(
            rx.place(number), "the code of this medicine means another strength than its words: letters say both"
        )
    known = product(found)
    if known is None:
        reading.inform(rx.place(number), "this medicine is not in the formulary; it is carried as it was sent")
        return found
    for item in codings:
        if "system" not in item and item.get("code", "").isdigit():
            item["system"] = systems.SNOMED
    current = coding(systems.SNOMED, known.code, known.name)
    if not any(item.get("code") == known.code for item in codings):
        codings.insert(0, current)
    return {"coding": codings, "text": found["text"]}


def _rest(reading: Reading, group: Group, rx: Row, at: Places, resource: Json, stopped_at: str | None) -> None:
    """Add requester, notes, dosage, dispensing and substitution."""
    requester = (
        practitioner(group.orc, 12, to=f"{_TO}.requester")
        or practitioner(rx, at.prescriber, to=f"{_TO}.requester")
        or participation.practitioner_as(group.people, participation.ORDERS, to=f"{_TO}.requester")
    )
    if requester is not None:
        resource["requester"] = requester
    indication = concept(rx, at.indication, to=f"{_TO}.reasonCode")
    if indication is not None:
        resource["reasonCode"] = [indication]
    notes = _notes(group, rx, at)
    if notes:
        resource["note"] = notes
    timings = group.timings or group.ordered_timings
    keep_order(timings, to=f"{_TO}.dosageInstruction")
    priority = _priority(timings)
    if priority is not None:
        resource["priority"] = priority
    for row in group.ordered_timings if group.timings else ():
        row.leave_by("told-once")
    dosage = dosages(reading, rx, at, timings, group.routes, group.components, stopped_at, group.orc)
    if dosage:
        resource["dosageInstruction"] = dosage
    supply = _supply(reading, rx, at)
    if supply:
        resource["dispenseRequest"] = supply
    # UK Core asks for it, and in England a pharmacy may not substitute unless the prescriber says so (EPS sends false).
    said = rx.peek(at.substitution).upper()
    if said in {"G", "T", "N"}:
        rx.text(at.substitution, to=f"{_TO}.substitution.allowedBoolean")
    resource["substitution"] = {"allowedBoolean": said in {"G", "T"}}
    group.orc.leave("about the handling of the order: kept in the original message")


def _priority(timings: list[Row]) -> str | None:
    """Read TQ1-9 of the first timing that has a priority; another priority of a later one stays in the message."""
    found: str | None = None
    for row in timings:
        priority = _PRIORITIES.get(row.peek(9).upper())
        if priority is not None and found in {None, priority}:
            found = priority
            for component in (1, 2, 3):
                row.text(9, component, to=f"{_TO}.priority")
    return found


def _notes(group: Group, rx: Row, at: Places) -> list[Json]:
    said = [words(rx, at.notes, repetition, to=f"{_TO}.note.text") for repetition in range(1, rx.count(at.notes) + 1)]
    return [{"text": each} for each in said if each] + annotations(group.notes, to=f"{_TO}.note")


def _supply(reading: Reading, rx: Row, at: Places) -> Json:
    """Read quantity, refills and the dispensing pharmacy."""
    to = f"{_TO}.dispenseRequest"
    supply: Json = {}
    repeats = number_of(rx.peek(at.repeats))
    if isinstance(repeats, int) and 0 <= repeats < 1_000:
        rx.mapped(at.repeats, to=f"{to}.numberOfRepeatsAllowed")
        supply["numberOfRepeatsAllowed"] = repeats
    amount = number_of(rx.peek(at.amount))
    if amount is not None:
        rx.mapped(at.amount, to=f"{to}.quantity.value")
        supply["quantity"] = {"value": amount, **_supply_unit(rx, at)}
    elif rx.has(at.amount):
        rx.unsupported(at.amount, reason="not a number")
        reading.warn(rx.place(at.amount), "the quantity to dispense is not a number, and was left out")
    pharmacy = _pharmacy(rx, at)
    if pharmacy is not None:
        supply["performer"] = pharmacy
    return supply


def _supply_unit(rx: Row, at: Places) -> Json:
    to = f"{_TO}.dispenseRequest.quantity.unit"
    written, display = rx.peek(at.amount_unit), rx.peek(at.amount_unit, 2)
    row = next(
        (found for word in (written, display) if (found := lookup("dose_units").by("written").get(word.lower()))), None
    )
    if row is not None:
        for component in (1, 2):
            rx.text(at.amount_unit, component, to=to)
        return {"unit": row["display"], "system": systems.SNOMED, "code": row["code"]}
    name = rx.text(at.amount_unit, 2 if display else 1, to=to)
    return {"unit": name} if name else {}


def _pharmacy(rx: Row, at: Places) -> Json | None:
    to = f"{_TO}.dispenseRequest.performer"
    value = rx.text(at.pharmacy, 1, to=f"{to}.identifier.value")
    display = rx.text(at.pharmacy, 2, to=f"{to}.display")
    authority = rx.text(at.pharmacy, 3, to=f"{to}.identifier.system")
    if not value and not display:
        return None
    result: Json = {"type": "Organization"}
    if value:
        ods = ods_code(rx, at.pharmacy, 1, authority)
        system = systems.ODS if ods is not None else systems.LOCAL_ID + slug(authority or "pharmacy")
        result["identifier"] = {"system": system, "value": ods or value}
    if display:
        result["display"] = display
    return result
