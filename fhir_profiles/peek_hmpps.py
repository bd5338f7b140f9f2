"""What an HMPPS domain event alone says: an Envelope, or a Refusal. Cheap, pure and total. It must never put content into an issue."""

import hashlib
from typing import Final

from fhir_profiles.fhir_json import FhirJsonError
from fhir_profiles.hmpps import KIND, SENDER, event_of
from fhir_profiles.shapes import AcknowledgementMode, Envelope, Issue, Json, Refusal, RefusalCode, Severity

EVENTS: Final = (
    "prisoner.received",
    "prisoner.released",
    "prisoner.merged",
    "prisoner.booking.moved",
    "prisoner.cell.move",
    "person.alert.created",
    "person.alert.updated",
    "person.alert.inactivated",
    "person.alert.deleted",
)
"""The events that are read, without their feed."""


def peek_hmpps(content: Json, body: bytes) -> Envelope | Refusal:
    """Read one event, bare or in its SNS envelope. Never raises."""
    try:
        event = event_of(content)
    except FhirJsonError:
        return _refusal(RefusalCode.UNREADABLE, "Message", "what the envelope holds is no JSON object", "structure")
    if event.name not in EVENTS:
        text = f"this event is not supported; supported are {', '.join(EVENTS)}"
        return _refusal(RefusalCode.EVENT_UNSUPPORTED, "eventType", text, "not-supported")
    key = ("sns", event.message_id) if event.message_id else ("digest", hashlib.sha256(body).hexdigest())
    return Envelope(
        kind=KIND,
        event=event.event_type,
        message_id=key[1],
        key=key,
        sender=SENDER,
        establishment=event.establishment,
        persons=event.persons(),
        acknowledgement=AcknowledgementMode.ORIGINAL,
    )


def _refusal(code: RefusalCode, path: str, text: str, issue: str) -> Refusal:
    found = Issue(severity=Severity.FATAL, code=issue, path=path, text=text)
    return Refusal(code=code, issues=(found,), kind=KIND, sender=SENDER)
