"""Which acknowledgement a sender gets, as one truth table; the words are made in `gateway/errors.py`.

An acknowledgement is custody: it says that the bytes are kept, never what becomes of them. It MUST NOT be sent before the commit,
and it MUST NOT show whether anything was withheld.
"""

from dataclasses import dataclass, replace
from typing import Final

from adapters.contract import Answer
from fhir_profiles.fhir_json import decode, encode
from fhir_profiles.shapes import AcknowledgementMode, Envelope, Issue, Json, Refusal, Severity
from gateway.errors import RULES, SEND_AGAIN, Fault, hl7_acknowledgement, operation_outcome, outcome_of_issues

HL7_CONTENT_TYPE: Final = "application/hl7-v2+er7; charset=utf-8"
FHIR_CONTENT_TYPE: Final = "application/fhir+json; charset=utf-8"
RETRY_AFTER_SECONDS: Final = 30
_NO_MARKS: Final = str.maketrans("", "", "-T:")
REJECTED_BY_A_PERSON: Final = (
    "a person rejected this message: it has no effect; ask the operator why, correct it, and send it under new ids"
)
BARS_ERRORS: Final = "https://fhir.nhs.uk/Codesystem/http-error-codes"
_BARS_CODES: Final = {
    400: "REC_BAD_REQUEST",
    403: "REC_FORBIDDEN",
    409: "REC_CONFLICT",
    413: "REC_UNPROCESSABLE_ENTITY",
    422: "REC_UNPROCESSABLE_ENTITY",
    425: "REC_TOO_EARLY",
    503: "REC_SERVICE_UNAVAILABLE",
}
"""Codes of the BaRS API (booking-and-referral-fhir-api, OperationOutcome examples) by HTTP status, for whatever a message can be refused with."""


@dataclass(frozen=True, kw_only=True)
class Codes:
    """MSA-1 of the accept and of the application acknowledgement; None where none is sent."""

    accept: str | None
    application: str | None


def acknowledgement_codes(
    mode: AcknowledgementMode, accept_when: str, application_when: str, fault: Fault | None
) -> Codes:
    """The truth table of HL7 v2 chapter 2.9: mode, MSH-15, MSH-16 (AL, NE, ER, SU or empty) and the outcome.

    Original mode: one application acknowledgement, always. Enhanced mode: CA, CE or CR as MSH-15 asks; an MSH-15 that is empty
    or unknown counts as AL, because silence would make a sender repeat for ever. A message that was taken owes AA when MSH-16
    is AL or SU. A refusal owes no application acknowledgement once it was said by CE or CR; where MSH-15 forbids that and
    MSH-16 asks to hear of errors, the refusal is the application acknowledgement.
    """
    rule = RULES[fault] if fault else None
    application = "A" + (rule.original if rule else "A")
    if mode is AcknowledgementMode.ORIGINAL:
        return Codes(accept=None, application=application)
    accept = "C" + (rule.accept if rule else "A")
    accept_asked = _asked(accept_when or "AL", failed=fault is not None, unknown=True)
    asked = _asked(application_when or "NE", failed=fault is not None, unknown=False)
    owed = asked and (fault is None or not accept_asked)
    return Codes(accept=accept if accept_asked else None, application=application if owed else None)


def _asked(when: str, *, failed: bool, unknown: bool) -> bool:
    match when.strip().upper():
        case "AL":
            return True
        case "NE":
            return False
        case "ER":
            return failed
        case "SU":
            return not failed
        case _:
            return unknown


@dataclass(frozen=True, kw_only=True)
class Names:
    """What an answer is made with, given by the caller: two ids for acknowledgements, the instant (ISO 8601, UTC), our message id."""

    accept_id: str
    application_id: str
    time: str
    message_id: str


def hl7_answer(
    seen: Envelope | Refusal,
    names: Names,
    *,
    fault: Fault | None = None,
    issues: tuple[Issue, ...] = (),
    both: bool = False,
    apart: bool = False,
) -> Answer:
    """The HL7 answer: one acknowledgement, and with `both` the owed application acknowledgement after it.

    `both` is the channel's `application_acknowledgement = "same-connection"`: a sender that reads one reply a message would take
    the second for the reply to its next message, so it is stated by the channel and never assumed. `apart`: the application
    acknowledgement of what was taken goes by itself (`hl7_later`), and is no part of this answer.
    """
    codes = acknowledgement_codes(seen.acknowledgement, seen.accept_when, seen.application_when, fault)
    if apart and fault is None and seen.acknowledgement is AcknowledgementMode.ENHANCED:
        codes = Codes(accept=codes.accept, application=None)
    time = _hl7_time(names.time)
    made: list[bytes] = []
    if codes.accept:
        made.append(
            hl7_acknowledgement(codes.accept, seen, control_id=names.accept_id, time=time, fault=fault, issues=issues)
        )
    if codes.application and (both or not made):
        made.append(
            hl7_acknowledgement(
                codes.application, seen, control_id=names.application_id, time=time, fault=fault, issues=issues
            )
        )
    return Answer(
        body=made[0] if made else b"",
        content_type=HL7_CONTENT_TYPE,
        status=_status(fault, silent=not made),
        headers=_headers(fault, names),
        then=tuple(made[1:]),
    )


def hl7_later(seen: Envelope, names: Names) -> Answer | None:
    """The application acknowledgement of a message that was taken, as a message of its own; None where none is asked for (MSH-16).

    A refusal has none: it is said at once, on the connection that it came by. What is found after custody is AA too: the message is kept,
    and its sender need do nothing.
    """
    codes = acknowledgement_codes(seen.acknowledgement, seen.accept_when, seen.application_when, None)
    if seen.acknowledgement is not AcknowledgementMode.ENHANCED or codes.application is None:
        return None
    body = hl7_acknowledgement(
        codes.application, seen, control_id=names.application_id, time=_hl7_time(names.time), confirmed=True
    )
    return Answer(body=body, content_type=HL7_CONTENT_TYPE)


def fhir_custody(
    names: Names, *, fault: Fault | None = None, issues: tuple[Issue, ...] = (), bars: bool = False
) -> Answer:
    """202 and an OperationOutcome that says custody, or the fault's status and its OperationOutcome: with `bars` under BaRS's codes too."""
    if fault:
        body = operation_outcome(fault, issues)
        for issue in body["issue"] if bars else ():
            issue["details"]["coding"] = [{"system": BARS_ERRORS, "code": _BARS_CODES[RULES[fault].status]}]
    else:
        taken = Issue(
            severity=Severity.INFORMATION,
            code="informational",
            path="",
            text="the message is kept and will be processed; repeat it unchanged if in doubt",
        )
        body = outcome_of_issues((taken,))
    return Answer(
        body=encode(body),
        content_type=FHIR_CONTENT_TYPE,
        status=RULES[fault].status if fault else 202,
        headers=_headers(fault, names),
    )


def fhir_response(seen: Envelope, names: Names, *, endpoint: str, bars: bool = False) -> Answer:
    """200 and the response message: `response.code` is ok because custody was taken; what is withheld is never told.

    `response.identifier` is the MessageHeader.id of the request (R4 MessageHeader.response.identifier); in the dialect of BaRS its Bundle.id.
    """
    header: Json = {
        "resourceType": "MessageHeader",
        "id": names.application_id.lower(),
        "eventUri": "https://throughgate.example/event/response",
        "source": {"endpoint": endpoint},
        "response": {"identifier": seen.key[0 if bars else -1], "code": "ok"},
    }
    bundle: Json = {
        "resourceType": "Bundle",
        "id": names.accept_id.lower(),
        "type": "message",
        "timestamp": names.time,
        "entry": [{"fullUrl": f"{endpoint}/MessageHeader/{header['id']}", "resource": header}],
    }
    return Answer(body=encode(bundle), content_type=FHIR_CONTENT_TYPE, status=200, headers=_headers(None, names))


def fhir_rejected(response: Answer) -> Answer:
    """The same response message for a message that a person rejected: `fatal-error`, and an OperationOutcome that says what to do.

    Made of the stored bytes alone, so that it is the same each time. It names no reason: a person wrote that, for those who work here.
    """
    bundle = decode(response.body)
    entry = bundle["entry"][0]
    outcome_id = str(entry["resource"]["id"]) + "-outcome"
    url = f"{entry['fullUrl'].rpartition('/MessageHeader/')[0]}/OperationOutcome/{outcome_id}"
    said = entry["resource"]["response"]
    issue = Issue(severity=Severity.FATAL, code="processing", path="", text=REJECTED_BY_A_PERSON)
    outcome = {**outcome_of_issues((issue,)), "id": outcome_id}
    header = {**entry["resource"], "response": {**said, "code": "fatal-error", "details": {"reference": url}}}
    entries = [{**entry, "resource": header}, {"fullUrl": url, "resource": outcome}]
    return replace(response, body=encode({**bundle, "entry": entries}))


def _hl7_time(instant: str) -> str:
    """`2026-01-15T12:00:00.000000Z` as `20260115120000+0000`."""
    return instant[:19].translate(_NO_MARKS) + "+0000"


def _status(fault: Fault | None, *, silent: bool) -> int:
    if fault:
        return RULES[fault].status
    return 204 if silent else 200


def _headers(fault: Fault | None, names: Names) -> dict[str, str]:
    headers = {"X-Message-ID": names.message_id} if names.message_id else {}
    if fault in SEND_AGAIN or fault is Fault.UNDER_WAY:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return headers
