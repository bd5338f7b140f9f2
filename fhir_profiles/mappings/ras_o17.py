"""RAS^O17, doses given or not given: a MedicationAdministration for each RXA. It must never take a dose for given that may not have been.

RXA-20 says whether it was given; a message that says nothing means a dose given only where it states an amount. What was swallowed under
watch is read from the notes (RXA-9), in the words of the clinic. A dose is named by its order, its sub-number and its time: senders number
every message from 1, and a later dose must not replace an earlier one.
"""

from decimal import Decimal
from typing import Final

from fhir_profiles.hl7_times import is_before
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings import participation
from fhir_profiles.mappings.adt_details import add_person_details
from fhir_profiles.mappings.annotation import annotations
from fhir_profiles.mappings.confidential import Confidential, labelled
from fhir_profiles.mappings.datatypes import (
    concept,
    establishment_extension,
    number_of,
    order_identifier,
    practitioner,
    quantity,
    words,
)
from fhir_profiles.mappings.dosage import in_words, read_route, strength, supervision
from fhir_profiles.mappings.encounter import named_stay
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.orders import Medicine, cut_orders, say_replaced
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.prescription import medication
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation

_TO: Final = "MedicationAdministration"
_STATUSES: Final = {"CP": "completed", "PA": "completed", "RE": "not-done", "NA": "not-done"}
"""HL7 table 0322. A part of a dose was taken: the amount says how much, and a note that it was not all."""
_WHY_NOT: Final = {"RE": "refused by the person", "NA": "not administered"}
_IN_PART: Final = "only a part of the dose was taken"
_NO_AMOUNT: Final = 999
"""HL7 v2.5.1 4.14.7.6: an amount that the sender does not know."""

_CHANGES: Final = frozenset({"U", "D"})
"""RXA-21: this says anew what was said before, or takes it back."""
_ORDERED: Final = frozenset({"RXO", "RXE", "TQ1", "RXR"})


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one RAS. Never raises; bytes that cannot be read are held. Doses after a second person's PID are not translated."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = named_stay(reading, to=_TO, at="context")
    add_person_details(reading, hold)
    first_only = hold is not None and hold.code is HoldCode.TWO_PEOPLE
    occurred: str | None = None
    made: dict[str, tuple[Medicine, Json]] = {}
    orders = cut_orders(reading, "RXA", _ORDERED, first_only=first_only)
    marked = Confidential((order.orc,) for order in orders)
    for order in orders:
        for medicine in order.medicines:
            dose = labelled(_administration(reading, order.orc, medicine), marked.labels(order.orc, to=_TO))
            if stay is not None:
                dose["context"] = stay
            before, said = made.get(dose["id"], (medicine, dose))
            if said != dose:
                say_replaced(reading, before, medicine)
                if (
                    medicine.row.peek(21).upper() not in _CHANGES
                ):  # which of the two was given, or whether both were, nobody says
                    reading.task("administration-unclear")
            made[dose["id"]] = (medicine, dose)
            occurred = occurred or dose.get("effectiveDateTime") or dose.get("effectivePeriod", {}).get("start")
        order.orc.leave("about the handling of the order: kept in the original message")
    reading.resources += [dose for _, dose in made.values()]
    return reading.finish((Event.ADMINISTRATION,), occurred=occurred, hold=hold)


def _administration(reading: Reading, orc: Row, medicine: Medicine) -> Json:
    rxa = medicine.row
    when = _when(reading, rxa)
    amount = _amount(reading, rxa)
    given = _status(reading, rxa, amount)
    resource: Json = {
        "resourceType": _TO,
        "id": stable_id(_TO, reading.sender, *_name(reading, orc, rxa)),
    }
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    rxa.residual(1, 0, reason="counts the dispenses of the order")
    rxa.text(2, to=f"{_TO}.id")
    resource["status"] = given
    reason = _reason(rxa, given)
    if reason:
        resource["statusReason"] = reason
    resource["medicationCodeableConcept"] = medication(reading, rxa, 5, to=_TO)
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    resource |= when
    to = f"{_TO}.performer.actor"
    performer = practitioner(rxa, 10, to=to) or participation.practitioner_as(
        medicine.people, participation.ADMINISTERS, to=to
    )
    if performer is not None:
        resource["performer"] = [{"actor": performer}]
    indication = concept(rxa, 19, to=f"{_TO}.reasonCode")
    if indication is not None:
        resource["reasonCode"] = [indication]
    ordered = _request(orc)
    if ordered is not None:
        resource["request"] = ordered
    to = f"{_TO}.dosage.text" if amount is not None else f"{_TO}.note.text"
    said = [words(rxa, 9, n, to=to) for n in range(1, rxa.count(9) + 1)]
    amounts = (
        in_words(rxa, "form", 8, to=to),
        in_words(rxa, "per unit of time", 12, to=to),
        strength(rxa, 13, 23, to=to),
    )
    said = [each for each in (*said, *amounts) if each]
    # in the dosage and not in a note: whoever gets no notes takes a part for the whole
    said += [_IN_PART] if rxa.peek(20).upper() == "PA" else []
    remarks = annotations(medicine.notes, to=f"{_TO}.note")
    if remarks:
        resource["note"] = remarks
    if amount is not None:
        resource["dosage"] = _dosage(said, medicine.routes, amount)
    else:
        resource |= _without_amount(said, medicine.routes, remarks)
    return resource


def _name(reading: Reading, orc: Row, rxa: Row) -> tuple[str, ...]:
    for number in (2, 3):
        if orc.peek(number):
            order = (str(number), orc.peek(number), orc.peek(number, 2))
            break
    else:
        order = ("message", reading.message.get("MSH-10") or "", str(orc.segment.occurrence))
    return (*order, rxa.peek(2), rxa.peek(3), rxa.peek(5))


def _when(reading: Reading, rxa: Row) -> Json:
    """Read RXA-3 and RXA-4: one moment, or a period where they differ. FHIR asks for a time: a missing one is said to be missing."""
    start = reading.date_time(rxa, 3, to=f"{_TO}.effective[x]")
    end = reading.date_time(rxa, 4, to=f"{_TO}.effective[x]")
    if start is not None and end is not None and start != end:
        if is_before(end, start):
            rxa.unsupported(4, reason="the end lies before the start")
            reading.warn(rxa.place(4), "the end of a dose lies before its start, and was left out")
        else:
            return {"effectivePeriod": {"start": start, "end": end}}
    moment = start or end
    if moment is not None:
        return {"effectiveDateTime": moment}
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    reading.warn(rxa.place(3), "a dose without a time")
    return {"_effectiveDateTime": {"extension": [absent]}}


def _amount(reading: Reading, rxa: Row) -> Json | None:
    """Read RXA-6 and RXA-7: the amount that was given, never the amount that was ordered."""
    number = number_of(rxa.peek(6))
    if number is None or number == _NO_AMOUNT or number < Decimal(0):
        if rxa.has(6):
            rxa.unsupported(6, reason="no amount: 999 says that it is not known, and it cannot be below nothing")
            reading.warn(rxa.place(6), "the amount of a dose is not known, and was left out")
        return None
    rxa.mapped(6, to=f"{_TO}.dosage.dose.value")
    return quantity(number, rxa, 7, to=f"{_TO}.dosage.dose")


def _status(reading: Reading, rxa: Row, amount: Json | None) -> str:
    # INVARIANT: silence is no dose given (hazard "late or lost handover": the last dose decides how a person is restarted).
    written = rxa.text(20, to=f"{_TO}.status").upper()
    if rxa.text(21, to=f"{_TO}.status").upper() == "D":
        return "entered-in-error"
    nothing = amount is not None and amount["value"] == 0
    # a whole dose that was refused, and a dose of nothing, are none: which of the two words is wrong nobody can say
    contradictory = (written == "CP" and rxa.has(18)) or (written in {"CP", "PA"} and nothing)
    if written in _STATUSES and not contradictory:
        return _STATUSES[written]
    if not written and amount is not None and not nothing and not rxa.has(18):
        return "completed"
    if not written and rxa.has(18):
        return "not-done"
    if contradictory:
        rxa.unsupported(20, reason="it says that a dose was given, of which nothing was, or which was refused")
        reading.warn(
            rxa.place(20),
            "it says that a dose was given, of which nothing was, or which was refused",
            code="business-rule",
        )
    elif written:
        rxa.unsupported(20, reason="not a value of table 0322")
        reading.warn(rxa.place(20), "not a value of table 0322", code="code-invalid")
    reading.task("administration-unclear")
    return "unknown"


def _reason(rxa: Row, status: str) -> list[Json]:
    """Read RXA-18, why a dose was refused; a word of RXA-20 alone says what kind of not given it was."""
    found = [
        item for n in range(1, rxa.count(18) + 1) if (item := concept(rxa, 18, n, to=f"{_TO}.statusReason")) is not None
    ]
    word = _WHY_NOT.get(rxa.peek(20).upper())
    if status == "not-done" and word is not None:
        return [*found, {"text": word}]
    return found


def _dosage(said: list[str], routes: list[Row], amount: Json) -> Json:
    text = "; ".join(said)
    dosage: Json = {"text": text} if text else {}
    dosage |= read_route(routes, to=f"{_TO}.dosage")
    watched = supervision(text)
    if watched is not None:
        method = dosage.get("method", {})
        dosage["method"] = {**watched, **method, "coding": [*method.get("coding", ()), *watched["coding"]]}
    return {**dosage, "dose": amount}


def _without_amount(said: list[str], routes: list[Row], remarks: list[Json]) -> Json:
    """What is said of a dose whose amount nobody states. FHIR has no dosage without one (mad-1): a refused dose would be held for it.

    Whether it was supervised is the category, which whoever gets no notes reads as well; how and in which words is a note.
    """
    watched = supervision("; ".join(said))
    by = [words(row, field, to=f"{_TO}.note.text") for row in routes[:1] for field in (1, 2, 4)]
    text = "; ".join(each for each in (*said, *by) if each)
    told: Json = {"category": watched} if watched is not None else {}
    return told | ({"note": [*remarks, {"text": text}]} if text else {})


def _request(orc: Row) -> Json | None:
    """Name the prescription by the placer's number, as the mapping of its own message names it."""
    value = orc.peek(2)
    identifier = order_identifier(orc, 2, kind="PLAC", to=f"{_TO}.request.identifier")
    return {"type": "MedicationRequest", "identifier": identifier} if value and identifier is not None else None
