"""What the events of HL7 v2 do to the line: only a discharge hands over, a booking that moves is held for both, a refusal in a CON counts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.schema import person_merge
from tests.builders import SyntheticPerson, adt_a01, adt_a03, synthetic_person
from tests.line import Line, running
from tests.world import check_world

ONE, OTHER = synthetic_person(1), synthetic_person(2)
GIVEN = "425691002^Consent given for electronic record sharing^SCT"


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path) as made:
        yield made


def event(kind: str, person: SyntheticPerson = ONE, *more: str) -> bytes:
    """An ADT of that event with everything that a discharge says: its disposition and its time too."""
    body = adt_a03(person, message_id=f"{kind}-{person.prison_number}").replace(b"A03", kind.encode())
    return body + "".join(f"{segment}\r" for segment in more).encode()


async def test_only_a_discharge_hands_over(line: Line) -> None:
    """A planned release, a leave, a return, an update: with the disposition of a release in each, and nothing leaves for it."""
    events = ("A05", "A07", "A14", "A16", "A21", "A22", "A28", "A31")
    await line.play(adt_a01(ONE), *(event(kind) for kind in events))
    assert [row.state for row in line.messages()] == ["released"] * (1 + len(events))
    assert line.deliveries() == []
    await line.play(adt_a03(ONE))
    assert "handover" in {row.letter for row in line.deliveries()}
    check_world(line)


@pytest.mark.parametrize("kind", ["A44", "A45"])
async def test_a_booking_that_moves_is_held_and_both_handovers_say_so(line: Line, kind: str) -> None:
    await line.play(event(kind, ONE, f"MRG|{OTHER.prison_number}^^^NOMIS^PI||B-1"))
    (held,) = line.messages()
    assert (held.state, held.reason) == ("held", "two-people")
    await line.play(adt_a03(ONE), adt_a03(OTHER, message_id="OUT-2"))
    letters = [got.body.decode() for got in line.neighbours["northfell"].effects]
    assert len(letters) == 2
    assert all("Earlier messages that it does not contain: 1" in letter for letter in letters)
    check_world(line)


async def test_the_older_merge_joins_two_records(line: Line) -> None:
    await line.play(adt_a01(ONE), event("A34", ONE, "MRG|Z9999ZZ^^^NOMIS^PI"))
    assert [row.state for row in line.messages()] == ["released", "released"]
    await line.play(adt_a01(OTHER, message_id="IN-2").replace(f"{OTHER.nhs_number}^^^NHS^NH~".encode(), b""))
    other_without_nhs = event("A34", ONE, f"MRG|{OTHER.prison_number}^^^NOMIS^PI").replace(b"|A34-", b"|AGAIN-")
    await line.play(other_without_nhs)
    with line.gateway.store.read() as c:
        assert len(c.execute(person_merge.select()).all()) == 1
    check_world(line)


async def test_a_refusal_in_a_con_segment_stops_the_letter_and_a_yes_of_no_authority_waits(line: Line) -> None:
    await line.play(event("A31", ONE, f"CON|1|{GIVEN}||F-1|||||||A||20260101"))
    assert (line.messages()[0].state, line.messages()[0].reason) == ("held", "consent-authority")
    await line.play(event("A31", OTHER, f"CON|1|{GIVEN}||F-1|||||||R||20260101"), adt_a03(OTHER, message_id="OUT-2"))
    (handover,) = [row for row in line.deliveries() if row.letter == "handover"]
    assert (handover.state, handover.reason) == ("withheld", "withheld-by-consent")
    check_world(line)


async def test_an_update_that_ends_a_stay_hands_nobody_over_and_somebody_is_told(line: Line) -> None:
    """A discharge that only an A08 tells was nobody's release, and nobody heard of it. After a discharge the same update is no news."""
    await line.play(adt_a01(ONE), event("A08"))
    assert line.deliveries() == []
    assert "end-by-update" in line.told_codes()
    await line.play(adt_a01(OTHER, message_id="IN-2"), adt_a03(OTHER, message_id="OUT-2"))
    before = line.told_codes().count("end-by-update")
    await line.play(event("A08", OTHER))
    assert line.told_codes().count("end-by-update") == before
    check_world(line)


async def test_a_planned_discharge_in_an_update_ends_nothing(line: Line) -> None:
    planned = event("A08").replace(b"|||||||||20260115120000+0000", b"|||||||||20260301110000")
    assert planned != event("A08")
    await line.play(adt_a01(ONE), planned)
    assert "end-by-update" not in line.told_codes()
    check_world(line)
