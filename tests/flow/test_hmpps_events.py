"""HMPPS domain events on the line: a release hands over from the file, what is none hands over nothing, a repeat is one."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_profiles import facts
from gateway.clients import add_client
from gateway.journeys.file import read_file
from tests.builders import adt_a01, adt_a03, care_plan, fhir_message, synthetic_person
from tests.fhir_profiles.hmpps.test_domain_events import AT_ONCE, LATE, event, in_sns
from tests.line import Line, running
from tests.world import check_world

FEED = "prison-feed"
PERSON, OTHER = synthetic_person(1), synthetic_person(2)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path) as made:
        add_client(made.gateway, name=FEED, kinds=("hmpps-event",), establishments=("ZFG",))
        yield made


def told(name: str, person: Any = PERSON, at: str = "12:00", **information: Any) -> bytes:
    content = event(name, nomsNumber=person.prison_number, **information)
    content["occurredAt"] = f"2026-01-15T{at}:00Z"
    content["personReference"] = {"identifiers": [{"type": "NOMS", "value": person.prison_number}]}
    marks = "-".join((name, person.prison_number, str(information.get("reason")), at))
    return json.dumps(in_sns(content, message_id=marks)).encode()


def released(code: str | None, feed: str = LATE, at: str = "12:00") -> bytes:
    return told(f"{feed}prisoner.released", at=at, reason="RELEASED", nomisMovementReasonCode=code)


def back(reason: str, at: str) -> bytes:
    return told(f"{AT_ONCE}prisoner.received", at=at, reason=reason)


async def at(line: Line, hour: str, *bodies: bytes) -> None:
    """Play events at that time of day."""
    line.clock.instant = datetime.fromisoformat(f"2026-01-15T{hour}:01+00:00")
    await line.play(*bodies, client=FEED)


def handovers(line: Line) -> list[str]:
    return [got.body.decode() for got in line.neighbours["northfell"].effects]


def sent(line: Line) -> list[tuple[str, bool, str]]:
    """(letter, provisional, state) of every delivery, in order."""
    return [(row.letter, row.provisional, row.state) for row in line.deliveries()]


async def known(line: Line) -> None:
    plan = care_plan(start="2026-01-02", description="plan")
    await line.play(adt_a01(PERSON), fhir_message(PERSON, resources=[plan], message_id="PLAN"))


async def test_a_release_hands_over_what_is_in_the_file_and_a_repeat_is_one(line: Line) -> None:
    await known(line)
    await line.play(released("CR"), released("CR"), client=FEED)
    (letter,) = handovers(line)
    assert "PROVISIONAL" not in letter.upper()
    check_world(line)


async def test_the_feed_that_gives_no_reason_hands_over_provisionally_and_a_person_is_asked(line: Line) -> None:
    await known(line)
    await line.play(released(None, feed=AT_ONCE), client=FEED)
    (letter,) = handovers(line)
    assert "PROVISIONAL" in letter.upper()
    assert "release-unclear" in line.told_codes()
    check_world(line)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("RELEASED", "DEC"),
        ("RELEASED", "UAL"),
        ("RELEASED", "MRG"),
        ("SENT_TO_COURT", "CR"),
        ("TEMPORARY_ABSENCE_RELEASE", ""),
    ],
)
async def test_what_is_no_release_hands_over_nothing(line: Line, reason: str, code: str) -> None:
    await known(line)
    await line.play(told(f"{LATE}prisoner.released", reason=reason, nomisMovementReasonCode=code), client=FEED)
    assert handovers(line) == []
    check_world(line)


async def test_a_merge_without_a_prison_is_taken_and_joins_the_records(line: Line) -> None:
    await known(line)
    await line.play(told(f"{LATE}prisoner.received", OTHER, reason="ADMISSION"), client=FEED)
    await line.play(told(f"{LATE}prisoner.merged", prisonId=None, removedNomsNumber=OTHER.prison_number), client=FEED)
    assert {row.person_id for row in line.messages()} == {line.messages()[0].person_id}
    check_world(line)


async def test_a_prison_that_the_client_does_not_speak_for_is_refused(line: Line) -> None:
    answer = await line.send(told(f"{LATE}prisoner.received", reason="ADMISSION", prisonId="ZNF"), client=FEED)
    assert answer.status == 403


async def test_a_reversal_within_the_window_sends_a_correction_and_a_recall_later_does_not(line: Line) -> None:
    await known(line)
    await at(line, "12:00", released(None, feed=AT_ONCE))
    await at(line, "12:20", back("READMISSION", "12:20"))
    assert sent(line) == [("handover", True, "delivered"), ("correction", False, "delivered")]
    assert line.deliveries()[1].supersedes == line.deliveries()[0].id
    assert "The person is in custody. When the person is released" in handovers(line)[1]
    await at(line, "12:30", back("READMISSION", "12:30"))
    assert len(sent(line)) == 2, "it is corrected already"
    await at(line, "14:00", released(None, feed=AT_ONCE, at="14:00"))
    await at(line, "14:50", released("CR", at="14:00"))
    await at(line, "18:00", back("READMISSION", "18:00"), back("NEW_ADMISSION", "18:00"))
    assert [each[0] for each in sent(line)] == ["handover", "correction", "handover", "handover"]
    check_world(line)


async def test_the_late_feed_confirms_or_takes_back_what_the_other_told_at_once(line: Line) -> None:
    await known(line)
    await at(line, "12:00", released(None, feed=AT_ONCE))
    await at(line, "12:50", released("CR"))
    first, second = line.deliveries()
    assert (first.provisional, second.provisional) == (True, False)
    assert f"It takes the place of letter {first.id}" in handovers(line)[1]
    await at(line, "15:00", back("READMISSION", "15:00"))
    await at(line, "16:00", released(None, feed=AT_ONCE, at="16:00"))
    await at(line, "16:50", released("UAL", at="16:00"))
    assert [each[0] for each in sent(line)] == ["handover", "handover", "handover", "correction"]
    assert "Where the person is now is not said here" in handovers(line)[3]
    assert "UAL" not in handovers(line)[3]
    assert "bscond" not in handovers(line)[3]
    check_world(line)


async def test_a_late_word_about_a_stay_that_ended_does_not_end_the_next_one(line: Line) -> None:
    await known(line)
    await line.play(released(None, feed=AT_ONCE), back("NEW_ADMISSION", "13:00"), released("CR"), client=FEED)
    with line.gateway.store.read() as c:
        file = read_file(c, line.gateway, line.messages()[0].person_id)
    stays = [each["status"] for each in file.resources if each["resourceType"] == "Encounter" and "IMP" in str(each)]
    assert "in-progress" in stays
    assert "finished" not in stays
    check_world(line)


async def test_a_reversal_that_comes_before_its_release_leaves_the_person_in_custody_and_somebody_is_told(
    line: Line,
) -> None:
    """Nobody is handed over by a release that is known to be undone; the surer word of the late feed still counts."""
    await known(line)
    await at(line, "12:20", back("READMISSION", "12:20"))
    await at(line, "12:30", released(None, feed=AT_ONCE, at="12:00"))
    assert sent(line) == []
    assert "release-taken-back" in line.told_codes()
    assert "release-unclear" not in line.told_codes(), "it would say that a handover has left"
    with line.gateway.store.read() as c:
        file = read_file(c, line.gateway, line.messages()[0].person_id)
    assert facts.in_custody(file.resources, "2026-01-15T12:31:00+00:00") == "ZFG"
    await at(line, "12:50", released("CR", at="12:00"))
    assert sent(line) == [("handover", False, "delivered")]
    await at(line, "18:00", released(None, feed=AT_ONCE, at="18:00"))
    assert sent(line)[1:] == [("handover", True, "delivered")], "a release after the return is another one"
    check_world(line)


@pytest.mark.parametrize("word", [released("DEC"), back("READMISSION", "12:20")], ids=["death", "return"])
async def test_a_word_without_a_time_takes_nothing_back_and_a_person_is_asked(line: Line, word: bytes) -> None:
    """Absent never decides, and it is not lost either."""
    await known(line)
    await at(line, "12:00", released(None, feed=AT_ONCE))
    envelope = json.loads(word)
    content = json.loads(envelope["Message"])
    del content["occurredAt"]
    await at(line, "12:20", json.dumps({**envelope, "MessageId": "UNDATED", "Message": json.dumps(content)}).encode())
    assert sent(line) == [("handover", True, "delivered")]
    assert "reversal-unclear" in line.told_codes()
    check_world(line)


async def test_a_reversal_is_told_to_whoever_got_a_handover_of_it(line: Line) -> None:
    """Three words about one release, and between them another address: each provider that has a handover gets the correction of its own."""
    await known(line)
    await at(line, "12:00", released(None, feed=AT_ONCE))
    elsewhere = replace(PERSON, postcode="ZB1 1AA")
    line.clock.instant = datetime.fromisoformat("2026-01-15T12:10:01+00:00")
    await line.play(adt_a03(elsewhere, message_id="OUT", at="20260115120000+0000", disposition="CR"))
    await at(line, "12:20", back("READMISSION", "12:20"))
    rows = [(row.letter, row.recipient, row.state) for row in line.deliveries()]
    assert rows == [
        ("handover", "northfell", "delivered"),
        ("handover", "southfell", "recalled"),
        ("correction", "northfell", "delivered"),
    ], "southfell had not collected it: it is taken back"
    assert line.deliveries()[2].supersedes == line.deliveries()[0].id
    check_world(line)
