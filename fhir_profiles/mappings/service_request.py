"""ORC and OBR as a ServiceRequest: what was asked for, by whom and why. It must never pass for a result, nor for a medicine."""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings import participation
from fhir_profiles.mappings.annotation import annotations
from fhir_profiles.mappings.datatypes import (
    coding,
    concept,
    establishment_extension,
    order_identifier,
    practitioner,
)
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.oru_r01 import Group, clinical_information, order_key, test_purpose_of
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json

_TO: Final = "ServiceRequest"
_CONTROLS: Final = {
    **dict.fromkeys(
        ("NW", "OK", "PA", "CH", "XO", "XX", "RE", "RO", "SN", "NA", "RL", "OE", "AF", "PR", "PY"), "active"
    ),
    **dict.fromkeys(("CA", "CR", "OC", "DC", "DR", "OD", "DF", "RU", "RQ"), "revoked"),
    "FU": "completed",
    **dict.fromkeys(("HD", "HR", "OH"), "on-hold"),
}
"""HL7 table 0119, as far as it says how an order stands. RU and RQ name the order that was replaced; RP only asks for it, and says nothing."""
_STATUSES: Final = {
    "IP": "active",
    "SC": "active",
    "A": "active",
    "CM": "completed",
    "DC": "revoked",
    "CA": "revoked",
    "RP": "revoked",
    "ER": "entered-in-error",
    "HD": "on-hold",
}
"""HL7 table 0038: where ORC-5 says how the order stands, it counts; but that it goes on does not undo that ORC-1 ends or suspends it."""
_KEPT_BACK: Final = frozenset({"revoked", "on-hold"})
PRIORITIES: Final = {"S": "stat", "A": "asap", "R": "routine", "U": "urgent"}


def service_request(reading: Reading, group: Group, obr: Row, visit: Json | None) -> Json:
    """Make the ServiceRequest of one order. Its id is the order's number: a change or a cancellation supersedes what was sent before."""
    orc = group.orc
    resource: Json = {"resourceType": _TO, "id": stable_id(_TO, reading.sender, *order_key(reading, group, obr))}
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    identifiers = _identifiers(orc, obr)
    if identifiers:
        resource["identifier"] = identifiers
    requisition = order_identifier(orc, 4, kind="PGN", to=f"{_TO}.requisition") if orc is not None else None
    if requisition is not None:
        resource["requisition"] = requisition
    resource["status"] = _status(reading, orc)
    resource["intent"] = "order"
    purpose = test_purpose_of(reading, group, obr, to=f"{_TO}.category")
    if purpose is not None:
        resource["category"] = [{"coding": [coding(systems.TEST_PURPOSE, purpose)]}]
    priority = _priority(group, obr)
    if priority is not None:
        resource["priority"] = priority
    resource["code"] = concept(obr, 4, to=f"{_TO}.code") or {"text": "not stated"}
    details = [item for number in (46, 47) if (item := concept(obr, number, to=f"{_TO}.orderDetail")) is not None]
    if details:
        resource["orderDetail"] = details
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    if visit is not None:
        resource["encounter"] = visit
    _when_and_who(reading, orc, obr, resource)
    if "requester" not in resource:
        named = participation.practitioner_as(group.people, participation.ORDERS, to=f"{_TO}.requester")
        resource |= {"requester": named} if named is not None else {}
    reason = concept(obr, 31, to=f"{_TO}.reasonCode") if purpose is None else None
    if reason is not None:
        resource["reasonCode"] = [reason]
    notes = [*clinical_information(obr, to=f"{_TO}.note"), *annotations(group.notes, to=f"{_TO}.note")]
    if notes:
        resource["note"] = notes
    for row in (orc, *group.timings):
        if row is not None:
            row.leave("about the handling of the order: kept in the original message")
    return resource


def _identifiers(orc: Row | None, obr: Row) -> list[Json]:
    found: list[Json] = []
    for row in (orc, obr):
        for number, kind in ((2, "PLAC"), (3, "FILL")) if row is not None else ():
            item = order_identifier(row, number, kind=kind, to=f"{_TO}.identifier") if row is not None else None
            if item is not None and item not in found:
                found.append(item)
    return found


def _status(reading: Reading, orc: Row | None) -> str:
    if orc is None:
        return "unknown"
    control = _CONTROLS.get(orc.text(1, to=f"{_TO}.status").upper())
    status = _STATUSES.get(orc.text(5, to=f"{_TO}.status").upper()) or control
    # INVARIANT: an order that was replaced, cancelled or put on hold never stands because its status was not brought up to date.
    if control in _KEPT_BACK and status == "active":
        status = control
    if status is None:
        orc.unsupported(1, reason="this order control does not say how the order stands")
        reading.warn(orc.place(1), "this order control does not say how the order stands", code="code-invalid")
    return status or "unknown"


def _priority(group: Group, obr: Row) -> str | None:
    places = [(row, 9) for row in group.timings] + [(obr, 5)]
    for row, number in places:
        found = PRIORITIES.get(row.peek(number).upper())
        if found is not None:
            for component in (1, 2, 3):
                row.text(number, component, to=f"{_TO}.priority")
            return found
    return None


def _when_and_who(reading: Reading, orc: Row | None, obr: Row, resource: Json) -> None:
    """Read for when (TQ1-7 has no place here; OBR-6, else OBR-7), when it was asked (ORC-9), and by whom (ORC-12, else OBR-16)."""
    wanted = reading.date_time(obr, 6, to=f"{_TO}.occurrenceDateTime") or reading.date_time(
        obr, 7, to=f"{_TO}.occurrenceDateTime"
    )
    if wanted is not None:
        resource["occurrenceDateTime"] = wanted
    asked = reading.date_time(orc, 9, to=f"{_TO}.authoredOn") if orc is not None else None
    if asked is not None:
        resource["authoredOn"] = asked
    requester = practitioner(orc, 12, to=f"{_TO}.requester") if orc is not None and orc.has(12) else None
    also = practitioner(obr, 16, to=f"{_TO}.requester") if obr.has(16) else None
    if requester is not None and also is not None and also != requester:
        obr.residual(16, reason="another requester than ORC-12 names")
    if requester is not None or also is not None:
        resource["requester"] = requester or also
