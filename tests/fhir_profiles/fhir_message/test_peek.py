"""Peek: what is taken, what is refused and where, and what an Envelope says; total on any bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles import systems
from fhir_profiles.limits import MAX_BODY_BYTES, MAX_ENTRIES
from fhir_profiles.peek import peek
from fhir_profiles.shapes import AcknowledgementMode, Channel, Envelope, Refusal, RefusalCode
from fhir_profiles.translate import translate
from tests.builders import PERSON, adt_a01
from tests.fhir_profiles.fhir_message.messages import CHANNEL, SENDER, bundle, header, patient, plan, without
from tests.samples import fhir_examples

Json = dict[str, Any]
CANARY = "Wilberforce-Canary"


def envelope(message: Json) -> Envelope:
    found = peek(CHANNEL, json.dumps(message).encode())
    assert isinstance(found, Envelope), found
    return found


def refusal(body: bytes) -> Refusal:
    found = peek(CHANNEL, body)
    assert isinstance(found, Refusal), found
    return found


def test_an_envelope_says_who_sent_what_about_whom() -> None:
    found = envelope(bundle(plan(), head=header(destination=[{"endpoint": "https://us.example"}])))
    assert found.kind == "fhir-message"
    assert found.key == ("b1", "h1")
    assert (found.message_id, found.sender, found.establishment) == ("h1", SENDER, "ZFG")
    assert found.event == "https://prison.example/events|record"
    assert [(person.system, person.value, person.valid) for person in found.persons] == [
        (systems.NHS_NUMBER, PERSON.nhs_number, True),
        (systems.PRISON_NUMBER, PERSON.prison_number, True),
    ]
    assert found.persons[0].path == "Bundle.entry[1].resource.identifier[0]"
    assert found.acknowledgement is AcknowledgementMode.ORIGINAL
    assert (found.processing_id, found.receiving_application) == ("P", "https://us.example")


def test_whether_it_speaks_of_consent() -> None:
    """A Consent, and an entry of a record whose code is one; a plan and another observation do not, and a segment CON does."""
    coded = [
        {
            "resourceType": "Observation",
            "id": "o",
            "status": "final",
            "code": {"coding": [{"system": systems.SNOMED, "code": code}]},
        }
        for code in ("425691002", "271649006")
    ]
    consents: list[Json] = [{"resourceType": "Consent", "id": "c", "status": "inactive"}]
    spoken = [envelope(bundle(each)).speaks_of_consent for each in (*consents, *coded, plan())]
    assert spoken == [True, True, False, False]
    v2 = [adt_a01(), adt_a01() + b"CON|1|X\r"]
    channel = Channel(**{**vars(CHANNEL), "format": "hl7v2"})
    found = [peek(channel, each) for each in v2]
    assert [isinstance(each, Envelope) and each.speaks_of_consent for each in found] == [False, True]


def test_the_bytes_say_of_every_word_whose_it_is() -> None:
    """What the meaning registers: contained in another entry, or brought by itself, with no Patient but a number."""
    about = {"identifier": {"system": systems.NHS_NUMBER, "value": PERSON.nhs_number}}
    said = {
        "resourceType": "Observation",
        "id": "said",
        "status": "final",
        "code": {"coding": [{"system": systems.SNOMED, "code": "425691002"}]},
        "subject": about,
    }
    report = {
        **said,
        "id": "report",
        "code": {"text": "a visit"},
        "contained": [said],
        "hasMember": [{"reference": "#said"}],
    }
    collection = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": said}]}
    for content in (bundle(report), report, said, collection):
        body = json.dumps(content).encode()
        meant, seen = translate(CHANNEL, body), envelope(content)
        assert any(each["resource"]["resourceType"] == "Consent" for each in meant.bundle["entry"])
        assert seen.speaks_of_consent
        assert meant.persons
        assert seen.persons == meant.persons


@pytest.mark.parametrize("junk", [None, 1, "x", [], ["x"], {}, [{}], [{"system": [], "code": {}}]])
def test_what_names_somebody_may_be_anything(junk: object) -> None:
    """Nothing is validated yet."""
    entry = {
        "resourceType": "Observation",
        "code": junk,
        "contained": junk,
        "subject": {"identifier": {"system": junk}},
    }
    for content in (entry, {**entry, "code": {"coding": junk}, "subject": junk}, {**entry, "contained": [entry]}):
        assert envelope(content).persons == ()


def test_any_event_is_taken_and_kept() -> None:
    assert (
        envelope(bundle(head=without(header(), "eventCoding") | {"eventUri": "urn:anything"})).event == "urn:anything"
    )
    assert envelope(bundle(head=header(eventCoding={"code": "x"}))).event == "|x"


def test_the_ids_fall_back_to_what_is_there() -> None:
    message = bundle(head=without(header(), "id"))
    message["entry"][0]["fullUrl"] = "urn:uuid:00000000-0000-4000-8000-000000000001"
    assert envelope(message).key == ("b1", "00000000-0000-4000-8000-000000000001")
    assert envelope(without(bundle(identifier={"value": "i1"}), "id")).key == ("i1", "h1")
    assert envelope(without(bundle(), "id")).key == ("h1", "h1")


def test_test_data_says_that_it_is() -> None:
    label = {"security": [{"system": systems.ACT_REASON, "code": "HTEST"}]}
    assert envelope(bundle(head=header(meta=label))).processing_id == "T"
    assert envelope(bundle(meta=label)).processing_id == "T"


@pytest.mark.parametrize(
    ("number", "value", "valid"),
    [("999 000 0018", "9990000018", True), ("9990000019", "9990000019", False), ("999", "999", False)],
)
def test_numbers_are_normalised_and_checked(number: str, value: str, valid: bool) -> None:
    person = patient(identifier=[{"system": systems.NHS_NUMBER, "value": number}])
    assert [(found.value, found.valid) for found in envelope(bundle(person=person)).persons] == [(value, valid)]


def test_an_old_number_does_not_name_a_person() -> None:
    person = patient(identifier=[{"use": "old", "system": systems.NHS_NUMBER, "value": PERSON.nhs_number}])
    assert envelope(bundle(person=person)).persons == ()


AGENCY = {"system": systems.AGENCY, "value": "ZFG"}
NO_SENDER = without(header(), "sender")
ORGANISATION = {"resourceType": "Organization", "id": "org1", "identifier": [AGENCY]}
OTHER = {"resourceType": "Organization", "id": "org2", "identifier": [AGENCY | {"value": "ZNH"}]}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (bundle(), "ZFG"),
        (bundle(head=NO_SENDER), None),
        (bundle(ORGANISATION, OTHER, head=NO_SENDER | {"sender": {"reference": "Organization/org1"}}), "ZFG"),
        (bundle(ORGANISATION, head=NO_SENDER), "ZFG"),
        (bundle(ORGANISATION, OTHER, head=NO_SENDER), None),
        (
            bundle({"resourceType": "Encounter", "id": "e", "serviceProvider": {"identifier": AGENCY}}, head=NO_SENDER),
            "ZFG",
        ),
        (
            bundle(
                plan(extension=[{"url": systems.ESTABLISHMENT_EXTENSION, "valueIdentifier": AGENCY}]), head=NO_SENDER
            ),
            "ZFG",
        ),
        (bundle(head=header(sender={"identifier": AGENCY | {"value": "Leeds"}})), None),
    ],
)
def test_the_establishment_is_named_or_none(message: Json, expected: str | None) -> None:
    assert envelope(message).establishment == expected


@pytest.mark.parametrize(
    ("message", "code", "path"),
    [
        ({"resourceType": "Parameters"}, RefusalCode.TYPE_UNSUPPORTED, "Bundle"),
        ({"no": "resource"}, RefusalCode.TYPE_UNSUPPORTED, "Bundle"),
        (bundle(type="batch"), RefusalCode.TYPE_UNSUPPORTED, "Bundle.type"),
        (bundle(type="searchset"), RefusalCode.TYPE_UNSUPPORTED, "Bundle.type"),
        (bundle(type="history"), RefusalCode.TYPE_UNSUPPORTED, "Bundle.type"),
        (without(bundle(), "type"), RefusalCode.TYPE_UNSUPPORTED, "Bundle.type"),
        (bundle(entry=[]), RefusalCode.SEGMENT_MISSING, "Bundle.entry[0].resource"),
        (bundle(entry=bundle()["entry"][1:]), RefusalCode.SEGMENT_MISSING, "Bundle.entry[0].resource"),
        (bundle(entry=[{"fullUrl": "x"}, *bundle()["entry"]]), RefusalCode.SEGMENT_MISSING, "Bundle.entry[0].resource"),
        (
            bundle(head=without(header(), "source")),
            RefusalCode.FIELD_MISSING,
            "Bundle.entry[0].resource.source.endpoint",
        ),
        (bundle(head=without(header(), "eventCoding")), RefusalCode.FIELD_MISSING, "Bundle.entry[0].resource.event"),
        (
            bundle(entry=[{"resource": without(header(), "id")}]),
            RefusalCode.FIELD_MISSING,
            "Bundle.entry[0].resource.id",
        ),
        (bundle(entry=bundle()["entry"] * MAX_ENTRIES), RefusalCode.TOO_LARGE, "Bundle.entry"),
    ],
)
def test_what_is_no_message_is_refused_at_its_place(message: Json, code: RefusalCode, path: str) -> None:
    found = refusal(json.dumps(message).encode())
    assert (found.code, found.issues[0].path) == (code, path)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", RefusalCode.UNREADABLE),
        (b'{"resourceType":"Bundle","resourceType":"Bundle"}', RefusalCode.UNREADABLE),
        (b'{"a":NaN}', RefusalCode.UNREADABLE),
        (b'{"a":"\xff"}', RefusalCode.UNREADABLE),
        (b"[]", RefusalCode.STRUCTURE_INVALID),
        (b'{"a":' * 70 + b"1" + b"}" * 70, RefusalCode.TOO_DEEP),
        (b" " * (MAX_BODY_BYTES + 1), RefusalCode.TOO_LARGE),
    ],
)
def test_bytes_that_are_not_strict_json_are_refused(body: bytes, code: RefusalCode) -> None:
    assert refusal(body).code is code


def test_a_refusal_keeps_the_name_of_the_message_and_quotes_nothing() -> None:
    found = refusal(json.dumps(bundle(patient(name=[{"family": CANARY}]), type="batch")).encode())
    assert (found.message_id, found.sender, found.kind) == ("h1", SENDER, "fhir-bundle")
    assert CANARY not in str(found.issues)


def test_the_channel_decides_the_format() -> None:
    assert isinstance(peek(Channel(name="v2", format="hl7v2"), adt_a01()), Envelope)
    assert isinstance(peek(CHANNEL, adt_a01()), Refusal)


@given(st.binary(max_size=80))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    assert isinstance(peek(CHANNEL, body), Refusal)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
HEADER_NAMES = [
    "id",
    "source",
    "sender",
    "destination",
    "eventCoding",
    "eventUri",
    "responsible",
    "meta",
    "resourceType",
]


@given(
    st.dictionaries(st.sampled_from(HEADER_NAMES), JUNK),
    st.dictionaries(st.sampled_from(["id", "entry", "meta", "identifier"]), JUNK),
)
def test_any_junk_in_the_header_gets_an_answer(head: Json, around: Json) -> None:
    body = json.dumps(bundle(head=header() | head, **around)).encode()
    assert isinstance(peek(CHANNEL, body), Envelope | Refusal)


@pytest.mark.samples
def test_official_messages_and_content_are_taken_and_everything_else_refused() -> None:
    counts = {"taken": 0, "refused": 0}
    for file in fhir_examples():
        found = peek(CHANNEL, file.read_bytes())
        counts["taken" if isinstance(found, Envelope) else "refused"] += 1
    assert counts["taken"] == 218
    assert counts["refused"] == 207
