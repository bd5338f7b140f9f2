"""REF^I12, a referral in: a ServiceRequest with who refers, to whom, and what comes with it. It must never start care, nor pass for a letter of ours.

Results that a referral brings (OBR, OBX) are carried as results are; they count as told with the referral, not as new results. Who refers and
who is asked (PRD) are PractitionerRoles with the address to answer to.
"""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.ids import PATIENT_REFERENCE, reference, stable_id
from fhir_profiles.mappings.adt_details import add_person_details
from fhir_profiles.mappings.annotation import annotations
from fhir_profiles.mappings.confidential import Confidential
from fhir_profiles.mappings.datatypes import (
    concept,
    display_name,
    establishment_extension,
    organisation,
    period_of,
    slug,
)
from fhir_profiles.mappings.encounter import named_stay
from fhir_profiles.mappings.field_ledger import Row, keep_order
from fhir_profiles.mappings.oru_r01 import add_results, each_once, orders, told_apart
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.person_contact import telecoms
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.mappings.referrals import task_of_referral
from fhir_profiles.mappings.service_request import PRIORITIES
from fhir_profiles.referrals import REFERRAL
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation

_TO: Final = "ServiceRequest"
_ROLE: Final = "PractitionerRole"
_STATUSES: Final = {"A": "active", "P": "active", "E": "revoked", "R": "revoked"}
"""RF1-1, HL7 table 0283: accepted, pending, expired, rejected. A referral that is not answered yet stands."""
_REFERS: Final = frozenset({"RP"})
_ASKED: Final = frozenset({"RT"})
"""PRD-1, HL7 table 0286: the referring and the referred-to provider; others (primary care, consulting) are carried without a part."""


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one REF^I12. Never raises; bytes that cannot be read are held. What follows a second person's PID is not translated."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = named_stay(reading, to=_TO)
    add_person_details(reading, hold)
    roles = _providers(reading)
    groups = told_apart(reading, orders(reading, first_only=hold is not None and hold.code is HoldCode.TWO_PEOPLE))
    keep_order([group.obr for group in groups if group.obr is not None], to="Bundle.entry")
    marked = Confidential((group.orc, group.obr) for group in groups)
    for group in groups:
        add_results(reading, group, stay, marked)
    reading.resources[:] = each_once(reading.resources)
    reports = [each for each in reading.resources if each["resourceType"] == "DiagnosticReport"]
    _add_referral(reading, roles, reports, stay)
    return reading.finish((Event.RECORD,), hold=hold)


def _add_referral(reading: Reading, roles: list[tuple[str, Json]], reports: list[Json], stay: Json | None) -> None:
    """Add the ServiceRequest of RF1. Without an RF1 the message refers nobody, with an issue: the rest is filed."""
    row = reading.first("RF1")
    if row is None:
        reading.warn("RF1", "a referral without an RF1 segment says nothing of the referral")
        return
    number = row.peek(6)
    parts = (reading.sender, "referral", number) if number else (reading.sender, reading.message.get("MSH-10") or "")
    resource: Json = {"resourceType": _TO, "id": stable_id(_TO, *parts)}
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    identifiers = _numbers(row)
    if identifiers:
        resource["identifier"] = identifiers
    resource["status"] = _STATUSES.get(_word(row, 1, "status"), "unknown")
    reading.task(task_of_referral(resource["status"]))
    resource["intent"] = "order"
    categories = [item for number in (3, 5) if (item := concept(row, number, to=f"{_TO}.category")) is not None]
    if categories:
        resource["category"] = categories
    priority = PRIORITIES.get(_word(row, 2, "priority"))
    if priority is not None:
        resource["priority"] = priority
    resource["code"] = {"coding": [{"system": systems.SERVICE, "code": REFERRAL}], "text": "Referral"}
    details = [
        item
        for repetition in range(1, row.count(4) + 1)
        if (item := concept(row, 4, repetition, to=f"{_TO}.orderDetail")) is not None
    ]
    if details:
        resource["orderDetail"] = details
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    if stay is not None:
        resource["encounter"] = stay
    _when(reading, row, resource)
    _parties(roles, resource)
    reasons = [
        item
        for repetition in range(1, row.count(10) + 1)
        if (item := concept(row, 10, repetition, to=f"{_TO}.reasonCode")) is not None
    ]
    if reasons:
        resource["reasonCode"] = reasons
    about = [{"reference": reference("DiagnosticReport", each["id"])} for each in reports]
    if about:
        resource["supportingInfo"] = about
    notes = annotations(_own_notes(reading), to=f"{_TO}.note")
    if notes:
        resource["note"] = notes
    reading.resources.append(resource)


def _word(row: Row, number: int, element: str) -> str:
    word = row.text(number, to=f"{_TO}.{element}").upper()
    for component in (2, 3):
        row.text(number, component, to=f"{_TO}.{element}")
    return word


def _numbers(row: Row) -> list[Json]:
    """Read the number of the referral where it began (RF1-6) and elsewhere (RF1-11)."""
    found = []
    for number in (6, 11):
        value = row.text(number, to=f"{_TO}.identifier.value")
        if value:
            namespace = row.text(number, 2, to=f"{_TO}.identifier.system")
            system = systems.LOCAL_ID + "referral" + (f"/{slug(namespace)}" if namespace else "")
            found.append({"system": system, "value": value})
    return found


def _when(reading: Reading, row: Row, resource: Json) -> None:
    begins = reading.date_time(row, 7, to=f"{_TO}.occurrencePeriod.start")
    ends = reading.date_time(row, 8, to=f"{_TO}.occurrencePeriod.end")
    period = {edge: moment for edge, moment in (("start", begins), ("end", ends)) if moment is not None}
    if len(period) == 2 and period["start"][:10] > period["end"][:10]:
        row.unsupported(8, reason="the end lies before the start")
        del period["end"]
    if period:
        resource["occurrencePeriod"] = period
    written = reading.date_time(row, 9, to=f"{_TO}.authoredOn")
    if written is not None:
        resource["authoredOn"] = written


def _parties(roles: list[tuple[str, Json]], resource: Json) -> None:
    """Say who refers and who is asked; a Reference to the PractitionerRole of each."""
    for word, role in roles:
        target = {"reference": reference(_ROLE, role["id"])}
        if word in _REFERS:
            resource.setdefault("requester", target)
        elif word in _ASKED:
            resource.setdefault("performer", []).append(target)


def _providers(reading: Reading) -> list[tuple[str, Json]]:
    """Add a PractitionerRole for each PRD that names somebody; gives them with the part that each has."""
    found: dict[str, tuple[str, Json]] = {}
    for row in reading.rows("PRD"):
        role = _provider(reading, row)
        if role is not None:
            found[role["id"]] = row.peek(1).upper(), role
    reading.resources += [role for _, role in found.values()]
    return list(found.values())


def _provider(reading: Reading, row: Row) -> Json | None:
    row.leave_by("staff")
    number = row.text(7, to=f"{_ROLE}.identifier.value")
    kind = row.text(7, 2, to=f"{_ROLE}.identifier.system") if number else ""
    display = display_name(row, 2, 1, first=1, to=f"{_ROLE}.practitioner.display")
    works_for = organisation(row, 10, to=f"{_ROLE}.organization")
    if not number and not display and works_for is None:
        return None
    part = concept(row, 1, to=f"{_ROLE}.code")
    role: Json = {"resourceType": _ROLE, "id": stable_id(_ROLE, reading.sender, row.peek(1), number, display)}
    if number:
        role["identifier"] = [{"system": systems.LOCAL_ID + slug(kind or "practitioner"), "value": number}]
    role |= period_of((row, 8, 1, 1), (row, 9, 1, 1), to=_ROLE)
    if display:
        role["practitioner"] = {"type": "Practitioner", "display": display}
    if works_for is not None:
        role["organization"] = works_for
    if part is not None:
        role["code"] = [part]
    places = [_place(row, number_) for number_ in (3, 4, 11)]
    named = list(dict.fromkeys(place for place in places if place))
    if named:
        role["location"] = [{"display": place} for place in named]
    telecom = telecoms(row, (5, 13), to=f"{_ROLE}.telecom")
    if telecom:
        role["telecom"] = telecom
    return role


def _place(row: Row, number: int) -> str:
    """Write an address or a place of a provider as one would read it."""
    positions = (4, 7, 8, 1, 2, 3, 9) if number == 4 else (1, 2, 3, 9, 4, 5, 6)
    parts = [row.text(number, position, to=f"{_ROLE}.location.display") for position in positions]
    return ", ".join(part for part in parts if part)


def _own_notes(reading: Reading) -> list[Row]:
    """Give the notes of the referral itself: those after the last PV1 or PV2, which belong to nothing else."""
    found: list[Row] = []
    after = False
    for segment in reading.message.segments:
        after = segment.name in {"PV1", "PV2"} or (after and segment.name == "NTE")
        if after and segment.name == "NTE":
            found.append(reading.row(segment))
    return found
