"""PV1 and EVN as a UK Core Encounter: one stay in custody. It must never say what a departure means for the line; `adt_a03` does.

The stay is named by the visit number (PV1-19), else by the establishment: a later message about the stay supersedes the earlier one.
"""

from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import is_before
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.datatypes import (
    code_system,
    coding,
    concept,
    number_of,
    practitioner,
    practitioners,
    rest_of_identifier,
    slug,
    universal_id,
)
from fhir_profiles.mappings.field_ledger import Row
from fhir_profiles.mappings.reading import Reading
from fhir_profiles.shapes import Json

PROFILE: Final = systems.UK_CORE + "UKCore-Encounter"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PLANNED: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter"
_ARRIVAL: Final = "http://hl7.org/fhir/StructureDefinition/encounter-modeOfArrival"
_CLASSES: Final = {
    "I": ("IMP", "inpatient encounter"),
    "O": ("AMB", "ambulatory"),
    "E": ("EMER", "emergency"),
    "P": ("PRENC", "pre-admission"),
}


def encounter(reading: Reading, *, status: str) -> Json:
    """Make the Encounter of the message's PV1 and EVN, with `status` (in-progress, finished)."""
    row = reading.first("PV1")
    visit = row.peek(19) if row is not None else ""
    parts = (reading.sender, "visit", visit) if visit else (reading.sender, "stay", reading.establishment or "")
    resource: Json = {
        "resourceType": "Encounter",
        "id": stable_id("Encounter", *parts),
        "meta": {"profile": [PROFILE]},
        "status": status,
        "subject": {"reference": PATIENT_REFERENCE},
    }
    if reading.establishment is not None:
        identifier = {"system": systems.AGENCY, "value": reading.establishment}
        resource["serviceProvider"] = {"type": "Organization", "identifier": identifier}
    if row is None:
        resource["class"] = coding(systems.DATA_ABSENT, "unknown")
        return resource
    more = reading.first("PV2")
    row.residual(1, 0, reason="sequence number of the segment")
    resource["class"] = _class(row)
    _identifiers(row, resource)
    _places(row, more, resource)
    service = concept(row, 10, to="Encounter.serviceType")
    if service is not None:
        resource["serviceType"] = service
    participants = _participants(row, more)
    if participants:
        resource["participant"] = participants
    kind = concept(row, 4, to="Encounter.type")
    if kind is not None:
        resource["type"] = [kind]
    admission = _hospitalization(row)
    if admission:
        resource["hospitalization"] = admission
    if more is not None:
        _more(reading, more, resource)
    if more is not None and _is_protected(reading, more):
        resource["meta"]["security"] = [coding(systems.CONFIDENTIALITY, "R")]
    return resource


def _is_protected(reading: Reading, row: Row) -> bool:
    """Read PV2-22, the protection of the stay (HL7 table 0136), which is less than that of the whole record."""
    said = row.text(22, to="Encounter.meta.security").upper()
    if said not in {"", "Y", "N"}:
        row.unsupported(22, reason="not Y or N")
        reading.warn(row.place(22), "not Y or N: say whether the stay is protected", code="code-invalid")
    return said == "Y"


def _participants(row: Row, more: Row | None) -> list[Json]:
    """Read who attends, refers, consults and admits, and others who care (PV1), and the source of the referral (PV2-13)."""
    to = "Encounter.participant.individual"
    places = [(row, number, role) for number, role in ((7, "ATND"), (8, "REF"), (9, "CON"), (17, "ADM"), (52, "PART"))]
    places += [(more, 13, "REF")] if more is not None else []
    return [
        {"type": [{"coding": [coding(_PARTICIPATION, role)]}], "individual": each}
        for segment, number, role in places
        if segment.has(number)
        for each in practitioners(segment, number, to=to)
    ]


def _hospitalization(row: Row) -> Json:
    """Read the beginning of the stay and what it needs: readmission, source, arrangements, diet, and the number given before it."""
    to = "Encounter.hospitalization"
    found: Json = {}
    before = _identifier(row, 5, 1, to=f"{to}.preAdmissionIdentifier")
    if before is not None:
        found["preAdmissionIdentifier"] = before
    for number, name in ((14, "admitSource"), (13, "reAdmission")):
        item = concept(row, number, to=f"{to}.{name}")
        if item is not None:
            found[name] = item
    for number, name in ((15, "specialArrangement"), (38, "dietPreference")):
        items = [
            item
            for repetition in range(1, row.count(number) + 1)
            if (item := concept(row, number, repetition, to=f"{to}.{name}")) is not None
        ]
        if items:
            found[name] = items
    return found


def _more(reading: Reading, row: Row, resource: Json) -> None:
    """Read PV2: why the person came, when the stay is planned to begin and end, how long it was, how urgent it is."""
    reason = concept(row, 3, to="Encounter.reasonCode")
    if reason is not None:
        resource["reasonCode"] = [reason]
    priority = concept(row, 25, to="Encounter.priority")
    if priority is not None:
        resource["priority"] = priority
    days = number_of(row.peek(11))
    if days is not None:
        row.mapped(11, to="Encounter.length")
        resource["length"] = {"value": days, "unit": "day", "system": systems.UCUM, "code": "d"}
    planned: list[Json] = [
        {"url": f"{_PLANNED}.planned{edge}Date", "valueDateTime": moment}
        for edge, number in (("Start", 8), ("End", 9))
        if (moment := reading.date_time(row, number, to="Encounter.extension")) is not None
    ]
    if row.peek(38):
        code, display, named = (
            row.text(38, place, to=f"Encounter.extension.valueCoding.{name}")
            for place, name in ((1, "code"), (2, "display"), (3, "system"))
        )
        planned.append({"url": _ARRIVAL, "valueCoding": coding(code_system(named), code, display)})
    if planned:
        resource["extension"] = planned


def leave_stay(reading: Reading) -> None:
    """Leave the stay to the messages that are about it."""
    for row in (*reading.rows("PV1"), *reading.rows("PV2")):
        row.leave_by("told-once")


def named_stay(reading: Reading, *, to: str, at: str = "encounter") -> Json | None:
    """Give a Reference by visit number, for messages that name a stay and must not restate it; `to` is the resource that refers to it, in `at`.

    INVARIANT: what a result or a prescription says of the stay in passing is not carried: it may be older than what is on file (`told-once`).
    """
    leave_stay(reading)
    row = reading.first("PV1")
    if row is None:
        return None
    if reading.establishment is not None and row.peek(3, 4) == reading.establishment:
        row.text(3, 4, to=f"{to}.extension")
    value = row.text(19, to=f"{to}.{at}.identifier")
    if not value:
        return None
    authority = row.text(19, 4, to=f"{to}.{at}.identifier")
    return {"type": "Encounter", "identifier": {"system": _visit_system(authority), "value": value}}


def _visit_system(authority: str) -> str:
    return systems.LOCAL_ID + "visit" + (f"/{slug(authority)}" if authority else "")


def _class(row: Row) -> Json:
    written = row.text(2, to="Encounter.class").upper()
    known = _CLASSES.get(written)
    if known is not None:
        return coding(systems.ACT_CODE, *known)
    if written:
        return coding(systems.V2_TABLE + "0004", written)
    return coding(systems.DATA_ABSENT, "unknown")


def _identifiers(row: Row, resource: Json) -> None:
    """Read the visit number (PV1-19), other numbers of it (PV1-50), and the episode that it belongs to (PV1-54)."""
    found = [
        identifier
        for number in (19, 50)
        for repetition in range(1, row.count(number) + 1)
        if (identifier := _identifier(row, number, repetition, to="Encounter.identifier")) is not None
    ]
    if found:
        resource["identifier"] = found
    episode = _identifier(row, 54, 1, to="Encounter.episodeOfCare.identifier") if row.has(54) else None
    if episode is not None:
        resource["episodeOfCare"] = [{"type": "EpisodeOfCare", "identifier": episode}]


def _identifier(row: Row, number: int, repetition: int, *, to: str) -> Json | None:
    value = row.text(number, 1, repetition, to=f"{to}.value")
    if not value:
        return None
    authority = row.text(number, 4, repetition, to=f"{to}.system")
    kind = row.text(number, 5, repetition, to=f"{to}.type")
    typed: Json = {"type": {"coding": [coding(systems.V2_TABLE + "0203", kind)]}} if kind else {}
    rest = rest_of_identifier(row, number, repetition, to=to)
    return {**rest, **typed, "system": _visit_system(authority), "value": value}


def _places(row: Row, more: Row | None, resource: Json) -> None:
    """Read where the person is (PV1-3), was (PV1-6), is for the time being (PV1-11) and will be (PV1-42, PV2-1)."""
    facility = row.text(3, 4, to="Encounter.serviceProvider")
    provider = resource.get("serviceProvider")
    if facility and (provider is None or provider["identifier"]["value"] != facility):
        resource["serviceProvider"] = (provider or {"type": "Organization"}) | {"display": facility}
    here = location(row, 3, with_facility=False)
    found = [here] if here is not None else []
    places = [(row, 6, "completed"), (row, 43, "completed"), (row, 11, "active"), (row, 42, "reserved")]
    places += [(more, 1, "planned")] if more is not None else []
    for segment, number, status in places:
        place = location(segment, number) if segment.has(number) else None
        if place is not None:
            found.append(place | {"status": status})
    if found:
        resource["location"] = found


def location(row: Row, number: int, *, with_facility: bool = True) -> Json | None:
    """Read a PL as an Encounter.location: where inside the establishment, as a person would say it."""
    to = "Encounter.location.location.display"
    positions = (4, 7, 8, 1, 2, 3, 9) if with_facility else (7, 8, 1, 2, 3, 9)
    parts = [row.text(number, position, to=to) for position in positions]
    display = ", ".join(part for part in parts if part)
    if not display:
        return None
    kind = row.text(number, 6, to="Encounter.location.physicalType")
    place: Json = {"display": display}
    universal = row.text(number, 1, 1, 2, to="Encounter.location.location.identifier")
    if universal:
        named = universal_id(universal, row.text(number, 1, 1, 3, to="Encounter.location.location.identifier"))
        place = {**named, **place}
    return {"location": place} | ({"physicalType": {"text": kind}} if kind else {})


def period(reading: Reading, *, with_end: bool, planned: bool = False) -> Json:
    """Read PV1-44 and PV1-45. An end before its start is left out, with an issue: a wrong clock must not hold a release.

    `planned`: the message is no discharge, so that an end after it is a plan.
    """
    row = reading.first("PV1")
    if row is None:
        return {}
    result: Json = {}
    start = reading.date_time(row, 44, to="Encounter.period.start")
    if start is not None:
        result["start"] = start
    end = reading.date_time(row, 45, to="Encounter.period.end") if with_end else None
    sent = reading.time_of_message()
    if end is not None and planned and sent is not None and is_before(sent, end):
        row.residual(45, 0, reason="a day that had not come: a plan, and no end")
        reading.warn("PV1-45", "the discharge lies after the message: it is a plan, and does not end the stay")
    elif end is not None and start is not None and is_before(end, start):
        row.unsupported(45, reason="the end lies before the start")
        reading.warn("PV1-45", "the discharge lies before the admission, and was left out of the period")
    elif end is not None:
        result["end"] = end
    return result


def happened(reading: Reading, moment: str | None) -> str | None:
    """Say when the event took place: the visit's own time, else EVN-6 (occurred), else EVN-2 (recorded)."""
    event = reading.first("EVN")
    if event is None:
        return moment
    named = reading.message.get("MSH-9.2")
    if named and event.has(1) and event.peek(1) != named:
        reading.warn("EVN-1", "EVN-1 names another event than MSH-9, which counts", code="business-rule")
    else:
        event.text(1, to="Translation.events")
    reading.recorded_by = practitioner(event, 5, to="Provenance.agent.who")
    reading.reason = concept(event, 4, to="Provenance.reason")
    event.leave("about the recording of the event: kept in the original message")
    occurred = reading.date_time(event, 6, to="Translation.occurred")
    recorded = reading.date_time(event, 2, to="Translation.occurred")
    if event.peek(7) == reading.establishment:
        event.text(7, to="Translation.establishment")
    when = moment or occurred or recorded
    for number, read in ((6, occurred), (2, recorded)):
        if read is not None and read != when:
            event.residual(number, reason="the message says better when it happened")
    return when
