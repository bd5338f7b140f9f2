"""Custody: once, refused clearly, held where it is not known whose it is; and nothing about anybody where everybody can read."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway import desk, pipeline
from gateway.bus import UnreliableBus
from gateway.bus.protocol import Topic
from gateway.store.schema import ledger_entry
from tests.builders import (
    METHADONE,
    Assay,
    adt_a01,
    adt_a03,
    adt_a40,
    care_plan,
    consent,
    fhir_message,
    medication_request,
    nhs_number,
    oru_r01,
    prison_number,
    rde_o11,
    synthetic_person,
)
from tests.line import running
from tests.world import check_world, clear_columns, no_canary


async def test_a_duplicate_gets_the_stored_acknowledgement_and_no_second_effect(tmp_path: Path) -> None:
    """The same bytes twice: the same answer twice, one message, one letter."""
    async with running(tmp_path) as line:
        first = await line.send(adt_a03())
        await line.settle()
        second = await line.send(adt_a03())
        await line.settle()
        assert first == second
        assert len(line.messages()) == 1
        assert len(line.neighbours["northfell"].effects) == 1
        check_world(line)


async def test_the_same_id_with_other_bytes_is_refused(tmp_path: Path) -> None:
    """Refused and kept as refused; the first one stands."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(message_id="SAME"))
        answer = await line.send(adt_a03(message_id="SAME"))
        assert not line.is_accepted(answer)
        assert b"MSA|AR|SAME" in answer.body
        await line.settle()
        assert [row.state for row in line.messages()] == ["released", "rejected"]
        assert not line.deliveries()
        check_world(line)


async def test_the_acknowledgement_waits_for_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bus that does not confirm: what is on the disk is acknowledged, so many ids wait for it and no more, and the sweep brings the rest."""
    confirms = asyncio.Event()
    async with running(tmp_path) as line:
        publish = line.gateway.bus.publish
        asked: list[str] = []

        async def slow(topic: Topic, some_id: str) -> None:
            asked.append(some_id)
            await confirms.wait()
            await publish(topic, some_id)

        await line.gateway._end_background()  # a sweep of its own would ask for the same ids
        monkeypatch.setattr(line.gateway.bus, "publish", slow)
        monkeypatch.setattr(pipeline, "HANDING_ON", 2)
        try:
            async with asyncio.timeout(20):
                for number in range(4):
                    answer = await line.send(adt_a01(synthetic_person(number), message_id=f"M-{number}"))
                    assert line.is_accepted(answer)
            assert len(asked) == 2
            assert {row.state for row in line.messages()} == {"received"}
        finally:
            confirms.set()
        await line.settle()
        assert [row.state for row in line.messages()] == ["released"] * 4
        check_world(line)


@pytest.mark.parametrize("bus", [None, *range(4)])
async def test_a_story_under_a_bus_that_loses_repeats_and_reorders(tmp_path: Path, bus: int | None) -> None:
    """Ids get lost, come twice, come late: the same letters leave, once and in order."""
    supplies = [
        fhir_message(
            resources=[
                medication_request(
                    METHADONE, resource_id=f"rx{n}", authored="2026-01-15", text=f"dose {n}", category="discharge"
                )
            ],
            message_id=f"FHIR-rx-{n}",
        )
        for n in range(4)
    ]
    async with running(tmp_path, bus=UnreliableBus(bus) if bus is not None else None) as line:
        for body in (adt_a01(), *supplies, adt_a03()):
            assert line.is_accepted(await line.send(body))
        await line.settle(60)
        assert [row.state for row in line.messages()] == ["released"] * 6
        assert sorted((row.letter, row.state) for row in line.deliveries()) == [
            ("handover", "delivered"),
            *[("prescription-copy", "delivered")] * 4,
        ]
        check_world(line)


async def test_two_people_in_one_message_are_held(tmp_path: Path) -> None:
    """Two NHS numbers: held, told, nothing filed; a person rejects it."""
    person = synthetic_person(1)
    other = synthetic_person(2)
    body = adt_a03(person).replace(
        f"{person.nhs_number}^^^NHS^NH".encode(), f"{person.nhs_number}^^^NHS^NH~{other.nhs_number}^^^NHS^NH".encode()
    )
    async with running(tmp_path) as line:
        assert line.is_accepted(await line.send(body))
        await line.settle()
        (row,) = line.messages()
        assert (row.state, row.reason, row.person_id) == ("held", "two-people", None)
        assert "two-people" in line.told_codes()
        assert [item.kind for item in desk.held(line.gateway)] == ["message"]
        assert desk.reject_held(line.gateway, row.id, reason="sent again by the prison", by="op-1") == "rejected"
        check_world(line)


async def test_identifiers_of_two_known_people_are_a_conflict(tmp_path: Path) -> None:
    """One person's NHS number with another's prison number: held, and it says so."""
    one, two = synthetic_person(1), synthetic_person(2)
    mixed = adt_a03(one, message_id="MIX").replace(one.prison_number.encode(), two.prison_number.encode())
    async with running(tmp_path) as line:
        await line.play(adt_a01(one, message_id="1"), adt_a01(two, message_id="2"))
        await line.send(mixed)
        await line.settle()
        assert [(row.state, row.reason) for row in line.messages()][2] == ("held", "identity-conflict")
        assert not line.deliveries()
        check_world(line)


async def test_nobody_who_can_be_identified_is_held(tmp_path: Path) -> None:
    """A wrong check digit and no prison number."""
    person = synthetic_person(1)
    body = (
        adt_a03(person).replace(person.nhs_number.encode(), b"9990000001").replace(person.prison_number.encode(), b"X")
    )
    async with running(tmp_path) as line:
        await line.send(body)
        await line.settle()
        assert [(row.state, row.reason) for row in line.messages()] == [("held", "no-person")]
        assert "no-person" in line.told_codes()
        check_world(line)


async def test_a_merge_that_names_nobody_waits_for_a_person(tmp_path: Path) -> None:
    """An A40 whose prior number is no number of a person joins nobody; what a merge does: test_merges.py."""
    async with running(tmp_path) as line:
        await line.play(adt_a01(), adt_a40(prior_prison_number="LOCAL-7"))
        assert [(row.state, row.reason) for row in line.messages()] == [("released", None), ("held", "merge-waits")]
        check_world(line)


async def test_messages_of_one_person_are_released_in_the_order_of_acceptance(tmp_path: Path) -> None:
    """Twenty at once, over five people: each person's file grows in order."""
    async with running(tmp_path) as line:
        bodies = [
            adt_a01(synthetic_person(n % 5), message_id=f"M{n}", at=f"2026010{1 + n // 5}120000+0000")
            for n in range(20)
        ]
        for body in bodies:
            await line.send(body)
        await line.settle()
        released: dict[str, list[str]] = {}
        owners = {row.id: row.person_id for row in line.messages()}
        for entry in line.rows(ledger_entry):
            facts = json.loads(entry.body)
            if facts["event"] == "released":
                released.setdefault(owners[facts["chain"]], []).append(facts["chain"])
        for person_id, order in released.items():
            assert order == [row.id for row in line.messages() if row.person_id == person_id]
        check_world(line)


async def test_a_canary_stands_nowhere_where_everybody_can_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Identities in every field of every message: none in clear columns, ledger, log, answers, the security report or the bus."""
    person = synthetic_person(7)
    canaries = [
        person.nhs_number,
        person.prison_number,
        person.family,
        person.given,
        "CANARYTEXT",
        person.postcode,
        person.born,
    ]
    seen: list[str] = []

    class Watched(UnreliableBus):
        async def publish(self, topic: Topic, id: str) -> None:  # noqa: A002  watches what crosses
            seen.append(id)
            await super().publish(topic, id)

    async with running(tmp_path, bus=Watched(1)) as line:
        plan = care_plan(start="2026-01-02", description="CANARYTEXT in a plan")
        word = consent(resource_id="w", at="2026-01-02T09:00:00+00:00", decision="permit")
        answers = [
            await line.send(body)
            for body in (
                adt_a01(person),
                fhir_message(person, resources=[plan, word]),
                oru_r01(person, assays=[Assay(code="19295-5", text="CANARYTEXT", result="positive")]),
                rde_o11(person),
                adt_a03(person),
                adt_a03(person, message_id="BAD", processing_id="T"),
            )
        ]
        await line.settle(60)
        line.clock.advance(days=60)
        await line.settle(60)
        log = capfd.readouterr().err.encode()
        report = b"".join(each.body for each in line.neighbours["security"].got)
        assert report
        assert line.neighbours["northfell"].effects
        no_canary(
            {
                "the store's clear columns": clear_columns(line.gateway),
                "the log": log,
                "the answers": b"".join(each.body for each in answers),
                "the report to security": report,
                "the bus": "".join(seen).encode(),
            },
            canaries,
        )
        whole = line.neighbours["northfell"].effects[0].body
        assert person.nhs_number.encode() in whole  # the canary is alive: care recipients get it
        check_world(line)


def test_the_canaries_are_real() -> None:
    """Sabotage: the search would find them."""
    with pytest.raises(AssertionError):
        no_canary({"anywhere": f"x{nhs_number(7)}y".encode()}, [nhs_number(7), prison_number(7)])
