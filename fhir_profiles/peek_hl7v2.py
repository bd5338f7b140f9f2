"""What the bytes of an HL7 v2 message alone say: an Envelope, or a Refusal with code and place. Cheap, pure and total.

It must never look at a register, a store or a person's file, and never put content into an issue. Required are what the message structures of
HL7 v2.5.1 require and this line cannot do without; what can be held for a person (an unknown person, two people) is not refused here.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from fhir_profiles.hl7v2 import KEPT_BYTES, KEPT_MESSAGES, NULL, Hl7Error, Message, Segment, parse, path_of, standard
from fhir_profiles.limits import MAX_BODY_BYTES
from fhir_profiles.shapes import (
    AcknowledgementMode,
    Channel,
    Envelope,
    Issue,
    Refusal,
    RefusalCode,
    Severity,
)
from fhir_profiles.v2_identity import establishment_of, persons_of, sender_of

KINDS: Final = (
    "ADT^A01",
    "ADT^A02",
    "ADT^A03",
    "ADT^A04",
    "ADT^A05",
    "ADT^A06",
    "ADT^A07",
    "ADT^A08",
    "ADT^A11",
    "ADT^A13",
    "ADT^A14",
    "ADT^A16",
    "ADT^A21",
    "ADT^A22",
    "ADT^A28",
    "ADT^A31",
    "ADT^A34",
    "ADT^A40",
    "ADT^A44",
    "ADT^A45",
    "MDM^T02",
    "OML^O21",
    "OMP^O09",
    "ORU^R01",
    "PPR^PC1",
    "RAS^O17",
    "RDE^O11",
    "RDE^O01",
    "RDS^O13",
    "REF^I12",
)
"""Every kind that has a mapping. RDE^O01 is how HL7 v2.2 to v2.4 write RDE^O11."""

_SUPPORTED: Final = ", ".join(KINDS)
_TYPES: Final = frozenset(kind.split("^")[0] for kind in KINDS)
_VERSION: Final = re.compile(r"2\.[1-8](?:\.[0-9]+)?")
_PERSONS: Final = ("ADT^A28", "ADT^A31")
"""About a person and no stay: the standard asks for a PV1, and senders leave it out."""
_TWO_RECORDS: Final = ("ADT^A34", "ADT^A40", "ADT^A44", "ADT^A45")
_SEGMENTS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys([kind for kind in KINDS if kind.startswith("ADT^")], ("EVN", "PID", "PV1")),
    **dict.fromkeys(_PERSONS, ("EVN", "PID")),
    **dict.fromkeys(_TWO_RECORDS, ("EVN", "PID", "MRG")),
    "MDM^T02": ("EVN", "PID", "TXA", "OBX"),
    "OML^O21": ("ORC", "OBR"),
    "OMP^O09": ("ORC", "RXO"),
    "ORU^R01": ("OBR",),
    "PPR^PC1": ("PID", "PRB"),
    "RAS^O17": ("ORC", "RXA"),
    "RDE^O11": ("ORC", "RXE"),
    "RDE^O01": ("ORC", "RXE"),
    "RDS^O13": ("ORC", "RXD"),
    "REF^I12": ("PID", "PRD"),
}
_FIELDS: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    **dict.fromkeys(_TWO_RECORDS, (("MRG", 1),)),
    "OML^O21": (("OBR", 4),),
    "OMP^O09": (("ORC", 1), ("RXO", 1)),
    "ORU^R01": (("OBR", 4),),
    "PPR^PC1": (("PRB", 1), ("PRB", 3)),
    "RAS^O17": (("ORC", 1), ("RXA", 3), ("RXA", 5)),
    "RDE^O11": (("ORC", 1), ("RXE", 2)),
    "RDE^O01": (("ORC", 1), ("RXE", 2)),
    "RDS^O13": (("ORC", 1), ("RXD", 2)),
}
_ISSUE_CODES: Final = {
    RefusalCode.TOO_LARGE: "too-long",
    RefusalCode.SEGMENT_MISSING: "required",
    RefusalCode.FIELD_MISSING: "required",
    RefusalCode.TYPE_UNSUPPORTED: "not-supported",
    RefusalCode.EVENT_UNSUPPORTED: "not-supported",
    RefusalCode.VERSION_UNSUPPORTED: "not-supported",
    RefusalCode.VALUE_INVALID: "value",
}


def peek_hl7v2(channel: Channel, body: bytes) -> Envelope | Refusal:
    """Read one message. Never raises: whatever the bytes are, the answer is an Envelope or a Refusal.

    `channel` decides nothing here; it stands in the signature because every peek has it.
    """
    del channel
    return _lately_peeked(body) if len(body) <= KEPT_BYTES else _peek(body)


@lru_cache(maxsize=KEPT_MESSAGES)
def _lately_peeked(body: bytes) -> Envelope | Refusal:
    return _peek(body)


def _peek(body: bytes) -> Envelope | Refusal:
    if len(body) > MAX_BODY_BYTES:
        return _refusal(
            _header_alone(body), RefusalCode.TOO_LARGE, "MSH", f"the message is larger than {MAX_BODY_BYTES} bytes"
        )
    try:
        message = parse(body)
    except Hl7Error as error:
        return _refusal(_header_alone(body), RefusalCode(error.code), error.path, error.text)
    kind = _kind(message)
    problem = next(_problems(message, kind), None)
    if problem is not None:
        return _refusal(message, *problem)
    return _envelope(message, kind)


def _kind(message: Message) -> str:
    """Read MSH-9; old senders leave the event to EVN-1, or it follows from the type."""
    header = message.segments[0]
    kind = header.raw_value(9).strip()
    event = header.raw_value(9, 1, 2).strip()
    if not event and kind == "ADT":
        evn = message.first("EVN")
        event = evn.raw_value(1).strip() if evn is not None else ""
    if not event:
        event = {
            "MDM": "T02",
            "OML": "O21",
            "OMP": "O09",
            "ORU": "R01",
            "PPR": "PC1",
            "RAS": "O17",
            "RDE": "O01",
            "RDS": "O13",
            "REF": "I12",
        }.get(kind, "")
    return f"{kind}^{event}" if event else kind


def _problems(message: Message, kind: str) -> Iterator[tuple[RefusalCode, str, str]]:
    """Give what is wrong, the worst first: (code, place, sentence without content)."""
    header = message.segments[0]
    if len(message.all("MSH")) > 1:
        yield RefusalCode.STRUCTURE_INVALID, "MSH[2]", "one message at a time: there is a second MSH segment"
    for number in (9, 10, 11, 12):
        if not header.raw_value(number).strip():
            yield RefusalCode.FIELD_MISSING, f"MSH-{number}", f"MSH-{number} is required"
    if kind.split("^", maxsplit=1)[0] not in _TYPES:
        yield RefusalCode.TYPE_UNSUPPORTED, "MSH-9.1", f"this message type is not supported; supported are {_SUPPORTED}"
    if kind not in KINDS:
        yield RefusalCode.EVENT_UNSUPPORTED, "MSH-9.2", f"this event is not supported; supported are {_SUPPORTED}"
    if _VERSION.fullmatch(header.raw_value(12).strip()) is None:
        yield RefusalCode.VERSION_UNSUPPORTED, "MSH-12", "this version is not supported; supported are 2.1 to 2.8"
    for name in _SEGMENTS.get(kind, ()):
        if not message.all(name):
            yield RefusalCode.SEGMENT_MISSING, name, f"{kind} requires a segment {name}"
    for name, number in _FIELDS.get(kind, ()):
        yield from _missing(message.all(name), number)


def _missing(segments: list[Segment], number: int) -> Iterator[tuple[RefusalCode, str, str]]:
    for segment in segments:
        if not segment.field(number).strip():
            path = path_of(segment.name, segment.occurrence, number, 1, 0, 0)
            yield RefusalCode.FIELD_MISSING, path, f"{segment.name}-{number} is required"


def _envelope(message: Message, kind: str) -> Envelope:
    header = message.segments[0]
    enhanced = any(_value(message, number) not in {"", NULL} for number in (15, 16))
    message_id = _value(message, 10)
    applications = {number: standard(header.field(number), message.delimiters) for number in (3, 4, 5, 6)}
    return Envelope(
        kind=kind,
        event=kind.partition("^")[2],
        message_id=message_id,
        key=(applications[3], applications[4], message_id),
        sender=sender_of(message),
        establishment=establishment_of(message),
        persons=persons_of(message),
        acknowledgement=AcknowledgementMode.ENHANCED if enhanced else AcknowledgementMode.ORIGINAL,
        accept_when=_value(message, 15),
        application_when=_value(message, 16),
        processing_id=_value(message, 11),
        version=_value(message, 12),
        sending_application=applications[3],
        sending_facility=applications[4],
        receiving_application=applications[5],
        receiving_facility=applications[6],
        speaks_of_consent=bool(message.all("CON")),
    )


def _value(message: Message, number: int) -> str:
    return message.text(message.segments[0].raw_value(number)).strip()


def _header_alone(body: bytes) -> Message | None:
    """Read only the MSH of a message that cannot be read as a whole, so that the acknowledgement can name it."""
    found = re.search(rb"MSH[^\r\n]*", body[:65_536])
    try:
        # Field 18 is cut away: a character set that is not supported must not hide the message id.
        return parse(b"\x7c".join(found.group().split(b"\x7c")[:17])) if found is not None else None
    except Hl7Error:
        return None


def _refusal(message: Message | None, code: RefusalCode, path: str, text: str) -> Refusal:
    issue = Issue(severity=Severity.FATAL, code=_ISSUE_CODES.get(code, "structure"), path=path, text=text)
    if message is None:
        return Refusal(code=code, issues=(issue,))
    envelope = _envelope(message, _kind(message))
    return Refusal(
        code=code,
        issues=(issue,),
        kind=envelope.kind,
        message_id=envelope.message_id,
        sender=envelope.sender,
        acknowledgement=envelope.acknowledgement,
        accept_when=envelope.accept_when,
        application_when=envelope.application_when,
        processing_id=envelope.processing_id,
        version=envelope.version,
        sending_application=envelope.sending_application,
        sending_facility=envelope.sending_facility,
        receiving_application=envelope.receiving_application,
        receiving_facility=envelope.receiving_facility,
    )
