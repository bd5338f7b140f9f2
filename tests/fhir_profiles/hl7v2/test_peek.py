"""What the bytes alone say: an Envelope, or a Refusal with code and place; never an exception."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_profiles import systems
from fhir_profiles.hl7v2 import KEPT_BYTES
from fhir_profiles.limits import MAX_BODY_BYTES
from fhir_profiles.peek_hl7v2 import KINDS, peek_hl7v2
from fhir_profiles.shapes import AcknowledgementMode, Channel, Envelope, Refusal, RefusalCode
from tests.builders import adt_a01, adt_a03, adt_a13, adt_a40, oru_r01, rde_o11

CHANNEL = Channel(name="test", format="hl7v2")
PID = "PID|1||9990000018^^^NHS^NH~A1234BC^^^NOMIS^PI"


def header(kind: str = "ADT^A01", *, version: str = "2.5.1", rest: str = "") -> str:
    return f"MSH|^~\\&|APP|LEI|TG|HUB|20260101||{kind}|ID-1|P|{version}{rest}"


def peek(*lines: str) -> Envelope | Refusal:
    return peek_hl7v2(CHANNEL, "\r".join(lines).encode())


def refused(*lines: str) -> Refusal:
    answer = peek(*lines)
    assert isinstance(answer, Refusal), answer
    return answer


def accepted(*lines: str) -> Envelope:
    answer = peek(*lines)
    assert isinstance(answer, Envelope), answer
    return answer


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (adt_a01(), "ADT^A01"),
        (adt_a03(), "ADT^A03"),
        (adt_a13(), "ADT^A13"),
        (adt_a40(), "ADT^A40"),
        (oru_r01(), "ORU^R01"),
        (rde_o11(), "RDE^O11"),
    ],
)
def test_each_kind(body: bytes, kind: str) -> None:
    envelope = peek_hl7v2(CHANNEL, body)
    assert isinstance(envelope, Envelope)
    assert envelope.kind == kind
    assert envelope.event == kind.split("^")[1]
    assert envelope.key == (envelope.sending_application, envelope.sending_facility, envelope.message_id)
    assert {person.system for person in envelope.persons} == {systems.NHS_NUMBER, systems.PRISON_NUMBER}
    assert all(person.valid for person in envelope.persons)


def test_the_whole_header() -> None:
    envelope = accepted(header(rest="|||AL|NE"), "EVN|A01", PID, "PV1|1|I|A^^^MDI")
    assert envelope.sender == "APP|LEI"
    assert envelope.establishment == "MDI"
    assert envelope.message_id == "ID-1"
    assert envelope.acknowledgement is AcknowledgementMode.ENHANCED
    assert (envelope.accept_when, envelope.application_when) == ("AL", "NE")
    assert envelope.processing_id == "P"
    assert envelope.version == "2.5.1"
    assert (envelope.receiving_application, envelope.receiving_facility) == ("TG", "HUB")


@pytest.mark.parametrize(
    ("rest", "mode"),
    [
        ("", AcknowledgementMode.ORIGINAL),
        ("||||", AcknowledgementMode.ORIGINAL),
        ("|||AL", AcknowledgementMode.ENHANCED),
        ("||||NE", AcknowledgementMode.ENHANCED),
    ],
)
def test_acknowledgement_mode(rest: str, mode: AcknowledgementMode) -> None:
    """Enhanced when MSH-15 or MSH-16 is valued."""
    assert accepted(header(rest=rest), "EVN|A01", PID, "PV1|1").acknowledgement is mode


@pytest.mark.parametrize(
    ("pv1", "evn", "facility", "establishment"),
    [
        ("PV1|1|I|A^^^MDI", "EVN|A01|||||| LEI", "BMI", "MDI"),
        ("PV1|1|I|A^^^Ward", "EVN|A01||||||MDI", "BMI", "MDI"),
        ("PV1|1|I|A", "EVN|A01", "BMI", "BMI"),
        ("PV1|1|I|A^^^mdi", "EVN|A01", "HOSPITAL", None),
        ("PV1|1|I|A^^^MD1&x", "EVN|A01", "", None),
        ("PV1|1|I|A^^^MDI&1.2&ISO", "EVN|A01", "", "MDI"),
    ],
)
def test_establishment(pv1: str, evn: str, facility: str, establishment: str | None) -> None:
    """PV1-3.4 when it is an agency id, else EVN-7, else MSH-4, else nobody's."""
    lines = (f"MSH|^~\\&|APP|{facility}|||20260101||ADT^A01|1|P|2.5", evn, PID, pv1)
    assert accepted(*lines).establishment == establishment


@pytest.mark.parametrize(
    ("repetition", "system", "value", "valid"),
    [
        ("9990000018^^^NHS", systems.NHS_NUMBER, "9990000018", True),
        ("999 000 0018^^^NHSNBR", systems.NHS_NUMBER, "9990000018", True),
        ("999-000-0018^^^X^NH", systems.NHS_NUMBER, "9990000018", True),
        ("9990000019^^^NHS", systems.NHS_NUMBER, "9990000019", False),
        ("12345^^^NHS", systems.NHS_NUMBER, "12345", False),
        ("٩٩٩٠٠٠٠٠١٨^^^NHS", systems.NHS_NUMBER, "٩٩٩٠٠٠٠٠١٨", False),
        ("a1234bc^^^NOMIS^PI", systems.PRISON_NUMBER, "A1234BC", True),
        ("A1234B^^^NOMIS^PI", systems.PRISON_NUMBER, "A1234B", False),
    ],
)
def test_person_identifiers(repetition: str, system: str, value: str, valid: bool) -> None:
    """By the conventions of authority and type; blanks and hyphens do not matter, the check digit does."""
    envelope = accepted(header(), "EVN|A01", f"PID|1||55^^^LOCAL^MR~{repetition}", "PV1|1")
    assert [(person.system, person.value, person.valid) for person in envelope.persons] == [(system, value, valid)]
    assert envelope.persons[0].path == "PID-3[2].1"


BAD = [
    ((header().replace("|ADT^A01|", "||"), "EVN|A01", PID, "PV1|1"), RefusalCode.FIELD_MISSING, "MSH-9"),
    ((header().replace("|ID-1|", "||"), "EVN|A01", PID, "PV1|1"), RefusalCode.FIELD_MISSING, "MSH-10"),
    ((header().replace("|P|", "||"), "EVN|A01", PID, "PV1|1"), RefusalCode.FIELD_MISSING, "MSH-11"),
    ((header(version=""), "EVN|A01", PID, "PV1|1"), RefusalCode.FIELD_MISSING, "MSH-12"),
    ((header(version="3.0"), "EVN|A01", PID, "PV1|1"), RefusalCode.VERSION_UNSUPPORTED, "MSH-12"),
    ((header(version="2.9"), "EVN|A01", PID, "PV1|1"), RefusalCode.VERSION_UNSUPPORTED, "MSH-12"),
    ((header("BAR^P01"), PID), RefusalCode.TYPE_UNSUPPORTED, "MSH-9.1"),
    ((header("ADT^A09"), PID), RefusalCode.EVENT_UNSUPPORTED, "MSH-9.2"),
    ((header("ADT"), PID), RefusalCode.EVENT_UNSUPPORTED, "MSH-9.2"),
    ((header(), PID, "PV1|1"), RefusalCode.SEGMENT_MISSING, "EVN"),
    ((header(), "EVN|A01", "PV1|1"), RefusalCode.SEGMENT_MISSING, "PID"),
    ((header(), "EVN|A01", PID), RefusalCode.SEGMENT_MISSING, "PV1"),
    ((header("ADT^A40"), "EVN|A40", PID), RefusalCode.SEGMENT_MISSING, "MRG"),
    ((header("ADT^A40"), "EVN|A40", PID, "MRG|"), RefusalCode.FIELD_MISSING, "MRG-1"),
    ((header("ORU^R01"), PID), RefusalCode.SEGMENT_MISSING, "OBR"),
    ((header("ORU^R01"), PID, "OBR|1|||x", "OBR|2"), RefusalCode.FIELD_MISSING, "OBR[2]-4"),
    ((header("RDE^O11"), PID, "RXE||x"), RefusalCode.SEGMENT_MISSING, "ORC"),
    ((header("RDE^O11"), PID, "ORC|NW"), RefusalCode.SEGMENT_MISSING, "RXE"),
    ((header("RDE^O11"), PID, "ORC||1", "RXE||x"), RefusalCode.FIELD_MISSING, "ORC-1"),
    ((header("RDE^O11"), PID, "ORC|NW", "RXE|x"), RefusalCode.FIELD_MISSING, "RXE-2"),
    ((header("ADT^A08"), "EVN|A08", PID), RefusalCode.SEGMENT_MISSING, "PV1"),
    ((header("OMP^O09"), PID, "ORC|NW"), RefusalCode.SEGMENT_MISSING, "RXO"),
    ((header("OMP^O09"), PID, "ORC|NW", "RXO||1"), RefusalCode.FIELD_MISSING, "RXO-1"),
    ((header("RAS^O17"), PID, "ORC|RE"), RefusalCode.SEGMENT_MISSING, "RXA"),
    ((header("RAS^O17"), PID, "ORC|RE", "RXA|0|1|||x"), RefusalCode.FIELD_MISSING, "RXA-3"),
    ((header(), "EVN|A01", PID, "PV1|1", header()), RefusalCode.STRUCTURE_INVALID, "MSH[2]"),
    ((header(), "EVN|A01", "not a segment"), RefusalCode.STRUCTURE_INVALID, "EVN[1]"),
    (("PID|1",), RefusalCode.UNREADABLE, "MSH"),
    (("MSH|^",), RefusalCode.UNREADABLE, "MSH-2"),
]


@pytest.mark.parametrize(("lines", "code", "path"), BAD)
def test_refusals_have_code_and_place(lines: tuple[str, ...], code: RefusalCode, path: str) -> None:
    refusal = refused(*lines)
    assert (refusal.code, refusal.issues[0].path) == (code, path)


def test_a_refusal_keeps_what_the_acknowledgement_needs() -> None:
    """Also where the rest cannot be read: a character set that is not supported, a line that is no segment."""
    for lines in ((header(rest="|||AL|||UNICODE UTF-16"), PID), (header(rest="|||AL"), "EVN|A01", "junk line")):
        refusal = refused(*lines)
        assert refusal.message_id == "ID-1"
        assert refusal.kind == "ADT^A01"
        assert refusal.sender == "APP|LEI"
        assert refusal.acknowledgement is AcknowledgementMode.ENHANCED
        assert refusal.accept_when == "AL"


def test_a_refusal_names_what_is_supported() -> None:
    for kind in KINDS:
        assert kind in refused(header("SIU^S12"), PID).issues[0].text


def test_a_refusal_says_nothing_of_the_person() -> None:
    """Sabotage would be a message text that quotes the field; the texts are fixed sentences."""
    refusal = refused(header(), "EVN|A01", "PID|1||9990000018^^^NHS||Secretname")
    assert "Secretname" not in repr(refusal)
    assert "9990000018" not in repr(refusal)


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.2"])
def test_versions(version: str) -> None:
    assert accepted(header(version=version), "EVN|A01", PID, "PV1|1").version == version


def test_old_senders_leave_the_event_to_the_segments() -> None:
    assert accepted(header("ADT"), "EVN|A03", PID, "PV1|1").kind == "ADT^A03"
    assert accepted(header("ORU"), PID, "OBR|1|||x").kind == "ORU^R01"
    assert accepted(header("RDE"), PID, "ORC|NW", "RXE||x").kind == "RDE^O01"


def test_what_was_read_lately_is_read_once_and_what_is_large_each_time() -> None:
    """The peek at the door and the translation after it share one; the memory of it is small."""
    small = adt_a01()
    large = small + b"NTE|1||" + b"x" * KEPT_BYTES + b"\r"
    assert peek_hl7v2(CHANNEL, small) is peek_hl7v2(CHANNEL, bytes(bytearray(small)))
    assert peek_hl7v2(CHANNEL, large) is not peek_hl7v2(CHANNEL, large)
    assert peek_hl7v2(CHANNEL, large) == peek_hl7v2(CHANNEL, small)


def test_too_large() -> None:
    body = (header("ORU^R01") + "\r" + PID + "\rOBR|1|||").encode() + b"x" * MAX_BODY_BYTES
    refusal = peek_hl7v2(CHANNEL, body)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.TOO_LARGE
    assert refusal.message_id == "ID-1"


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda tail: b"MSH|^~\\&|" + tail)))
def test_any_bytes_give_an_envelope_or_a_refusal(body: bytes) -> None:
    assert isinstance(peek_hl7v2(CHANNEL, body), Envelope | Refusal)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_damage_to_a_message_gives_an_envelope_or_a_refusal(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from([adt_a01(), oru_r01(), rde_o11(), adt_a40()])))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=5))
        if not body:
            break
    assert isinstance(peek_hl7v2(CHANNEL, bytes(body)), Envelope | Refusal)
