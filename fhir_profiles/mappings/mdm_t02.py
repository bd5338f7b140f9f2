"""MDM^T02, a document with its content: a DocumentReference. It must never take what a document says for a fact of the record.

What is in it is not read: it is carried as it was sent, to whom a document may go. A label that nothing gives it counts as every label.
"""

from base64 import b64encode
from typing import Final

from fhir_profiles import systems
from fhir_profiles.hl7_times import fhir_instant
from fhir_profiles.hl7v2 import NULL
from fhir_profiles.ids import PATIENT_REFERENCE, stable_id
from fhir_profiles.mappings.annotation import remark
from fhir_profiles.mappings.confidential import Confidential, labelled
from fhir_profiles.mappings.datatypes import (
    coding,
    concept,
    establishment_extension,
    order_identifier,
    practitioner,
    practitioners,
    slug,
    universal_id,
)
from fhir_profiles.mappings.encounter import happened, named_stay
from fhir_profiles.mappings.field_ledger import Row, keep_order
from fhir_profiles.mappings.observation_value import DOCUMENTS, attachment
from fhir_profiles.mappings.person import add_patient, identity_hold
from fhir_profiles.mappings.reading import Reading, open_message
from fhir_profiles.shapes import Channel, Event, HoldCode, Json, Translation

_TO: Final = "DocumentReference"
_COMPLETION: Final = {
    **dict.fromkeys(("AU", "LA", "DO"), "final"),
    **dict.fromkeys(("DI", "IP", "IN", "PA"), "preliminary"),
}
"""TXA-17, HL7 table 0271: legally authenticated, authenticated and documented are final."""
_RESULT_STATUS: Final = {
    "F": "final",
    "P": "preliminary",
    "A": "amended",
    "C": "amended",
    "D": "entered-in-error",
    "W": "entered-in-error",
}
_GONE: Final = {"CA": "entered-in-error", "OB": "superseded"}
"""TXA-19, HL7 table 0273: deleted and obsolete; anything else is current."""
_CONFIDENTIALITY: Final = {"R": "R", "V": "V", "U": "N"}
"""TXA-18, HL7 table 0272."""


def translate(channel: Channel, body: bytes) -> Translation:
    """Translate one MDM^T02. Never raises; bytes that cannot be read are held."""
    reading = open_message(channel, body)
    if isinstance(reading, Translation):
        return reading
    hold = identity_hold(reading)
    add_patient(reading)
    stay = named_stay(reading, to=_TO, at="context.encounter")
    if hold is None or hold.code is not HoldCode.TWO_PEOPLE:
        _add_document(reading, stay)
    else:
        for name in ("TXA", "OBX", "ORC", "OBR", "NTE"):
            for row in reading.rows(name):
                row.leave_by("one-person")
    return reading.finish((Event.RECORD,), occurred=happened(reading, None), hold=hold)


def _add_document(reading: Reading, stay: Json | None) -> None:
    """Add the DocumentReference of the first TXA with the content of all OBX; without one the message has no document, with an issue."""
    row = reading.first("TXA")
    if row is None:
        return
    for other in reading.rows("TXA")[1:]:
        other.leave("a second document header: the first counts")
    labels = Confidential((order,) for order in reading.rows("ORC")).labels(
        to=_TO
    )  # whatever it is that the document is of
    for name in ("ORC", "OBR", "TQ1"):
        for order in reading.rows(name):
            order.leave_by("told-once")
    resource: Json = {"resourceType": _TO, "id": stable_id(_TO, reading.sender, *_name(reading, row))}
    confidentiality = _CONFIDENTIALITY.get(row.peek(18).upper())
    if reading.establishment is not None:
        resource["extension"] = [establishment_extension(reading.establishment)]
    _identifiers(row, resource)
    resource["status"] = _GONE.get(row.text(19, to=f"{_TO}.status").upper(), "current")
    completion = _COMPLETION.get(row.text(17, to=f"{_TO}.docStatus").upper())
    if completion is not None:
        resource["docStatus"] = completion
    kind = concept(row, 2, to=f"{_TO}.type")
    if kind is not None:
        resource["type"] = kind
    resource["subject"] = {"reference": PATIENT_REFERENCE}
    _who_and_when(reading, row, resource)
    if confidentiality is not None:
        row.mapped(18, to=f"{_TO}.securityLabel")
        resource["securityLabel"] = [{"coding": [coding(systems.CONFIDENTIALITY, confidentiality)]}]
    _context(reading, row, stay, resource)
    _content(reading, row, resource)
    reading.resources.append(labelled(resource, labels))


def _name(reading: Reading, row: Row) -> tuple[str, ...]:
    """Name the document: its unique number (TXA-12), else its file name, else the message."""
    for number in (12, 16):
        written = [row.peek(number, position) for position in (1, 2, 3)]
        if any(written):
            return str(number), *written
    return "message", reading.message.get("MSH-10") or ""


def _identifiers(row: Row, resource: Json) -> None:
    value_ = row.text(12, to=f"{_TO}.masterIdentifier.value") or row.text(12, 3, to=f"{_TO}.masterIdentifier.value")
    if value_:
        namespace = row.text(12, 2, to=f"{_TO}.masterIdentifier.system")
        master: Json = {"system": systems.LOCAL_ID + "document" + (f"/{slug(namespace)}" if namespace else "")}
        universal = row.text(12, 3, to=f"{_TO}.masterIdentifier.assigner")
        kind = row.text(12, 4, to=f"{_TO}.masterIdentifier.assigner") if universal else ""
        assigned: Json = {"assigner": universal_id(universal, kind)} if universal and universal != value_ else {}
        resource["masterIdentifier"] = {**master, "value": value_, **assigned}
    name = row.text(16, to=f"{_TO}.identifier")
    if name:
        resource["identifier"] = [{"system": systems.LOCAL_ID + "document-file", "value": name}]
    parent = row.text(13, to=f"{_TO}.relatesTo.target.identifier") or row.text(
        13, 3, to=f"{_TO}.relatesTo.target.identifier"
    )
    if parent:
        namespace = row.text(13, 2, to=f"{_TO}.relatesTo.target.identifier")
        system = systems.LOCAL_ID + "document" + (f"/{slug(namespace)}" if namespace else "")
        target: Json = {"type": _TO, "identifier": {"system": system, "value": parent}}
        resource["relatesTo"] = [{"code": "replaces", "target": target}]


def _who_and_when(reading: Reading, row: Row, resource: Json) -> None:
    """Read when it was written (TXA-6, else TXA-4), who wrote it (TXA-9, else TXA-5) and who answers for it (TXA-10)."""
    written = fhir_instant(row.peek(6), row.zone) or fhir_instant(row.peek(4), row.zone)
    if written is not None:
        row.mapped(6 if fhir_instant(row.peek(6), row.zone) else 4, 1, to=f"{_TO}.date")
        resource["date"] = written
    authors = practitioners(row, 9, to=f"{_TO}.author") or practitioners(row, 5, to=f"{_TO}.author")
    if authors:
        resource["author"] = authors
    answers = practitioner(row, 10, to=f"{_TO}.authenticator")
    if answers is not None:
        resource["authenticator"] = answers
    title = row.text(25, to=f"{_TO}.description")
    notes = reading.rows("NTE")
    keep_order(notes, to=f"{_TO}.description")
    remarks = [said for note in notes if (said := remark(note, to=f"{_TO}.description"))]
    if title or remarks:
        resource["description"] = "\n".join([*([title] if title else []), *remarks])


def _context(reading: Reading, row: Row, stay: Json | None, resource: Json) -> None:
    context: Json = {"encounter": [stay]} if stay is not None else {}
    activity = reading.date_time(row, 4, to=f"{_TO}.context.period.start")
    if activity is not None:
        context["period"] = {"start": activity}
    related = [
        {"identifier": item}
        for number, kind in ((14, "PLAC"), (15, "FILL"))
        if (item := order_identifier(row, number, kind=kind, to=f"{_TO}.context.related.identifier")) is not None
    ]
    if related:
        context["related"] = related
    if context:
        resource["context"] = context


def _content(reading: Reading, row: Row, resource: Json) -> None:
    """Read the OBX: documents as attachments, everything else as the lines of one text; FHIR asks for at least one attachment."""
    rows = reading.rows("OBX")
    keep_order(rows, to=f"{_TO}.content")
    title = row.peek(25)
    forms: list[Json] = []
    lines: list[str] = []
    categories: list[Json] = []
    for each in rows:
        each.text(2, to=f"{_TO}.content.attachment.contentType")
        kind = concept(each, 3, to=f"{_TO}.category")
        if kind is not None and kind not in categories:
            categories.append(kind)
        if each.peek(2).upper() in DOCUMENTS:
            form = attachment(reading, each, to=f"{_TO}.content.attachment")
            forms += [form] if form is not None else []
        else:
            lines += _lines(each)
    if categories:
        resource["category"] = categories
    if lines:
        text = "\n".join(lines).encode("utf-8", "replace")
        forms.insert(0, {"contentType": "text/plain; charset=utf-8", "data": b64encode(text).decode("ascii")})
    if not forms:
        reading.warn("OBX-5", "a document without a content that can be read")
        forms = [{"title": title or "a document without content"}]
    resource["content"] = [{"attachment": form} for form in forms]
    _status_of_lines(rows, resource)


def _lines(row: Row) -> list[str]:
    """Give the text of one OBX as a person would read it, each repetition a line."""
    row.mapped_field(5, to=f"{_TO}.content.attachment.data")
    sign = row.segment.delimiters.component
    found = []
    for repetition in row.segment.repetitions(5):
        parts = [row.message.text(part).strip() for part in repetition.split(sign)]
        found += " ".join(part for part in parts if part and part != NULL).split("\n")
    return found


def _status_of_lines(rows: list[Row], resource: Json) -> None:
    """Read OBX-11 where TXA-17 does not say how complete the document is; the words that agree are carried by it."""
    for row in rows:
        status = _RESULT_STATUS.get(row.peek(11).upper())
        if status is not None and resource.setdefault("docStatus", status) == status:
            row.text(11, to=f"{_TO}.docStatus")
