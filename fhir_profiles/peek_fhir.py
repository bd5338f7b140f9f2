"""What the bytes of FHIR content alone say: an Envelope, or a Refusal with code and place. Cheap, pure and total.

It takes a Bundle of type message whose first entry is a MessageHeader, with any event; a collection, transaction or document Bundle; one
resource that says whom it is about. It must never validate the content (what is not valid R4 is held, not refused), look at a register, or
put content into an issue.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from fhir_profiles import systems
from fhir_profiles.fhir_json import FhirJsonError, JsonFault, decode
from fhir_profiles.fhir_kinds import AS_MESSAGE, BUNDLE, BUNDLE_TYPES, RESOURCE, kind_of, sender_of_content
from fhir_profiles.fhir_message import (
    Entry,
    bundle_id,
    entries_of,
    establishment_of,
    event_of,
    header_id,
    header_of,
    object_of,
    objects_of,
    person_identifiers,
    sender_of,
    text_of,
)
from fhir_profiles.fhir_transaction import transaction_problems
from fhir_profiles.file_types import ALONE
from fhir_profiles.hmpps import is_event
from fhir_profiles.limits import MAX_ENTRIES
from fhir_profiles.mappings.fhir_coded_consents import is_coded_consent
from fhir_profiles.mappings.fhir_naming import parts_of
from fhir_profiles.mappings.fhir_person import named_person
from fhir_profiles.peek_hmpps import peek_hmpps
from fhir_profiles.shapes import (
    AcknowledgementMode,
    Channel,
    Envelope,
    Issue,
    Json,
    PersonIdentifier,
    Refusal,
    RefusalCode,
    Severity,
)

_HEADER: Final = "Bundle.entry[0].resource"
_CODES: Final = {
    JsonFault.SIZE: (RefusalCode.TOO_LARGE, "too-long"),
    JsonFault.DEPTH: (RefusalCode.TOO_DEEP, "too-costly"),
    JsonFault.ROOT: (RefusalCode.STRUCTURE_INVALID, "structure"),
}
_ISSUE_CODES: Final = {
    RefusalCode.TYPE_UNSUPPORTED: "not-supported",
    RefusalCode.SEGMENT_MISSING: "required",
    RefusalCode.FIELD_MISSING: "required",
    RefusalCode.TOO_LARGE: "too-costly",
}
_Problem = tuple[RefusalCode, str, str]


def peek_fhir(channel: Channel, body: bytes) -> Envelope | Refusal:
    """Read one message, Bundle or resource. Never raises: whatever the bytes are, the answer is an Envelope or a Refusal.

    `channel` says only who sent what names no sender of its own.
    """
    try:
        content = decode(body)
    except FhirJsonError as fault:
        code, issue_code = _CODES.get(fault.code, (RefusalCode.UNREADABLE, "structure"))
        return Refusal(code=code, issues=(_fatal(issue_code, "Bundle", str(fault)),))
    if is_event(content):  # JSON too, and no FHIR
        return peek_hmpps(content, body)
    kind = kind_of(content)
    entries = entries_of(content)
    problem = next(_problems(content, kind, entries), None)
    if problem is not None:
        return _refusal(content, kind, entries, problem)
    if kind in AS_MESSAGE:
        return _of_message(content, kind, entries)
    return _of_content(channel, content, kind, entries, hashlib.sha256(body).hexdigest())


def _problems(content: Json, kind: str, entries: tuple[Entry, ...]) -> Iterator[_Problem]:
    """Give what is wrong, the worst first: (code, place, sentence without content)."""
    if kind == RESOURCE:
        if text_of(content.get("resourceType")) not in ALONE:
            text = f"this type of resource is not taken by itself; taken are {', '.join(sorted(ALONE))}, and Bundles"
            yield RefusalCode.TYPE_UNSUPPORTED, "Bundle", text
        return
    listed = content.get("entry")
    if isinstance(listed, list) and len(listed) > MAX_ENTRIES:
        yield RefusalCode.TOO_LARGE, "Bundle.entry", f"more than {MAX_ENTRIES} entries"
    if kind == BUNDLE:
        if content.get("type") not in BUNDLE_TYPES:
            text = f"this type of Bundle is not supported; supported are message, {', '.join(BUNDLE_TYPES)}"
            yield RefusalCode.TYPE_UNSUPPORTED, "Bundle.type", text
        if content.get("type") == "transaction":
            yield from transaction_problems(content)
        return
    header = header_of(entries)
    if header is None:
        yield RefusalCode.SEGMENT_MISSING, _HEADER, "a message begins with a MessageHeader (bdl-12)"
        return
    if not header_id(header):
        yield (
            RefusalCode.FIELD_MISSING,
            f"{_HEADER}.id",
            "a MessageHeader needs an id or a fullUrl, or a repeat cannot be told from a new message",
        )
    if not sender_of(header):
        yield RefusalCode.FIELD_MISSING, f"{_HEADER}.source.endpoint", "MessageHeader.source.endpoint is required"
    if not event_of(header):
        yield RefusalCode.FIELD_MISSING, f"{_HEADER}.event", "MessageHeader.eventCoding or eventUri is required"


def _of_message(bundle: Json, kind: str, entries: tuple[Entry, ...]) -> Envelope:
    header = header_of(entries)
    assert header is not None
    message_id = header_id(header)
    source = object_of(header.resource.get("source"))
    destination = next(iter(objects_of(header.resource.get("destination"))), {})
    return Envelope(
        kind=kind,
        event=event_of(header),
        message_id=message_id,
        key=(bundle_id(bundle, header), message_id),
        sender=sender_of(header),
        establishment=establishment_of(entries),
        persons=_persons(entries),
        acknowledgement=AcknowledgementMode.ORIGINAL,
        processing_id="T" if _is_test(bundle) or _is_test(header.resource) else "P",
        version="4.0.1",
        sending_application=text_of(source.get("name")) or text_of(source.get("software")),
        sending_facility=_identifier(header.resource.get("sender")),
        receiving_application=text_of(destination.get("endpoint")),
        receiving_facility=_identifier(destination.get("receiver")),
        speaks_of_consent=_speaks_of_consent(entries),
    )


def _of_content(channel: Channel, content: Json, kind: str, entries: tuple[Entry, ...], digest: str) -> Envelope:
    """What comes with no header: the digest of the bytes is its key, and `meta.source` or else the client is its sender."""
    whole = entries or (Entry(path=text_of(content.get("resourceType")), url="", resource=content),)
    identifier = text_of(object_of(content.get("identifier")).get("value")) if kind == BUNDLE else ""
    return Envelope(
        kind=kind,
        event="",
        message_id=identifier or text_of(content.get("id")) or digest,
        key=(digest,),
        sender=sender_of_content(channel, content),
        establishment=establishment_of(whole),
        persons=_persons(whole),
        acknowledgement=AcknowledgementMode.ORIGINAL,
        processing_id="T" if _is_test(content) else "P",
        version="4.0.1",
        speaks_of_consent=_speaks_of_consent(whole),
    )


def _speaks_of_consent(entries: tuple[Entry, ...]) -> bool:
    """INVARIANT: whatever the meaning registers as somebody's word is one here: a Consent, and a coded entry, which may be contained."""
    return any(
        entry.kind == "Consent"
        or is_coded_consent(entry.resource)
        or any(map(is_coded_consent, objects_of(entry.resource.get("contained"))))
        for entry in entries
    )


def _persons(entries: tuple[Entry, ...]) -> tuple[PersonIdentifier, ...]:
    """The numbers of every Patient; of whom the resources name, where none comes with them."""
    patients = [entry for entry in entries if entry.kind == "Patient"]
    if not patients:
        return named_person(parts_of(entries)).persons
    found: dict[tuple[str, str], PersonIdentifier] = {}
    for entry in patients:
        for identifier in person_identifiers(entry.resource, entry.path):
            found.setdefault((identifier.system, identifier.value), identifier)
    return tuple(found.values())


def _is_test(resource: Json) -> bool:
    """HTEST in meta.security marks test data (http://hl7.org/fhir/R4/resource.html#tag, HL7 v3-ActReason)."""
    security = objects_of(object_of(resource.get("meta")).get("security"))
    return any(label.get("system") == systems.ACT_REASON and label.get("code") == "HTEST" for label in security)


def _identifier(reference: object) -> str:
    return text_of(object_of(object_of(reference).get("identifier")).get("value"))


def _refusal(content: Json, kind: str, entries: tuple[Entry, ...], problem: _Problem) -> Refusal:
    """Keep what can still be read, so that the answer can name the message."""
    code, path, text = problem
    issues = (_fatal(_ISSUE_CODES.get(code, "structure"), path, text),)
    if kind == RESOURCE or header_of(entries) is None:
        return Refusal(code=code, issues=issues)
    known = _of_message(content, kind, entries)
    return Refusal(
        code=code,
        issues=issues,
        kind=kind,
        message_id=known.message_id,
        sender=known.sender,
        processing_id=known.processing_id,
        version=known.version,
        sending_application=known.sending_application,
        sending_facility=known.sending_facility,
        receiving_application=known.receiving_application,
        receiving_facility=known.receiving_facility,
    )


def _fatal(code: str, path: str, text: str) -> Issue:
    return Issue(severity=Severity.FATAL, code=code, path=path, text=text)
