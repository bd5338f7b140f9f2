"""The truth table of MSH-15 x MSH-16 x outcome, written out by hand from HL7 v2 chapter 2.9, and the acknowledgement's own form."""

import itertools

import pytest

from fhir_profiles.shapes import AcknowledgementMode, Envelope, Issue, RefusalCode, Severity
from gateway.errors import RULES, SEND_AGAIN, TABLE_0357, Fault, fault_of, hl7_acknowledgement, operation_outcome
from gateway.steps.acknowledge import Names, acknowledgement_codes, fhir_response, hl7_answer, hl7_later
from tests.gateway.receive.line import segments

NAMES = Names(accept_id="ACCEPT", application_id="APPLICATION", time="2026-01-15T12:00:00.000000Z", message_id="OURS")
WHEN = ("", "AL", "NE", "ER", "SU")

# outcome: (original mode, accept acknowledgement, code of table 0357)
OUTCOMES: dict[Fault | None, tuple[str, str, int]] = {
    None: ("AA", "CA", 0),
    Fault.TYPE_UNSUPPORTED: ("AR", "CR", 200),
    Fault.EVENT_UNSUPPORTED: ("AR", "CR", 201),
    Fault.PROCESSING_ID_WRONG: ("AR", "CR", 202),
    Fault.VERSION_UNSUPPORTED: ("AR", "CR", 203),
    Fault.SEGMENT_MISSING: ("AE", "CR", 100),
    Fault.FIELD_MISSING: ("AE", "CR", 101),
    Fault.VALUE_INVALID: ("AE", "CR", 102),
    Fault.UNREADABLE: ("AE", "CR", 102),
    Fault.TOO_LARGE: ("AR", "CR", 102),
    Fault.STORE_UNAVAILABLE: ("AR", "CE", 207),
    Fault.ID_REUSED: ("AR", "CR", 205),
    Fault.SENDER_UNKNOWN: ("AR", "CR", 204),
    Fault.TOO_DEEP: ("AE", "CR", 102),
    Fault.STRUCTURE_INVALID: ("AE", "CR", 100),
    Fault.CLIENT_UNKNOWN: ("AR", "CR", 204),
    Fault.KIND_NOT_REGISTERED: ("AR", "CR", 201),
    Fault.ESTABLISHMENT_MISSING: ("AE", "CR", 101),
    Fault.ESTABLISHMENT_NOT_REGISTERED: ("AR", "CR", 204),
    Fault.OVERLOADED: ("AR", "CE", 207),
    Fault.INTERNAL: ("AR", "CE", 207),
}
NO_ACKNOWLEDGEMENT = {
    Fault.DUPLICATE, Fault.UNDER_WAY, Fault.IDS_REUSED, Fault.IDS_MISSING,  # FHIR messaging alone: HL7 v2 answers a repeat as it did before
    Fault.UNAUTHENTICATED, Fault.FORBIDDEN, Fault.NOT_FOUND, Fault.METHOD_NOT_ALLOWED, Fault.MEDIA_TYPE_UNSUPPORTED, Fault.ENCODING_UNSUPPORTED,
    Fault.NOT_ACCEPTABLE, Fault.TOO_SLOW, Fault.REQUEST_INVALID,
}  # fmt: skip
"""Said by HTTP before anything is read as HL7 v2, or of FHIR messages."""
ACCEPT_SENT_WHEN = {
    "": (True, True),
    "AL": (True, True),
    "NE": (False, False),
    "ER": (False, True),
    "SU": (True, False),
}
"""MSH-15: (after success, after a fault). Empty, with MSH-16 valued, counts as AL."""
APPLICATION_ASKED_WHEN = {
    "": (False, False),
    "AL": (True, True),
    "NE": (False, False),
    "ER": (False, True),
    "SU": (True, False),
}


def envelope(accept_when: str = "", application_when: str = "", *, version: str = "2.5") -> Envelope:
    enhanced = bool(accept_when or application_when)
    return Envelope(
        kind="ADT^A01",
        event="A01",
        message_id="MSG-7",
        key=("EHR", "ZFG", "MSG-7"),
        sender="EHR|ZFG",
        establishment="ZFG",
        persons=(),
        acknowledgement=AcknowledgementMode.ENHANCED if enhanced else AcknowledgementMode.ORIGINAL,
        accept_when=accept_when,
        application_when=application_when,
        version=version,
        sending_application="EHR^1.2.3^ISO",
        sending_facility="ZFG",
        receiving_application="TG",
        receiving_facility="GATE",
    )


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda fault: fault.value if fault else "taken")
def test_original_mode_always_answers_once(outcome: Fault | None) -> None:
    original, _, hl7 = OUTCOMES[outcome]
    answer = hl7_answer(envelope(), NAMES, fault=outcome)
    ack = segments(answer.body)
    assert ack["MSA"][1] == original
    assert ack["MSA"][2] == "MSG-7"
    assert answer.then == ()
    assert ("ERR" in ack) == (outcome is not None)
    if outcome:
        assert ack["ERR"][3] == f"{hl7}^{TABLE_0357[hl7]}^HL70357"


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda fault: fault.value if fault else "taken")
@pytest.mark.parametrize(("accept", "application"), [pair for pair in itertools.product(WHEN, WHEN) if any(pair)])
def test_enhanced_mode(accept: str, application: str, outcome: Fault | None) -> None:
    """In one answer, and over a connection that takes both."""
    for both in (False, True):
        one_answer_or_two(accept, application, outcome, both=both)


def one_answer_or_two(accept: str, application: str, outcome: Fault | None, *, both: bool) -> None:
    original, accept_code, hl7 = OUTCOMES[outcome]
    failed = outcome is not None
    accept_sent = ACCEPT_SENT_WHEN[accept][failed]
    asked = APPLICATION_ASKED_WHEN[application][failed]
    expected = []
    if accept_sent:
        expected.append(accept_code)
    if asked and ((not failed and (both or not accept_sent)) or (failed and not accept_sent)):
        expected.append(original)
    answer = hl7_answer(envelope(accept, application), NAMES, fault=outcome, both=both)
    bodies = [body for body in (answer.body, *answer.then) if body]
    acks = [segments(body) for body in bodies]
    assert [ack["MSA"][1] for ack in acks] == expected
    for ack in acks:
        assert ack["MSA"][2] == "MSG-7"
        assert (ack["ERR"][3].split("^")[0] if "ERR" in ack else "0") == str(hl7)
        if ack["MSA"][1].startswith("A"):
            assert ack["MSH"][15:17] == ["NE", "NE"]
    assert len({ack["MSH"][10] for ack in acks}) == len(acks)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda fault: fault.value if fault else "taken")
@pytest.mark.parametrize(("accept", "application"), list(itertools.product(WHEN, WHEN)))
def test_where_later_answers_are_registered(accept: str, application: str, outcome: Fault | None) -> None:
    """What is said at once, and what is owed: AA of what was taken, where MSH-16 asks; a refusal is said at once, whoever asks."""
    original, accept_code, _ = OUTCOMES[outcome]
    failed, enhanced = outcome is not None, bool(accept or application)
    at_once = original if not enhanced else None
    if enhanced and ACCEPT_SENT_WHEN[accept][failed]:
        at_once = accept_code
    elif enhanced and failed and APPLICATION_ASKED_WHEN[application][failed]:
        at_once = original
    answer = hl7_answer(envelope(accept, application), NAMES, fault=outcome, apart=True)
    assert answer.then == ()
    assert (segments(answer.body)["MSA"][1] if answer.body else None) == at_once
    assert answer.status == (200 if at_once else 204) or failed
    if failed:
        return
    later = hl7_later(envelope(accept, application), NAMES)
    owed = enhanced and APPLICATION_ASKED_WHEN[application][False]
    assert (later is not None) == owed
    if later is not None:
        ack = segments(later.body)
        assert set(ack) == {"MSH", "MSA"}
        assert (ack["MSA"][1:3], ack["MSH"][10]) == (["AA", "MSG-7"], "APPLICATION")
        assert ack["MSH"][15:17] == ["AL", "NE"]


def test_the_application_acknowledgement_is_a_message_of_its_own() -> None:
    answer = hl7_answer(envelope("AL", "AL"), NAMES, both=True)
    first, second = segments(answer.body), segments(answer.then[0])
    assert (first["MSH"][10], second["MSH"][10]) == ("ACCEPT", "APPLICATION")
    assert (first["MSA"][1:], second["MSA"][1:]) == (["CA", "MSG-7"], ["AA", "MSG-7"])


@pytest.mark.parametrize("odd", ["XX", "al", " AL ", "ALWAYS"])
def test_an_odd_msh_15_is_never_silence(odd: str) -> None:
    assert acknowledgement_codes(AcknowledgementMode.ENHANCED, odd, "", None).accept == "CA"


def test_the_header_is_swapped_and_its_own() -> None:
    ack = segments(hl7_answer(envelope(), NAMES).body)["MSH"]
    assert ack[1:7] == ["|", "^~\\&", "TG", "GATE", "EHR^1.2.3^ISO", "ZFG"]
    assert ack[7:13] == ["20260115120000+0000", "", "ACK^A01^ACK", "APPLICATION", "P", "2.5"]


@pytest.mark.parametrize(
    ("version", "kind", "shown"),
    [("2.1", "ACK^A01", "2.1"), ("2.3", "ACK^A01", "2.3"), ("2.3.1", "ACK^A01^ACK", "2.3.1"), ("2.8.2", "ACK^A01^ACK", "2.8.2"),
     ("", "ACK^A01^ACK", "2.5.1"), ("9.9", "ACK^A01^ACK", "2.5.1"), ("2.5|PID", "ACK^A01^ACK", "2.5.1")],
)  # fmt: skip
def test_the_version_is_the_senders(version: str, kind: str, shown: str) -> None:
    ack = segments(hl7_answer(envelope(version=version), NAMES).body)["MSH"]
    assert (ack[9], ack[12]) == (kind, shown)


@pytest.mark.parametrize(
    ("path", "location"),
    [("PID-3[2].1", "PID^1^3^2^1"), ("OBX[4]-5", "OBX^4^5^1"), ("PID", "PID^1"), ("MSH-9.1.2", "MSH^1^9^1^1^2"),
     ("", ""), ("Bundle.entry[0]", ""), ("PID-3|x", "")],
)  # fmt: skip
def test_the_place_of_an_error(path: str, location: str) -> None:
    issue = Issue(severity=Severity.ERROR, code="required", path=path, text="fill | ^ it & \\ ~\r\nPID|9")
    ack = hl7_acknowledgement("AE", envelope(), control_id="1", time="2", fault=Fault.FIELD_MISSING, issues=(issue,))
    error = segments(ack)["ERR"]
    assert error[2] == location
    assert error[8] == "fill \\F\\ \\S\\ it \\T\\ \\E\\ \\R\\  PID\\F\\9"
    assert ack.count(b"\r") == 3


def test_before_version_2_5_the_error_is_in_err_1() -> None:
    issue = Issue(severity=Severity.ERROR, code="required", path="PID-3", text="fill it")
    ack = hl7_acknowledgement(
        "AE", envelope(version="2.3"), control_id="1", time="2", fault=Fault.FIELD_MISSING, issues=(issue,)
    )
    assert segments(ack)["ERR"] == ["ERR", "PID^1^3^101&Required field missing&HL70357"]
    assert segments(ack)["MSA"] == ["MSA", "AE", "MSG-7", "fill it"]


def test_nothing_of_a_header_can_end_a_segment_or_a_frame() -> None:
    bad = "X\rPID|1\x1c\x0b\x00|" + "y" * 500
    seen = envelope()
    seen = Envelope(**{**vars(seen), "message_id": bad, "sending_application": bad, "receiving_facility": bad})
    ack = hl7_answer(seen, NAMES).body
    assert ack.count(b"\r") == 2
    assert not set(ack) & {0x0B, 0x1C, 0}
    assert len(ack) < 1_000
    assert segments(ack)["MSH"][9] == "ACK^A01^ACK"


@pytest.mark.parametrize("length", range(70, 90))
def test_a_text_is_never_cut_inside_an_escape(length: int) -> None:
    issue = Issue(severity=Severity.ERROR, code="required", path="", text="x" * length + "^" * 300)
    ack = hl7_acknowledgement("AE", envelope(), control_id="1", time="2", fault=Fault.FIELD_MISSING, issues=(issue,))
    for text in (segments(ack)["MSA"][3], segments(ack)["ERR"][8]):
        assert "\\" not in text.replace("\\S\\", "")


def test_the_table_has_a_row_for_every_fault_that_hl7_v2_can_have() -> None:
    assert set(OUTCOMES) - {None} | NO_ACKNOWLEDGEMENT == set(Fault)
    assert not set(OUTCOMES) & NO_ACKNOWLEDGEMENT


def test_every_fault_has_a_rule_and_every_refusal_a_fault() -> None:
    assert set(RULES) == set(Fault)
    assert {fault_of(code).value for code in RefusalCode} <= {fault.value for fault in Fault}
    for fault, rule in RULES.items():
        assert rule.hl7 in TABLE_0357
        assert (rule.original, rule.accept) in {("R", "R"), ("E", "R"), ("R", "E")}, fault
        assert 400 <= rule.status < 600


def test_only_what_may_be_sent_again_says_so() -> None:
    """CE and 5xx make a sender repeat: only what kept nothing may say them."""
    again = {fault for fault, rule in RULES.items() if rule.accept == "E" or rule.status >= 500}
    assert again == SEND_AGAIN == {Fault.STORE_UNAVAILABLE, Fault.OVERLOADED, Fault.INTERNAL}


def test_an_outcome_shows_the_place_as_expression() -> None:
    issue = Issue(severity=Severity.ERROR, code="required", path="Bundle.entry[0].resource.source", text="fill it")
    assert operation_outcome(Fault.FIELD_MISSING, (issue,)) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "required",
                "details": {"text": "fill it"},
                "expression": ["Bundle.entry[0].resource.source"],
            }
        ],
    }
    assert "expression" not in operation_outcome(Fault.NOT_FOUND)["issue"][0]


def test_the_response_message_answers_the_header_id() -> None:
    seen = Envelope(**{**vars(envelope()), "kind": "fhir-message", "key": ("bundle-1", "header-1")})
    answer = fhir_response(seen, NAMES, endpoint="https://throughgate.example/fhir")
    assert answer.status == 200
    assert b'"identifier":"header-1"' in answer.body
    assert b'"code":"ok"' in answer.body
