"""HMPPS domain events on the line: a release hands over from the file, what is none hands over nothing, a repeat is one."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clients import add_client
from tests.builders import adt_a01, care_plan, fhir_message, synthetic_person
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


def told(name: str, person: Any = PERSON, **information: Any) -> bytes:
    content = event(name, nomsNumber=person.prison_number, **information)
    content["personReference"] = {"identifiers": [{"type": "NOMS", "value": person.prison_number}]}
    return json.dumps(in_sns(content, message_id=f"{name}-{person.prison_number}-{information.get('reason')}")).encode()


def released(code: str | None, feed: str = LATE) -> bytes:
    return told(f"{feed}prisoner.released", reason="RELEASED", nomisMovementReasonCode=code)


def handovers(line: Line) -> list[str]:
    return [got.body.decode() for got in line.neighbours["northfell"].effects]


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
