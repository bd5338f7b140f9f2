"""Profile letter-header: the MessageHeader of a letter, with an event of ours and never one of electronic prescribing (from UK Core MessageHeader)."""

from collections.abc import Sequence
from typing import Final

from fhir_profiles import systems
from fhir_profiles.profiles.checking.spec import Profile
from fhir_profiles.shapes import Heading, Json

MESSAGE_EVENTS: Final = systems.LOCAL_CODE + "message-event"
MAILBOX: Final = "https://throughgate.example/mailbox"
"""Where a letter goes that its recipient collects: R4 wants an endpoint for every destination."""
GATEWAY: Final = "https://throughgate.example/gateway"
"""The source of a letter when the installation names no endpoint of its own."""


def _party(ods: str, name: str) -> Json:
    identifier = {"identifier": {"system": systems.ODS, "value": ods}} if ods else {}
    return {**identifier, **({"display": name} if name else {})}


def build(*, header_id: str, event: str, heading: Heading, focus: Sequence[str], reason: Json | None = None) -> Json:
    """Write the header; `event` is the kind of letter, `focus` the fullUrls that the letter is about, `reason` why it is told."""
    receiver = _party(heading.destination_ods, heading.destination_name)
    sender = _party(heading.sender_ods, heading.sender_name)
    destination: Json = {"endpoint": heading.destination_endpoint or MAILBOX}
    if heading.destination_name:
        destination = {"name": heading.destination_name, **destination}
    source: Json = {"endpoint": heading.sender_endpoint or GATEWAY}
    if heading.sender_name:
        source = {"name": heading.sender_name, **source}
    return {
        "resourceType": "MessageHeader",
        "id": header_id,
        "eventCoding": {"system": MESSAGE_EVENTS, "code": event},
        "destination": [{**destination, "receiver": receiver} if receiver else destination],
        **({"sender": sender} if sender else {}),
        "source": source,
        **({"reason": reason} if reason else {}),
        **({"focus": [{"reference": url} for url in focus]} if focus else {}),
    }


PROFILE: Final = Profile(name="letter-header", resource_type="MessageHeader")
