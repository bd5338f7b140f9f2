"""What a recipient's reply says, and by which names it can mean a letter of ours. Pure; it must never decide what follows.

A reply is a FHIR message with `MessageHeader.response` (http://hl7.org/fhir/R4/messageheader.html). `ok` says that the letter was taken and
processed, `fatal-error` that it never will be, `transient-error` that it should be sent again. Services differ in which id they repeat in
`response.identifier`: the MessageHeader's (R4), the Bundle's (BaRS), or the business identifier; all three are names of ours.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fhir_profiles.fhir_json import FhirJsonError, decode
from fhir_profiles.fhir_message import entries_of, header_of, object_of, text_of
from fhir_profiles.wires.envelope import derived_uuid

MAX_REPLY_BYTES: Final = 1_048_576
"""A reply in the answer of a request is read up to here; a longer one counts as none."""


class ReplyCode(StrEnum):
    """MessageHeader.response.code (http://hl7.org/fhir/R4/valueset-response-code.html)."""

    OK = "ok"
    TRANSIENT_ERROR = "transient-error"
    FATAL_ERROR = "fatal-error"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one reply says: `identifier` as written, without `urn:uuid:`."""

    identifier: str
    code: ReplyCode

    def means(self, delivery_id: str) -> bool:
        """Is this letter the one that it answers?"""
        return self.identifier in names_of(delivery_id)


def names_of(delivery_id: str) -> frozenset[str]:
    """Every id by which a recipient can name a letter: the delivery's, and those of its Bundle and MessageHeader."""
    return frozenset({delivery_id, derived_uuid(delivery_id, "bundle"), derived_uuid(delivery_id, "message-header")})


def read_reply(body: bytes) -> Reply | None:
    """Read a reply. None for anything else: no FHIR message, no response in its header, or a code that R4 does not have. Never raises."""
    if not body or len(body) > MAX_REPLY_BYTES:
        return None
    try:
        bundle = decode(body)
    except FhirJsonError:
        return None
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "message":
        return None
    header = header_of(entries_of(bundle))
    response = object_of(header.resource.get("response")) if header is not None else {}
    written, code = text_of(response.get("identifier")), text_of(response.get("code"))
    if not written or code not in set(ReplyCode):
        return None
    identifier = written.removeprefix("urn:uuid:")
    return Reply(identifier=identifier if len(identifier) == 20 else identifier.lower(), code=ReplyCode(code))
