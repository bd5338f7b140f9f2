"""The kinds of FHIR content that come in, by the bytes alone: a message, a reply, another Bundle, one resource. It must never judge the content."""

from typing import Final

from fhir_profiles.fhir_message import entries_of, header_of, object_of, text_of
from fhir_profiles.shapes import Channel, Json

MESSAGE: Final = "fhir-message"
RESPONSE: Final = "fhir-response"
"""A message that answers one of ours and brings nothing about anybody."""
BUNDLE: Final = "fhir-bundle"
RESOURCE: Final = "fhir-resource"
AS_MESSAGE: Final = frozenset({MESSAGE, RESPONSE})
"""What goes to `POST /fhir/$process-message`."""
BY_ITSELF: Final = frozenset({BUNDLE, RESOURCE})
"""What goes to `POST /fhir`: no id of the sender's says which repeat is which, so an Idempotency-Key or the bytes do."""
BUNDLE_TYPES: Final = ("collection", "transaction", "document")
_BARE: Final = frozenset(
    {
        "MessageHeader",
        "OperationOutcome",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Device",
        "Endpoint",
        "Location",
    }
)


def kind_of(content: Json) -> str:
    """Give the kind. A message with `MessageHeader.response` that also brings clinical content (EPS sends such ones) is a message."""
    if content.get("resourceType") != "Bundle":
        return RESOURCE
    if content.get("type") != "message":
        return BUNDLE
    entries = entries_of(content)
    header = header_of(entries)
    if header is None or not object_of(header.resource.get("response")):
        return MESSAGE
    return RESPONSE if {entry.kind for entry in entries} <= _BARE else MESSAGE


def sender_of_content(channel: Channel, content: Json) -> str:
    """Give who sends what has no MessageHeader: `meta.source` of the resource or Bundle, else the client that the channel has proven."""
    return text_of(object_of(content.get("meta")).get("source")) or channel.client or "unknown"
