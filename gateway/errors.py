"""What can go wrong, drawn once, and the only place that words it for a sender: HL7 acknowledgements and OperationOutcomes.

    ThroughgateError
    |-- SettingsError        a file of this installation does not fit: names the file and the key
    |-- AccessError          who calls may not: `unauthenticated`, `forbidden`
    |-- RequestError         the request cannot be taken: media type, size, time, method, no such thing
    |-- StoreUnavailable     nothing was kept: trying again can help
    `-- Overloaded           a declared limit is reached: nothing was kept, trying again later can help

A message that is refused is no exception: it is a `Fault` with issues, kept as `rejected`. Texts say what to fix.
They MUST NOT quote what was sent: no value of a field, no name, no identifier; only the sender's own MSH values are echoed to it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fhir_profiles.shapes import Envelope, Issue, Json, Refusal, RefusalCode, Severity


class Fault(StrEnum):
    """Why a message or a request is refused. The first ten are `fhir_profiles.shapes.RefusalCode`: the bytes alone."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    SEGMENT_MISSING = "segment-missing"
    FIELD_MISSING = "field-missing"
    TYPE_UNSUPPORTED = "type-unsupported"
    EVENT_UNSUPPORTED = "event-unsupported"
    VERSION_UNSUPPORTED = "version-unsupported"
    STRUCTURE_INVALID = "structure-invalid"
    VALUE_INVALID = "value-invalid"
    CLIENT_UNKNOWN = "client-unknown"
    SENDER_UNKNOWN = "sender-unknown"
    KIND_NOT_REGISTERED = "kind-not-registered"
    ESTABLISHMENT_MISSING = "establishment-missing"
    ESTABLISHMENT_NOT_REGISTERED = "establishment-not-registered"
    PROCESSING_ID_WRONG = "processing-id-wrong"
    ID_REUSED = "id-reused"
    DUPLICATE = "duplicate"
    UNDER_WAY = "under-way"
    IDS_REUSED = "ids-reused"
    IDS_MISSING = "ids-missing"
    STORE_UNAVAILABLE = "store-unavailable"
    OVERLOADED = "overloaded"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported"
    ENCODING_UNSUPPORTED = "encoding-unsupported"
    NOT_ACCEPTABLE = "not-acceptable"
    TOO_SLOW = "too-slow"
    REQUEST_INVALID = "request-invalid"
    INTERNAL = "internal"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one fault is answered.

    `original` and `accept` are the second letters of the acknowledgement in each mode: `E` (AE, CE) or `R` (AR, CR).
    `hl7` is a code of table 0357, `status` is HTTP, `issue` a FHIR issue type.
    """

    hl7: int
    original: str
    accept: str
    status: int
    issue: str
    text: str


TABLE_0357: Final = {
    0: "Message accepted",
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    201: "Unsupported event code",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}

_TEXTS: Final[dict[Fault, str]] = {
    Fault.UNREADABLE: "the message cannot be read: correct it and send it under a new id",
    Fault.TOO_LARGE: "the message is larger than this channel takes: send it in parts or without attachments",
    Fault.TOO_DEEP: "the message is nested deeper than is taken: flatten it",
    Fault.SEGMENT_MISSING: "a required segment is missing or out of order: add it",
    Fault.FIELD_MISSING: "a required field is empty: fill it",
    Fault.TYPE_UNSUPPORTED: "this type of message is not taken: do not send it again",
    Fault.EVENT_UNSUPPORTED: "this event is not taken: do not send it again",
    Fault.VERSION_UNSUPPORTED: "this version of the standard is not taken: send 2.1 to 2.8, or FHIR R4",
    Fault.STRUCTURE_INVALID: "the message is not built as the standard says: correct its structure",
    Fault.VALUE_INVALID: "a value has not the form of its data type: correct it",
    Fault.CLIENT_UNKNOWN: (
        "this channel's client is not registered here, or its registration has ended: ask the operator to register it"
    ),
    Fault.SENDER_UNKNOWN: (
        "the sending application and facility are not those of this channel: send from the registered ones, "
        "or ask the operator to add these"
    ),
    Fault.KIND_NOT_REGISTERED: (
        "this client is not registered for this kind of message: ask the operator to register the kind"
    ),
    Fault.ESTABLISHMENT_MISSING: (
        "the message names no establishment and this client is registered for several: give the three-letter agency id"
    ),
    Fault.ESTABLISHMENT_NOT_REGISTERED: (
        "this client is not registered for the establishment of the message: ask the operator to register it"
    ),
    Fault.PROCESSING_ID_WRONG: (
        "test and debugging messages are not taken on this channel: send processing id P, or use the test installation"
    ),
    Fault.ID_REUSED: (
        "this message id was used before with other content: give every new message a new id; repeat a "
        "message only unchanged"
    ),
    Fault.DUPLICATE: "this message was taken before: it is not processed a second time, and needs no further repeat",
    Fault.UNDER_WAY: "this message was taken and is being processed: ask again later, unchanged, if in doubt",
    Fault.IDS_REUSED: (
        "this X-Request-ID or Bundle.id was used before with other content: this message was not taken; give every "
        "new message new ids, and repeat a message only unchanged"
    ),
    Fault.IDS_MISSING: "X-Request-ID and X-Correlation-ID are required here, each a GUID: add them",
    Fault.STORE_UNAVAILABLE: "the message could not be kept: nothing was taken, send the same message again later",
    Fault.OVERLOADED: ("as much is unfinished here as may be: nothing was taken, send the same message again later"),
    Fault.UNAUTHENTICATED: "a bearer token of a registered client is needed: it is missing, unknown or has expired",
    Fault.FORBIDDEN: "this client is not registered for this: ask the operator",
    Fault.NOT_FOUND: "there is nothing here for this client",
    Fault.METHOD_NOT_ALLOWED: "this method is not served here: see the Allow header",
    Fault.MEDIA_TYPE_UNSUPPORTED: (
        "this media type is not taken: send application/fhir+json here, or application/hl7-v2+er7 to /hl7v2; "
        "XML is not served"
    ),
    Fault.ENCODING_UNSUPPORTED: "compressed bodies are not taken: send the body without Content-Encoding",
    Fault.NOT_ACCEPTABLE: "only JSON is served here: accept application/fhir+json",
    Fault.TOO_SLOW: "the body did not arrive in time: send it again",
    Fault.REQUEST_INVALID: "the request cannot be read: correct it",
    Fault.INTERNAL: "something failed here and nothing is known to be kept: send the same again later",
}

# reference: HL7 v2 chapter 2 section 2.9 and table 0357. "Not parseable, MSH readable" is AE or CR: CE would ask for a resend.
# The store being down is CE (a sender may try again) in enhanced mode and AR 207 in original mode.
_RULES: Final[dict[Fault, tuple[int, str, str, int, str]]] = {
    # fault: (table 0357, original mode, accept phase, HTTP, FHIR issue type)
    Fault.UNREADABLE: (102, "E", "R", 400, "structure"),
    Fault.TOO_LARGE: (102, "R", "R", 413, "too-long"),
    Fault.TOO_DEEP: (102, "E", "R", 400, "structure"),
    Fault.SEGMENT_MISSING: (100, "E", "R", 422, "required"),
    Fault.FIELD_MISSING: (101, "E", "R", 422, "required"),
    Fault.TYPE_UNSUPPORTED: (200, "R", "R", 422, "not-supported"),
    Fault.EVENT_UNSUPPORTED: (201, "R", "R", 422, "not-supported"),
    Fault.VERSION_UNSUPPORTED: (203, "R", "R", 422, "not-supported"),
    Fault.STRUCTURE_INVALID: (100, "E", "R", 422, "structure"),
    Fault.VALUE_INVALID: (102, "E", "R", 422, "value"),
    Fault.CLIENT_UNKNOWN: (204, "R", "R", 403, "forbidden"),
    Fault.SENDER_UNKNOWN: (204, "R", "R", 403, "forbidden"),
    Fault.KIND_NOT_REGISTERED: (201, "R", "R", 403, "forbidden"),
    Fault.ESTABLISHMENT_MISSING: (101, "E", "R", 422, "required"),
    Fault.ESTABLISHMENT_NOT_REGISTERED: (204, "R", "R", 403, "forbidden"),
    Fault.PROCESSING_ID_WRONG: (202, "R", "R", 422, "not-supported"),
    Fault.ID_REUSED: (205, "R", "R", 409, "duplicate"),
    Fault.DUPLICATE: (205, "R", "R", 409, "duplicate"),
    Fault.UNDER_WAY: (206, "R", "R", 425, "transient"),
    # 409 `duplicate` reads as success in that dialect: what was not taken must never get it.
    Fault.IDS_REUSED: (205, "R", "R", 400, "value"),
    Fault.IDS_MISSING: (101, "R", "R", 400, "required"),
    Fault.STORE_UNAVAILABLE: (207, "R", "E", 503, "transient"),
    Fault.OVERLOADED: (207, "R", "E", 503, "throttled"),
    Fault.UNAUTHENTICATED: (207, "R", "R", 401, "login"),
    Fault.FORBIDDEN: (207, "R", "R", 403, "forbidden"),
    Fault.NOT_FOUND: (207, "R", "R", 404, "not-found"),
    Fault.METHOD_NOT_ALLOWED: (207, "R", "R", 405, "not-supported"),
    Fault.MEDIA_TYPE_UNSUPPORTED: (207, "R", "R", 415, "not-supported"),
    Fault.ENCODING_UNSUPPORTED: (207, "R", "R", 415, "not-supported"),
    Fault.NOT_ACCEPTABLE: (207, "R", "R", 406, "not-supported"),
    Fault.TOO_SLOW: (207, "R", "R", 408, "timeout"),
    Fault.REQUEST_INVALID: (207, "R", "R", 400, "invalid"),
    Fault.INTERNAL: (207, "R", "E", 500, "exception"),
}

RULES: Final[dict[Fault, Rule]] = {
    fault: Rule(hl7=hl7, original=original, accept=accept, status=status, issue=issue, text=_TEXTS[fault])
    for fault, (hl7, original, accept, status, issue) in _RULES.items()
}

SEND_AGAIN: Final = frozenset({Fault.STORE_UNAVAILABLE, Fault.OVERLOADED, Fault.INTERNAL})
"""Nothing is known to be kept, and the same again later can succeed."""

_SAME_NAMES: Final = {code: Fault(code.value) for code in RefusalCode}


class ThroughgateError(Exception):
    """Base of the tree. The text is lower case, says what to do, and holds no patient data."""


class SettingsError(ThroughgateError):
    """A file of this installation does not fit. `file` and `key` say where (`channels.0.port`)."""

    def __init__(self, file: str, key: str, text: str) -> None:
        super().__init__(f"{file}: {key}: {text}" if key else f"{file}: {text}")
        self.file = file
        self.key = key
        self.text = text


class StoreUnavailable(ThroughgateError):
    """Nothing was kept. Trying again can help."""


class Overloaded(ThroughgateError):
    """A declared limit on what is unfinished is reached. Nothing was kept."""


class RequestError(ThroughgateError):
    """A request that is answered with `fault`; `issues` name the places where there are any."""

    def __init__(self, fault: Fault, *issues: Issue) -> None:
        super().__init__(RULES[fault].text)
        self.fault = fault
        self.issues = issues


class AccessError(RequestError):
    """Who calls may not: `Fault.UNAUTHENTICATED` or `Fault.FORBIDDEN`."""


def fault_of(code: RefusalCode) -> Fault:
    """The fault of what the bytes alone refuse."""
    return _SAME_NAMES[code]


def issues_of(fault: Fault, *, path: str = "") -> tuple[Issue, ...]:
    """The one issue of a fault that was not found by reading: its standing text, at `path`."""
    rule = RULES[fault]
    return (Issue(severity=Severity.ERROR, code=rule.issue, path=path, text=rule.text),)


def operation_outcome(fault: Fault, issues: Sequence[Issue] = ()) -> Json:
    """FHIR R4 OperationOutcome of a fault: its issues, or its standing text where there are none. Paths become `expression`."""
    return outcome_of_issues(tuple(issues) or issues_of(fault))


def outcome_of_issues(issues: Sequence[Issue]) -> Json:
    """OperationOutcome with one `issue` an issue: severity, code, details.text, expression."""
    return {"resourceType": "OperationOutcome", "issue": [_outcome_issue(issue) for issue in issues]}


def _outcome_issue(issue: Issue) -> Json:
    shown: Json = {"severity": issue.severity.value, "code": issue.code, "details": {"text": issue.text}}
    if issue.path:
        shown["expression"] = [issue.path]
    return shown


MAX_ERRORS_SHOWN: Final = 10
_ERROR_PATH: Final = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<sequence>\d+)\])?"
    r"(?:-(?P<field>\d+)(?:\[(?P<repetition>\d+)\])?(?:\.(?P<component>\d+))?(?:\.(?P<subcomponent>\d+))?)?"
)
_VERSION: Final = re.compile(r"2(?:\.\d){1,2}")
_TRIGGER: Final = re.compile(r"[A-Z][A-Z0-9]{2}\^([A-Z][A-Z0-9]{2})")
_FRAMING: Final = re.compile(r"[\x00-\x1f\x7f|]")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPES: Final = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_ASSUMED_VERSION: Final = "2.5.1"
_MAX_ECHO: Final = 227


def hl7_acknowledgement(
    code: str,
    seen: Envelope | Refusal,
    *,
    control_id: str,
    time: str,
    fault: Fault | None = None,
    issues: Sequence[Issue] = (),
    confirmed: bool = False,
) -> bytes:
    """One HL7 v2 acknowledgement (chapter 2): MSH swapped, MSA, and an ERR for each issue of a fault.

    `code` is MSA-1, `control_id` this acknowledgement's own MSH-10, `time` its MSH-7. MSA-2 is the sender's MSH-10 as written. `confirmed`: an
    application acknowledgement that goes by itself asks for an accept acknowledgement (MSH-15 AL), else nobody would know that it arrived.
    Before version 2.5 ERR has the old form (ERR-1), from 2.5 ERR-2 to ERR-8. Segments end with a carriage return.
    """
    version = seen.version if _VERSION.fullmatch(seen.version) else _ASSUMED_VERSION
    asks = ("AL" if confirmed else "NE") if code.startswith("A") else None
    segments = [_msh(seen, version=version, control_id=control_id, time=time, asks=asks)]
    if fault is None:
        segments.append(f"MSA|{code}|{_identifier(seen.message_id)}")
    else:
        listed = tuple(issues) or issues_of(fault)
        segments.append(f"MSA|{code}|{_identifier(seen.message_id)}|{_escape(listed[0].text[:80])}")
        segments.extend(_err(fault, issue, old=_is_before_2_5(version)) for issue in listed[:MAX_ERRORS_SHOWN])
    return "".join(segment + "\r" for segment in segments).encode("utf-8", "replace")


def _msh(seen: Envelope | Refusal, *, version: str, control_id: str, time: str, asks: str | None) -> str:
    trigger = _TRIGGER.fullmatch(seen.kind)
    kind = "ACK" if trigger is None else f"ACK^{trigger[1]}" if version < "2.3.1" else f"ACK^{trigger[1]}^ACK"
    processing_id = seen.processing_id if seen.processing_id in ("P", "T", "D") else "P"
    fields = [
        "MSH",
        "^~\\&",
        _echo(seen.receiving_application),
        _echo(seen.receiving_facility),
        _echo(seen.sending_application),
        _echo(seen.sending_facility),
        time,
        "",
        kind,
        control_id,
        processing_id,
        version,
    ]
    enhanced = seen.acknowledgement.value == "enhanced"
    # never acknowledge an acknowledgement, but by an accept acknowledgement where one is asked for
    if enhanced and asks is not None:
        fields += ["", "", asks, "NE"]
    return "|".join(fields)


def _err(fault: Fault, issue: Issue, *, old: bool) -> str:
    rule = RULES[fault]
    place = _ERROR_PATH.fullmatch(issue.path)
    location = ["", "", "", "", "", ""]
    if place:
        location = [
            place["segment"],
            place["sequence"] or "1",
            place["field"] or "",
            (place["repetition"] or "1") if place["field"] else "",
            place["component"] or "",
            place["subcomponent"] or "",
        ]
    if old:
        coded = f"{rule.hl7}&{TABLE_0357[rule.hl7]}&HL70357"
        return f"ERR|{'^'.join((*location[:3], coded))}"
    where = "^".join(location).rstrip("^")
    return f"ERR||{where}|{rule.hl7}^{TABLE_0357[rule.hl7]}^HL70357|E|{fault.value}^^L|||{_escape(issue.text[:250])}"


def _is_before_2_5(version: str) -> bool:
    return version < "2.5"


def _identifier(value: str) -> str:
    """MSA-2: the sender's MSH-10, whose escapes were resolved when it was read, escaped again."""
    return _CONTROLS.sub("", value)[:_MAX_ECHO].translate(_ESCAPES)


def _echo(value: str) -> str:
    """A value of the sender's own MSH, as written, without anything that could end a field, a segment or a frame."""
    return _FRAMING.sub("", value)[:_MAX_ECHO]


def _escape(text: str) -> str:
    return _CONTROLS.sub(" ", text).translate(_ESCAPES)
