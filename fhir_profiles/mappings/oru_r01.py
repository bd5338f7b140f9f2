"""ORU^R01, results: a DiagnosticReport for each order (OBR) and an Observation for each result (OBX). Drug tests and other laboratory results.

The purpose of a drug test is read from OBR-31, else ORC-16, else OBR-13 (DESIGN section 6). It must never be guessed: a drug test without a
stated purpose raises a task, and is never reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import fhir_instant
from fhir_profiles.ids import PATIENT_REFERENCE, reference, stable_id
from fhir_profiles.label import keep_labels
from fhir_profiles.mappings import participation
from fhir_profiles.mappings.adt_details import add_observations
from fhir_profiles.mappings.annotation import annotations
from fhir_profiles.mappings.confidential import Confidential, labelled
from fhir_profiles.mappings.datatypes import (
    coding,
    concept,
    establishment_extension,
    order_identifier,
    practitioner,
    words,
)
from fhir_profiles.mappings.encounter import named_stay
from fhir_profiles.mappings.field_ledger import Row, keep_order
from fhir_profiles.mappings.observation import Order, observation
from fhir_profiles.mappings.observation_value import DOCUMENTS, attachment
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.mappings.specimen import as_it_came, rejected, specimen_of
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation
from fhir_profiles.terminology import is_drug_panel, substance_group, test_method, test_purpose

PROFILE: Final = systems.UK_CORE + "UKCore-DiagnosticReport-Lab"
_NOTE: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"
_STATUSES: Final = {
    "F": "final",
    "P": "preliminary",
    "C": "corrected",
    "X": "cancelled",
    "R": "partial",
    "A": "partial",
    "M": "partial",
    "S": "registered",
    "I": "registered",
    "O": "registered",
}
"""HL7 table 0123."""
_NOT_FINAL: Final = frozenset({"P", "R", "A", "M", "S", "I", "O"})


_NO_ORDER: Final = frozenset({"PID", "PV1", "PV2", "SPM"})
"""What follows them and is a note is none of an order, nor of a result."""


@dataclass(kw_only=True)
class Group:
    """The segments of one order as they stand in the message: each result with the notes that follow it."""

    orc: Row | None = None
    obr: Row | None = None
    specimens: list[Row] = field(default_factory=list)
    timings: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    people: list[Row] = field(default_factory=list)
    results: list[tuple[Row, list[Row]]] = field(default_factory=list)
    number: int = 1
    """The second order of the same number and code that is none of its corrections is the second."""

    def written(self) -> list[list[str]]:
        """Every field but the set ids, as it came."""
        rows = [self.obr, *self.specimens, *self.timings, *self.notes, *self.people]
        rows += [each for row, notes in self.results for each in (row, *notes)]
        order = [list(self.orc.fields)] if self.orc is not None else []
        return order + [[row.segment.name, *row.fields[2:]] for row in rows if row is not None]


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one ORU^R01. Never raises; bytes that cannot be read are held.

    When the message may be about two people, only the results before the second PID are translated: they are never mixed.
    """
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    visit = named_stay(reading, to="Observation")
    first_only = hold is not None and hold.code is HoldCode.TWO_PEOPLE
    occurred: str | None = None
    groups = told_apart(reading, orders(reading, first_only=first_only))
    keep_order([group.obr for group in groups if group.obr is not None], to="Bundle.entry")
    marked = Confidential((group.orc, group.obr) for group in groups)
    for group in groups:
        moment = add_results(reading, group, visit, marked)
        occurred = occurred or moment
    reading.resources[:] = each_once(reading.resources)
    return reading.finish((Event.TEST_RESULT,), occurred=occurred, hold=hold)


def orders(reading: Reading, *, first_only: bool) -> list[Group]:
    """Cut the message into orders: ORC or OBR begins one; NTE belongs to what it follows. An OBX before them is added at once."""
    groups: list[Group] = []
    outside: list[tuple[Row, list[Row]]] = []
    notes: list[Row] | None = None
    persons = 0
    for segment in reading.message.segments:
        row = reading.row(segment)
        persons += segment.name == "PID"
        if segment.name in _NO_ORDER:
            notes = None
        if first_only and persons > 1:
            row.leave_by("one-person")
        elif segment.name == "ORC" or (segment.name == "OBR" and (not groups or groups[-1].obr is not None)):
            is_order = segment.name == "ORC"
            groups.append(Group(orc=row if is_order else None, obr=None if is_order else row))
            notes = groups[-1].notes
        elif segment.name == "OBR":
            groups[-1].obr = row
        elif segment.name == "NTE" and notes is not None:
            notes.append(row)
        elif segment.name in participation.SEGMENTS and groups and not groups[-1].results:
            groups[-1].people.append(row)
        elif segment.name == "TQ1" and groups:
            groups[-1].timings.append(row)
        elif segment.name == "SPM" and groups:
            groups[-1].specimens.append(row)
        elif segment.name == "OBX" and groups and groups[-1].obr is not None:
            notes = []
            groups[-1].results.append((row, notes))
        elif segment.name == "OBX":
            notes = []
            outside.append((row, notes))
    if add_observations(reading, outside):
        reading.task("purpose-unknown")
    return [group for group in groups if group.obr is not None]


def told_apart(reading: Reading, groups: list[Group]) -> list[Group]:
    """Number the orders of one number and code: in the file each result has a name of its own, unless it corrects what was before it.

    The same order word for word is one. Anything else is an issue.
    """
    seen: dict[tuple[str, ...], list[Group]] = {}
    kept: list[Group] = []
    for group in groups:
        if group.obr is None:
            continue
        before = seen.setdefault(order_key(reading, group, group.obr), [])
        if any(group.written() == each.written() for each in before):
            for row in _rows(group):
                row.drop("the same order stands earlier in the message, word for word")
            continue
        if before:
            replaces = _replaces(group, before[-1])
            group.number = before[-1].number + (0 if replaces else 1)
            said = "the last counts where both have a result" if replaces else "both are kept"
            reading.warn(
                group.obr.place(3),
                f"two orders of this message have the same number and code and differ: {said}",
                code="duplicate",
            )
        before.append(group)
        kept.append(group)
    return kept


def _rows(group: Group) -> list[Row]:
    rows = [group.orc, group.obr, *group.specimens, *group.timings, *group.notes, *group.people]
    return [row for row in rows if row is not None] + [each for row, notes in group.results for each in (row, *notes)]


def _replaces(group: Group, before: Group) -> bool:
    """Does an order say anew what one before it said? A correction, or what is final of the same time as what was not."""
    if group.obr is None or before.obr is None:
        return False
    corrects = "C" in {group.obr.peek(25).upper(), *(row.peek(11).upper() for row, _ in group.results)}
    completes = group.obr.peek(25).upper() == "F" and before.obr.peek(25).upper() in _NOT_FINAL
    return corrects or (completes and group.obr.peek(7) == before.obr.peek(7))


def each_once(resources: Sequence[Json]) -> list[Json]:
    """Of resources of one name the last counts, with the labels of every one; a report keeps the results that the last does not name."""
    once: dict[str, Json] = {}
    for each in resources:
        if (before := once.get(each["id"])) is None:
            once[each["id"]] = each
            continue
        results = {result["reference"]: result for result in (*before.get("result", ()), *each.get("result", ()))}
        once[each["id"]] = keep_labels(before, each) | ({"result": list(results.values())} if results else {})
    return list(once.values())


def add_results(reading: Reading, group: Group, visit: Json | None, marked: Confidential) -> str | None:
    """Add the report and the results of one order, labelled as `marked` says; gives when the specimen was taken."""
    obr = group.obr
    if obr is None:
        return None
    labels = marked.labels(group.orc, obr, to="DiagnosticReport")
    report = labelled(_report(reading, group, obr), labels)
    order = _order(reading, group, obr, report, visit, labels)
    reading.resources.append(report)
    measured = [row for row, _ in group.results if row.peek(2).upper() not in DOCUMENTS]
    keep_order(measured, to="DiagnosticReport.result")
    forms: list[Json] = []
    results: list[Json] = []
    for row, notes in group.results:
        if row.peek(2).upper() in DOCUMENTS:
            form = attachment(reading, row, to="DiagnosticReport.presentedForm")
            forms += [form] if form is not None else []
            row.text(2, to="DiagnosticReport.presentedForm")
            continue
        resource = observation(reading, row, annotations(notes, to="Observation.note"), order)
        reading.resources.append(labelled(resource, labels))
        results.append({"reference": reference("Observation", resource["id"])})
    if results:
        report["result"] = results
    if forms:
        report["presentedForm"] = forms
    if order.drug_tests and order.purpose is None:
        reading.task("purpose-unknown")
    return order.taken


def _order(reading: Reading, group: Group, obr: Row, report: Json, visit: Json | None, labels: list[Json]) -> Order:
    """Read what the order says for all its results."""
    code = report["code"]
    panel = is_drug_panel(code) or substance_group(code) is not None
    purpose = test_purpose_of(reading, group, obr, to="Observation.category")
    if purpose is not None:
        report["category"].append({"coding": [coding(systems.TEST_PURPOSE, purpose)]})
    collected, specimen = specimen_of(reading, group.specimens, obr, order_key(reading, group, obr), labels)
    taken = collected or report.get("effectiveDateTime")
    if collected is not None and collected != report.get("effectiveDateTime"):
        obr.residual(7, 1, reason="the specimen says better when it was taken")
    if taken is not None:
        report["effectiveDateTime"] = taken
    if visit is not None:
        report["encounter"] = visit
    if specimen is not None and "reference" in specimen:
        report["specimen"] = [specimen]
    return Order(
        key=order_key(reading, group, obr),
        code=code,
        panel=panel,
        purpose=purpose,
        taken=taken,
        method=test_method(code),
        specimen=specimen,
        encounter=visit,
        rejected=rejected(group.specimens),
        remarks=as_it_came(group.specimens),
    )


def order_key(reading: Reading, group: Group, obr: Row) -> tuple[str, ...]:
    """Name the order: filler number, else placer number, of OBR or ORC; without any, the message and the place in it."""
    code = obr.peek(4) or obr.peek(4, 2)
    again = (str(group.number),) if group.number > 1 else ()
    for number in (3, 2):
        for row in (obr, group.orc):
            value = row.peek(number) if row is not None else ""
            if value and row is not None:
                return str(number), value, row.peek(number, 2), code, *again
    return "message", reading.message.get("MSH-10") or "", str(obr.segment.occurrence), code


def test_purpose_of(reading: Reading, group: Group, obr: Row, *, to: str) -> str | None:
    """Read the purpose of a drug test. The first place that names one counts; another that differs is an issue for a person."""
    found: list[tuple[Row, int, str]] = []
    for row, number in ((obr, 31), (group.orc, 16), (obr, 13)):
        for repetition in range(1, row.count(number) + 1) if row is not None else ():
            if row is None:
                continue
            parts = [{"code": row.peek(number, position, repetition)} for position in (1, 4)]
            texts = [{"text": row.peek(number, position, repetition)} for position in (1, 2, 5, 9)]
            purpose = test_purpose([*parts, *texts])
            if purpose is not None:
                row.mapped(number, 0, repetition, to=to)
                found.append((row, number, purpose))
    if not found:
        return None
    if len({purpose for _, _, purpose in found}) > 1:
        row, number, _ = found[0]
        reading.warn(row.place(number), "the order names more than one purpose of the test; the first counts")
        reading.task("purpose-conflict")
    return found[0][2]


def clinical_information(obr: Row, *, to: str) -> list[Json]:
    """Read OBR-13 in words, unless it is the purpose of a drug test: what the laboratory was told of the person is no purpose and no result."""
    found = []
    for repetition in range(1, obr.count(13) + 1):
        said = [obr.peek(13, part, repetition) for part in (1, 2, 9)]
        if test_purpose([{"code": said[0]}, *({"text": each} for each in said)]) is None:
            told = words(obr, 13, repetition, to=f"{to}.text")
            found += [{"text": f"clinical information, as written: {told}"}] if told else []
    return found


def _report(reading: Reading, group: Group, obr: Row) -> Json:
    to = "DiagnosticReport"
    code = concept(obr, 4, to=f"{to}.code") or {"text": "not stated"}
    resource: Json = {
        "resourceType": "DiagnosticReport",
        "id": stable_id("DiagnosticReport", reading.sender, *order_key(reading, group, obr)),
        "meta": {"profile": [PROFILE]},
    }
    extensions = [establishment_extension(reading.establishment)] if reading.establishment is not None else []
    notes = [
        *clinical_information(obr, to=f"{to}.extension.valueAnnotation"),
        *annotations(group.notes, to=f"{to}.extension.valueAnnotation"),
    ]
    extensions += [{"url": _NOTE, "valueAnnotation": note} for note in notes]
    if extensions:
        resource["extension"] = extensions
    identifiers = _identifiers(group, obr)
    if identifiers:
        resource["identifier"] = identifiers
    resource["status"] = _status(reading, obr)
    resource["category"] = _categories(obr)
    resource["code"] = code
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    taken = reading.date_time(obr, 7, to=f"{to}.effectiveDateTime")
    if taken is not None:
        resource["effectiveDateTime"] = taken
    issued = fhir_instant(obr.text(22, to=f"{to}.issued"), obr.zone)
    if issued is not None:
        resource["issued"] = issued
    interpreter = _interpreter(obr)
    if interpreter is not None:
        resource["resultsInterpreter"] = [interpreter]
    if group.orc is not None:
        group.orc.leave("about the handling of the order: kept in the original message")
    return resource


def _identifiers(group: Group, obr: Row) -> list[Json]:
    found: list[Json] = []
    for row in (obr, group.orc):
        for number, kind in ((2, "PLAC"), (3, "FILL")) if row is not None else ():
            item = (
                order_identifier(row, number, kind=kind, to="DiagnosticReport.identifier") if row is not None else None
            )
            if item is not None and item not in found:
                found.append(item)
    group_number = order_identifier(group.orc, 4, kind="PGN", to="DiagnosticReport.identifier") if group.orc else None
    return [*found, *([group_number] if group_number is not None else [])]


def _status(reading: Reading, obr: Row) -> str:
    written = obr.text(25, to="DiagnosticReport.status").upper()
    known = _STATUSES.get(written)
    if known is None and written:
        obr.unsupported(25, reason="not a value of table 0123")
        reading.warn(obr.place(25), "not a value of table 0123", code="code-invalid")
    return known or "unknown"


def _categories(obr: Row) -> list[Json]:
    categories: list[Json] = [{"coding": [coding(systems.DIAGNOSTIC_SERVICE, "LAB", "Laboratory")]}]
    section = obr.text(24, to="DiagnosticReport.category").upper()
    if section and section != "LAB":
        categories.append({"coding": [coding(systems.DIAGNOSTIC_SERVICE, section)]})
    return categories


def _interpreter(obr: Row) -> Json | None:
    """Read OBR-32 when it is written as HL7 v2.5 writes it: a name (CNN) in the subcomponents of the first component."""
    obr.minimise(32, 0, 1, rule="staff")
    parts = [obr.text(32, 1, 1, position, to="DiagnosticReport.resultsInterpreter") for position in (6, 3, 2)]
    display = " ".join(part for part in parts if part)
    if display:
        obr.text(32, 1, 1, 1, to="DiagnosticReport.resultsInterpreter")
        return {"type": "Practitioner", "display": display}
    return practitioner(obr, 32, to="DiagnosticReport.resultsInterpreter")
