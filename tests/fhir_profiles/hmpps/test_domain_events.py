"""HMPPS domain events: what each means for the line. A release is one only for the right reasons."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_profiles.facts import in_custody
from fhir_profiles.hmpps import leaves
from fhir_profiles.mappings import hmpps_event
from fhir_profiles.peek import peek
from fhir_profiles.peek_hmpps import EVENTS
from fhir_profiles.shapes import Channel, Envelope, Event, Fate, HoldCode, Refusal, RefusalCode, Translation
from fhir_profiles.translate import translate
from fhir_profiles.validate import invalid, validate
from tests.samples import samples_folder

Json = dict[str, Any]
CHANNEL = Channel(name="events", format="fhir")
NUMBER, OTHER = "A1234BC", "A9999ZZ"
LATE, AT_ONCE = "prison-offender-events.", "prisoner-offender-search."


def event(name: str, **information: Any) -> Json:
    return {
        "eventType": name,
        "version": 1,
        "occurredAt": "2026-03-01T09:30:00.123456789Z",
        "description": "something happened",
        "additionalInformation": {"nomsNumber": NUMBER, "prisonId": "ZFG", **information},
        "personReference": {"identifiers": [{"type": "NOMS", "value": NUMBER}]},
    }


def body(content: Json) -> bytes:
    return json.dumps(content).encode()


def in_sns(content: Json, message_id: str = "11111111-2222-3333-4444-555555555555") -> Json:
    return {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": "arn:aws:sns:example",
        "Message": json.dumps(content),
        "MessageAttributes": {"eventType": {"Type": "String", "Value": content["eventType"]}},
    }


def meaning(content: Json) -> Translation:
    found = translate(CHANNEL, body(content))
    assert not invalid(validate(found.bundle)), found.issues
    return found


def of(translation: Translation, kind: str) -> list[Json]:
    found = [entry["resource"] for entry in translation.bundle["entry"]]
    return [each for each in found if each["resourceType"] == kind]


@pytest.mark.parametrize("feed", [LATE, AT_ONCE])
@pytest.mark.parametrize(
    ("reason", "code", "means"),
    [
        ("RELEASED", "CR", Event.RELEASE),
        ("RELEASED", "NCS", Event.RELEASE),
        ("RELEASED", "DEC", Event.DEATH),
        ("RELEASED", "UAL", Event.ESCAPE),
        ("RELEASED", "MRG", Event.MERGE),
        ("RELEASED", "", Event.RELEASE_UNCLEAR),
        ("RELEASED", "??", Event.RELEASE_UNCLEAR),
        ("UNKNOWN", "", Event.RELEASE_UNCLEAR),
        ("", "", Event.RELEASE_UNCLEAR),
        ("RELEASED_TO_HOSPITAL", "", Event.RELEASE_UNCLEAR),
        ("SENT_TO_COURT", "CR", Event.COURT),
        ("TEMPORARY_ABSENCE_RELEASE", "", Event.TEMPORARY_ABSENCE),
        ("TRANSFERRED", "", Event.TRANSFER),
    ],
)
def test_a_release_is_one_only_for_the_right_reasons(feed: str, reason: str, code: str, means: Event) -> None:
    translation = meaning(event(f"{feed}prisoner.released", reason=reason, nomisMovementReasonCode=code))
    if feed == AT_ONCE and means is Event.RELEASE:
        means = Event.RELEASE_UNCLEAR  # it can still be reversed
    assert (translation.events, translation.hold) == ((means,), None)
    assert [task.code for task in translation.tasks] == (["release-unclear"] if means is Event.RELEASE_UNCLEAR else [])
    assert (translation.establishment, translation.occurred) == ("ZFG", "2026-03-01T09:30:00.123456+00:00")


@pytest.mark.parametrize(
    ("reason", "means", "status"),
    [
        ("ADMISSION", (Event.RECEPTION,), "in-progress"),
        ("NEW_ADMISSION", (Event.RECEPTION,), "in-progress"),
        ("READMISSION", (Event.RECEPTION, Event.READMISSION), "in-progress"),
        ("READMISSION_SWITCH_BOOKING", (Event.RECEPTION, Event.READMISSION), "in-progress"),
        ("TRANSFERRED", (Event.RECEPTION,), "in-progress"),
        ("RETURN_FROM_COURT", (Event.RECORD,), "in-progress"),
        ("TEMPORARY_ABSENCE_RETURN", (Event.RECORD,), "in-progress"),
        ("POST_MERGE_ADMISSION", (Event.RECORD,), "in-progress"),
        ("SOMETHING", (Event.RECORD,), "unknown"),
    ],
)
def test_an_arrival_begins_a_stay_only_where_it_is_one(reason: str, means: tuple[Event, ...], status: str) -> None:
    translation = meaning(event(f"{LATE}prisoner.received", reason=reason))
    assert translation.events == means
    assert [each["status"] for each in of(translation, "Encounter")] == [status]


@pytest.mark.parametrize("prison", [None, "OUT", "TRN", "nowhere"])
def test_a_movement_without_a_prison_is_still_a_movement(prison: str | None) -> None:
    """OUT and TRN are agencies of NOMIS and no place: a client that speaks for prisons must not be refused for them."""
    translation = meaning(
        event(f"{LATE}prisoner.released", reason="RELEASED", nomisMovementReasonCode="CR", prisonId=prison)
    )
    assert (translation.events, translation.establishment) == ((Event.RELEASE,), None)
    assert not of(translation, "Encounter")


def test_a_merge_names_who_stays_and_what_is_given_up() -> None:
    translation = meaning(event(f"{LATE}prisoner.merged", reason="MERGE", removedNomsNumber=OTHER))
    assert (translation.events, translation.hold) == ((Event.MERGE,), None)
    assert [each.value for each in translation.persons] == [NUMBER]
    assert [each.value for each in translation.absorbed] == [OTHER]
    held = meaning(event(f"{LATE}prisoner.merged", removedNomsNumber="nobody"))
    assert held.hold is not None
    assert held.hold.code is HoldCode.MERGE_WAITS


def test_a_booking_that_moves_is_held_and_names_both() -> None:
    content = event(f"{LATE}prisoner.booking.moved", movedFromNomsNumber=OTHER, movedToNomsNumber=NUMBER)
    del content["additionalInformation"]["nomsNumber"]
    translation = meaning(content)
    assert translation.hold is not None
    assert translation.hold.code is HoldCode.TWO_PEOPLE
    assert {each.value for each in (*translation.persons, *translation.absorbed)} == {NUMBER, OTHER}


@pytest.mark.parametrize(
    ("name", "code", "statuses"),
    [
        ("person.alert.created", "HA", ["active"]),
        ("person.alert.inactivated", "HA", ["inactive"]),
        ("person.alert.deleted", "SH", ["entered-in-error"]),
        ("person.alert.updated", "HA", []),
        ("person.alert.created", "XEL", []),
        ("person.alert.created", "PEEP", []),
    ],
)
def test_only_alerts_of_self_harm_are_flags(name: str, code: str, statuses: list[str]) -> None:
    """What security says of a person is nobody's here; an update does not say what it changed."""
    translation = meaning(event(name, alertCode=code, alertUuid="6a0783ee-024e-4201-8e1f-3ead5fd2492a", source="DPS"))
    assert translation.events == (Event.RECORD,)
    assert [each["status"] for each in of(translation, "Flag")] == statuses
    assert (code in str(translation.bundle)) == bool(statuses)


def test_nobody_and_two_people_are_held() -> None:
    nobody = event(f"{LATE}prisoner.released", nomsNumber=None)
    nobody["personReference"] = {}
    assert (hold := meaning(nobody).hold) is not None
    assert hold.code is HoldCode.NO_PERSON
    assert (hold := meaning(event(f"{LATE}prisoner.released", nomsNumber=OTHER)).hold) is not None
    assert hold.code is HoldCode.TWO_PEOPLE


def test_an_envelope_changes_nothing_but_the_key() -> None:
    content = event(f"{LATE}prisoner.released", reason="RELEASED", nomisMovementReasonCode="CR")
    bare, wrapped = (peek(CHANNEL, body(each)) for each in (content, in_sns(content)))
    assert isinstance(bare, Envelope)
    assert isinstance(wrapped, Envelope)
    assert (bare.kind, bare.event, bare.establishment) == (wrapped.kind, wrapped.event, wrapped.establishment)
    assert wrapped.key == ("sns", "11111111-2222-3333-4444-555555555555")
    assert bare.key[0] == "digest"
    assert meaning(content).events == meaning(in_sns(content)).events


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (event("prison-offender-events.prisoner.contact-added"), RefusalCode.EVENT_UNSUPPORTED),
        ({"eventType": None}, RefusalCode.EVENT_UNSUPPORTED),
        ({"Type": "Notification", "Message": "no json"}, RefusalCode.UNREADABLE),
        ({"Type": "Notification"}, RefusalCode.UNREADABLE),
    ],
)
def test_what_is_no_event_that_is_read_is_refused(content: Json, code: RefusalCode) -> None:
    found = peek(CHANNEL, body(content))
    assert isinstance(found, Refusal)
    assert found.code is code


def test_every_field_is_accounted_for() -> None:
    content = in_sns(event(f"{LATE}prisoner.released", reason="RELEASED", nomisMovementReasonCode="CR"))
    fields = meaning(content).fields
    inner = set(leaves(json.loads(content["Message"])))
    assert {field.source for field in fields if not field.source.startswith("SNS.")} == inner
    assert {field.fate for field in fields if field.source.startswith("SNS.")} == {Fate.MINIMISED}
    assert len(fields) == len({field.source for field in fields})


_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9999)
    | st.text(max_size=12)
    | st.sampled_from([NUMBER, "ZFG", "CR", "RELEASED"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(EVENTS),
    st.dictionaries(
        st.sampled_from(
            [
                "nomsNumber",
                "prisonId",
                "reason",
                "nomisMovementReasonCode",
                "removedNomsNumber",
                "movedToNomsNumber",
                "alertCode",
                "alertUuid",
            ]
        ),
        _ANY,
    ),
    _ANY,
    _ANY,
)
def test_any_event_is_translated_or_held(name: str, information: Json, person: Any, occurred: Any) -> None:
    """Never an exception, never anything that is not valid, and every field has its fate."""
    content = {
        "eventType": name,
        "additionalInformation": information,
        "personReference": person,
        "occurredAt": occurred,
    }
    envelope = peek(CHANNEL, body(content))
    assert isinstance(envelope, Envelope)
    direct = hmpps_event.translate(CHANNEL, body(content))
    assert {field.source for field in direct.fields} == set(leaves(json.loads(body(content))))
    translation = translate(CHANNEL, body(content))
    assert not invalid(validate(translation.bundle))
    assert translation.persons == envelope.persons


@pytest.mark.samples
def test_the_shared_samples_are_read_or_refused_by_name() -> None:
    """The awkward ones among them: no person reference, no prison, a reason code that says died."""
    seen = []
    for path in sorted((samples_folder() / "examples" / "hmpps-events").glob("*/*.json")):
        if path.parent.name not in {"sns-messages", "examples-derived-from-schemas"}:
            continue
        found = peek(CHANNEL, path.read_bytes())
        if isinstance(found, Envelope):
            translation = translate(CHANNEL, path.read_bytes())
            assert translation.fields
            seen.append(f"{path.stem} {' '.join(translation.events) or 'held'}")
        else:
            assert found.code is RefusalCode.EVENT_UNSUPPORTED
    assert "prisoner-absconded escape" in seen
    assert "prisoner-released-admin-merge merge" in seen
    assert "prisoner-released release" in seen
    assert len(seen) >= 12


def test_only_a_stay_that_the_feed_at_once_ended_can_still_be_reversed() -> None:
    said = {"reason": "RELEASED", "nomisMovementReasonCode": "CR"}
    ended = {feed: of(meaning(event(f"{feed}prisoner.released", **said)), "Encounter")[0] for feed in (LATE, AT_ONCE)}
    ends = "2026-03-01T09:30:00+00:00"
    soon, later = "2026-03-01T10:14:00+00:00", "2026-03-01T10:16:00+00:00"
    for stay in ended.values():
        assert stay["period"]["end"].startswith(ends[:19])
    custody = {
        (feed, at): in_custody([stay], at) for feed, stay in ended.items() for at in (soon, later, None, "nonsense")
    }
    assert {asked for asked, place in custody.items() if place == "ZFG"} == {(AT_ONCE, soon)}
    elsewhere = {"resourceType": "Encounter", "id": "other", "status": "in-progress", "period": {"start": "2026-01-02"}}
    elsewhere |= {"serviceProvider": ended[LATE]["serviceProvider"]}
    assert in_custody([elsewhere], later) == "ZFG"
    assert in_custody([elsewhere, ended[LATE]], later) is None, "one stay, of which two systems tell"
    assert in_custody([elsewhere, ended[AT_ONCE]], soon) == "ZFG"
    assert in_custody([{**elsewhere, "period": {"start": "2026-03-02"}}, ended[LATE]], later) == "ZFG"
