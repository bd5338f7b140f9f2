"""Two records are one person: what was known of either is the survivor's, and nothing leaves as if they were still two."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from consent.disclosure_control import ENOUGH_TO_WARN
from gateway.steps import link as acts
from gateway.steps.letters import release_message
from gateway.steps.link import LinkError
from gateway.store.schema import contribution, person, person_merge, resource, sealed
from tests.builders import (
    COCAINE,
    METHADONE,
    Assay,
    Course,
    SyntheticPerson,
    administration,
    adt_a01,
    adt_a03,
    adt_a40,
    consent,
    fhir_message,
    oru_r01,
    rde_o11,
    synthetic_person,
)
from tests.line import Line, running
from tests.world import check_world

Json = dict[str, Any]
LONG_AGO = "2026-01-02T09:00:00+00:00"
STAYS = synthetic_person(1)
OTHER = synthetic_person(2)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path) as made:
        yield made


def without_nhs_number(body: bytes, who: SyntheticPerson) -> bytes:
    """The same message of a record that has only a prison number."""
    return body.replace(f"{who.nhs_number}^^^NHS^NH~".encode(), b"")


def merge(message_id: str = "A40-1", *, given_up: SyntheticPerson = OTHER, stays: SyntheticPerson = STAYS) -> bytes:
    return adt_a40(stays, prior_prison_number=given_up.prison_number, message_id=message_id)


def dissent(who: SyntheticPerson, message_id: str, decision: str = "deny") -> bytes:
    """What a person said; the sending system calls every consent `word`."""
    said = consent(resource_id="word", at=LONG_AGO, decision=decision)
    return fhir_message(who, resources=[said], message_id=message_id, event="consent")


def owners(line: Line) -> set[str]:
    return {row.person_id for row in line.messages() if row.person_id is not None}


def rows_of(line: Line, table: Any) -> list[Any]:
    with line.gateway.store.read() as c:
        return list(c.execute(select(table)))


def letters(line: Line, recipient: str = "northfell") -> list[str]:
    return [got.body.decode() for got in line.neighbours[recipient].effects]


async def test_later_messages_for_either_number_reach_who_stays(line: Line) -> None:
    """And the handover of the one holds what was known under the other's number."""
    given = administration(METHADONE, resource_id="dose", given="2026-01-15T08:05:00+00:00", text="40 mg supervised")
    await line.play(adt_a01(STAYS), without_nhs_number(adt_a01(OTHER, message_id="A01-2"), OTHER))
    assert len(owners(line)) == 2
    await line.play(without_nhs_number(rde_o11(OTHER, course=Course(start="20260110")), OTHER), merge())
    assert len(owners(line)) == 1
    later = without_nhs_number(adt_a01(OTHER, message_id="A01-3"), OTHER)
    await line.play(later, fhir_message(STAYS, resources=[given]), adt_a03(STAYS))
    assert len(owners(line)) == 1
    assert [row.state for row in line.messages()] == ["released"] * 7
    text = letters(line)[-1]
    assert "Methadone" in text
    assert "2026-01-15T08:05:00" in text
    check_world(line)


async def test_who_is_absorbed_may_have_more_versions_of_a_thing_than_who_stays(line: Line) -> None:
    """The versions of the one are counted on behind all of both: none takes the number of another on the way."""
    moved = replace(OTHER, postcode="ZA2 2AA")
    earlier = [without_nhs_number(adt_a01(OTHER, message_id="A01-2"), OTHER)]
    earlier += [without_nhs_number(adt_a01(moved, message_id="A01-3"), moved)]
    await line.play(adt_a01(STAYS), *earlier, merge())
    assert [row.state for row in line.messages()] == ["released"] * 4
    assert len(owners(line)) == 1
    check_world(line)


async def test_keys_are_wrapped_for_who_stays(line: Line) -> None:
    """Nothing is left under the key of the one who is absorbed, and everything opens."""
    await line.play(adt_a01(STAYS), without_nhs_number(rde_o11(OTHER), OTHER), dissent(STAYS, "C-1", "permit"), merge())
    gone = rows_of(line, person_merge)[0]
    with line.gateway.store.read() as c:
        assert not c.execute(select(sealed.c.id).where(sealed.c.wrapped_by == gone.absorbed)).all()
        for row in c.execute(select(sealed.c.id)).all():
            assert line.gateway.keys.unseal(c, row.id)
        current = (
            c.execute(select(resource.c.type).where(resource.c.person_id == gone.survivor, resource.c.current))
            .scalars()
            .all()
        )
    assert current.count("Patient") == 1
    assert "MedicationRequest" in current
    check_world(line)


async def test_a_letter_that_waits_is_decided_again(line: Line) -> None:
    """The recipient is down: the letter of the absorbed record is made anew of the united file before it leaves."""
    line.neighbours["northfell"].up = False
    await line.play(without_nhs_number(adt_a03(OTHER), OTHER))
    assert [row.state for row in line.deliveries()] == ["queued"]
    await line.play(rde_o11(STAYS), merge())
    line.neighbours["northfell"].up = True
    line.clock.advance(seconds=60)
    await line.settle()
    states = [(row.letter, row.state) for row in line.deliveries() if row.letter == "handover"]
    assert states == [("handover", "recalled"), ("handover", "delivered")]
    assert "Methadone" in letters(line)[-1]
    check_world(line)


@pytest.mark.parametrize("who", ["absorbed", "survivor"])
async def test_a_dissent_of_either_stops_the_letters_of_the_one(line: Line, who: str) -> None:
    """Both consents have one id at their sender: the permit of the one must not supersede the dissent of the other."""
    says_no, says_yes = (OTHER, STAYS) if who == "absorbed" else (STAYS, OTHER)
    await line.play(dissent(says_no, "C-no"), dissent(says_yes, "C-yes", "permit"))
    body = adt_a40(STAYS, prior_prison_number=OTHER.prison_number)
    await line.play(body)
    assert [(row.kind, row.state, row.reason) for row in line.messages()][-1] == (
        "ADT^A40",
        "held",
        "identity-conflict",
    )
    acts.link(
        line.gateway, line.messages()[0].id, line.messages()[1].id, reason="same person, seen in reception", by="clerk"
    )
    await line.settle()
    await line.play(adt_a03(STAYS))
    assert [(row.letter, row.state, row.reason) for row in line.deliveries()] == [
        ("handover", "withheld", "withheld-by-consent")
    ]
    assert not line.neighbours["northfell"].got
    check_world(line)


async def test_a_dissent_stops_a_letter_of_the_other_that_waits(line: Line) -> None:
    line.neighbours["northfell"].up = False
    await line.play(adt_a03(STAYS))
    await line.play(dissent_without_nhs(OTHER), merge())
    line.neighbours["northfell"].up = True
    line.clock.advance(seconds=60)
    await line.settle()
    assert [(row.state, row.reason) for row in line.deliveries()][-1] == ("withheld", "withheld-by-consent")
    assert not line.neighbours["northfell"].effects
    check_world(line)


def dissent_without_nhs(who: SyntheticPerson) -> bytes:
    """A dissent under a record that has only a prison number."""
    body = json.loads(dissent(who, "C-only"))
    for entry in body["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            kept = [each for each in entry["resource"]["identifier"] if "nhs-number" not in each["system"]]
            entry["resource"]["identifier"] = kept
    return json.dumps(body).encode()


async def test_two_nhs_numbers_are_held_and_a_person_resolves_it(line: Line) -> None:
    await line.play(adt_a01(STAYS), adt_a01(OTHER, message_id="A01-2"), merge())
    held = line.messages()[-1]
    assert (held.state, held.reason) == ("held", "identity-conflict")
    assert "identity-conflict" in line.told_codes()
    assert len(owners(line)) == 2
    first, second = (row.person_id for row in line.messages()[:2])
    stays = acts.link(line.gateway, first, second, reason="one person, two NHS numbers", by="clerk")
    assert stays == first
    await line.settle()
    assert [row.state for row in line.messages()] == ["released"] * 3
    assert owners(line) == {first}
    assert [(row.absorbed, row.survivor) for row in rows_of(line, person_merge)] == [(second, first)]
    check_world(line)


async def test_two_people_are_kept_apart(line: Line) -> None:
    """A person's word stands against a later merge."""
    await line.play(adt_a01(STAYS), without_nhs_number(adt_a01(OTHER, message_id="A01-2"), OTHER))
    one, other = (row.person_id for row in line.messages())
    acts.separate(line.gateway, one, other, reason="brothers", by="clerk")
    await line.play(merge())
    assert [(row.state, row.reason) for row in line.messages()][-1] == ("held", "identity-conflict")
    assert len(owners(line)) == 2
    with pytest.raises(LinkError):
        acts.separate(line.gateway, one, one, reason="itself", by="clerk")
    check_world(line)


async def test_a_message_that_mixes_two_people_is_rejected_by_separating(line: Line) -> None:
    await line.play(adt_a01(STAYS), adt_a01(OTHER, message_id="A01-2"))
    mixed = adt_a01(STAYS, message_id="A01-3").replace(STAYS.prison_number.encode(), OTHER.prison_number.encode())
    await line.play(mixed)
    held = line.messages()[-1]
    assert (held.state, held.reason) == ("held", "identity-conflict")
    acts.separate(line.gateway, held.id, held.id, reason="the sender mixed them", by="clerk")
    assert line.messages()[-1].state == "rejected"
    check_world(line)


async def test_a_number_that_nobody_has_is_linked(line: Line) -> None:
    """Only one of the two is known, or neither: later messages for either number reach one person."""
    await line.play(adt_a01(STAYS), merge())
    await line.play(without_nhs_number(adt_a01(OTHER, message_id="A01-2"), OTHER))
    assert len(owners(line)) == 1
    third, fourth = synthetic_person(3), synthetic_person(4)
    await line.play(merge("A40-2", given_up=third, stays=fourth))
    await line.play(without_nhs_number(adt_a01(third, message_id="A01-3"), third), adt_a01(fourth, message_id="A01-4"))
    assert len(owners(line)) == 2
    assert len(rows_of(line, person)) == 2
    check_world(line)


async def test_order_holds_across_a_merge(line: Line) -> None:
    """Everything arrives at once: what came before the merge is released before it, what came after it after it."""
    bodies = [
        adt_a01(STAYS),
        without_nhs_number(rde_o11(OTHER, message_id="R-1", course=Course(start="20260101", order="RX-1")), OTHER),
        merge(),
        rde_o11(STAYS, message_id="R-2", course=Course(start="20260102", order="RX-2")),
        without_nhs_number(rde_o11(OTHER, message_id="R-3", course=Course(start="20260103", order="RX-3")), OTHER),
        adt_a03(STAYS),
    ]
    for body in bodies:
        assert line.is_accepted(await line.send(body))
    await line.settle()
    rows = line.messages()
    assert [row.state for row in rows] == ["released"] * 6
    assert [row.ended_at for row in rows] == sorted(row.ended_at for row in rows)
    assert len(owners(line)) == 1
    check_world(line)


async def test_a_merge_that_cannot_be_one_is_held(line: Line) -> None:
    """Several merges in one message, and a number that is none."""
    two = merge("A40-9") + b"PID|2||A9999ZZ^^^NOMIS^PI\rMRG|A8888ZZ^^^NOMIS^PI\r"
    await line.play(two, adt_a40(STAYS, prior_prison_number="LOCAL-7", message_id="A40-8"))
    assert {row.state for row in line.messages()} == {"held"}
    check_world(line)


async def test_who_was_counted_twice_is_counted_once(line: Line) -> None:
    """A report counts people: the same test group under both numbers is one person's; unexpected under either is unexpected."""
    positive = oru_r01(STAYS, message_id="O-1", assays=(Assay(code=COCAINE[0], text=COCAINE[1], result="positive"),))
    negative = oru_r01(OTHER, message_id="O-2", assays=(Assay(code=COCAINE[0], text=COCAINE[1], result="negative"),))
    medicines = (rde_o11(STAYS, message_id="R-1"), without_nhs_number(rde_o11(OTHER, message_id="R-2"), OTHER))
    await line.play(*medicines, positive, without_nhs_number(negative, OTHER))
    counted = rows_of(line, contribution)
    assert sorted(row.positive for row in counted if row.substance_group == "cocaine") == [False, True]
    await line.play(merge())
    assert [row.positive for row in rows_of(line, contribution) if row.substance_group == "cocaine"] == [True]
    check_world(line)


async def test_what_a_held_merge_brought_is_told_after_it_was_let_go(line: Line) -> None:
    """One person fewer makes the cell mostly positive in the release of the merge itself, which ends the work of its hold and no more."""
    third = synthetic_person(3)
    found = Assay(code=COCAINE[0], text=COCAINE[1], result="positive")
    others = [synthetic_person(place) for place in range(10, 10 + ENOUGH_TO_WARN)]
    negative = {OTHER, *others[: ENOUGH_TO_WARN // 2]}
    for at, who in enumerate((STAYS, OTHER, *others)):
        result = replace(found, result="negative") if who in negative else found
        bodies = (rde_o11(who, message_id=f"R-{at}"), oru_r01(who, message_id=f"O-{at}", assays=(result,)))
        await line.play(*(without_nhs_number(body, who) for body in bodies))
    counted = [row.positive for row in rows_of(line, contribution) if row.substance_group == "cocaine"]
    assert sorted(counted) == [False] * len(negative) + [True] * len(negative)
    await line.play(adt_a01(third), merge().replace(STAYS.nhs_number.encode(), third.nhs_number.encode()))
    held = line.messages()[-1]
    assert (held.state, held.reason) == ("held", "identity-conflict")
    assert "mostly-positive" not in line.told_codes()
    acts.link(
        line.gateway, line.messages()[0].person_id, line.messages()[-2].person_id, reason="his number", by="clerk"
    )
    await line.settle()
    assert line.messages(id=held.id)[0].state == "released"
    assert {"mostly-positive", "mostly-positive-report"} <= set(line.told_codes())
    check_world(line)


def broken(monkeypatch: pytest.MonkeyPatch, message_id: str) -> None:
    """Whatever is done with this held message, it cannot be released."""

    def breaks(parts: Any, some_id: str, **how: Any) -> Any:
        if some_id == message_id:
            raise ValueError("broken")
        return release_message(parts, some_id, **how)

    monkeypatch.setattr(acts, "release_message", breaks)


async def test_one_that_cannot_go_on_after_a_link_keeps_no_other_back(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two merges are held; the first is settled and breaks. What a person said is done, and the second goes on when it is settled."""
    third, fourth = synthetic_person(3), synthetic_person(4)
    for at, who in enumerate((STAYS, OTHER, third, fourth)):
        await line.play(adt_a01(who, message_id=f"A01-{at}"))
    await line.play(merge(), merge("A40-2", given_up=fourth, stays=third))
    people = [row.person_id for row in line.messages()[:4]]
    first, second = line.messages()[-2:]
    assert [first.state, second.state] == ["held", "held"]
    broken(monkeypatch, first.id)
    for one, other in (people[:2], people[2:]):
        acts.link(line.gateway, one, other, reason="one person, two NHS numbers", by="clerk")
    await line.settle()
    assert [row.state for row in line.messages()[-2:]] == ["held", "released"]
    monkeypatch.undo()
    check_world(line)


async def test_a_merge_whose_followers_break_costs_others_of_its_turn_nothing(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    await line.play(adt_a01(STAYS), without_nhs_number(adt_a01(OTHER, message_id="A01-2"), OTHER))

    async def breaks(_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(type(line.gateway), "_run_held_again", breaks)
    for body in (merge(), adt_a03(synthetic_person(3))):
        assert line.is_accepted(await line.send(body))
    await line.settle()
    monkeypatch.undo()
    assert [(row.state, row.attempts) for row in line.messages()[-2:]] == [("released", 0)] * 2
    check_world(line)
