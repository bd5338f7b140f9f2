"""An electronic prescription's messages end to end: copies for information, a cancellation that arrives, a signature that never leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_profiles.late_words import is_late
from gateway.store.schema import resource
from tests.fhir_profiles.fhir_message.eps_messages import ITEMS, SIGNATURE, Json, cancellation, dispense, item, order
from tests.line import running
from tests.world import check_world


def sent(message: Json) -> bytes:
    return json.dumps(message).encode()


async def test_an_order_a_cancellation_and_a_dispense(tmp_path: Path) -> None:
    """Two lines; the first is cancelled by another organisation; the second was dispensed. The file has each once, in its last version."""
    async with running(tmp_path) as line:
        await line.play(sent(order()), sent(cancellation()), sent(dispense()))
        assert [row.state for row in line.messages()] == ["released"] * 3
        assert len({row.person_id for row in line.messages()}) == 1
        current = line.rows(resource, type="MedicationRequest", current=True)
        assert sorted(row.version for row in current) == [1, 2]
        assert len(line.rows(resource, type="MedicationDispense", current=True)) == 1
        letters = [json.loads(got.body) for got in line.neighbours["pharmacy"].effects]
        statuses = [
            [
                entry["resource"]["status"]
                for entry in letter["entry"]
                if entry["resource"]["resourceType"] == "MedicationRequest"
            ]
            for letter in letters
        ]
        assert statuses == [["active", "active"], ["cancelled"]]
        check_world(line)


async def test_a_cancellation_that_overtakes_its_order_stands(tmp_path: Path) -> None:
    """The order came later and the line stood again: the pharmacy was told `active` of what had been cancelled."""
    async with running(tmp_path) as line:
        await line.play(sent(cancellation()), sent(order()))
        assert [row.state for row in line.messages()] == ["released"] * 2
        letters = [json.loads(got.body) for got in line.neighbours["pharmacy"].effects]
        told = [
            {
                entry["resource"]["identifier"][0]["value"]: entry["resource"]["status"]
                for entry in letter["entry"]
                if entry["resource"]["resourceType"] == "MedicationRequest"
            }
            for letter in letters
        ]
        assert told == [{ITEMS[0]: "cancelled"}, {ITEMS[0]: "cancelled", ITEMS[1]: "active"}]
        check_world(line)


@pytest.mark.parametrize(
    ("held", "arrived", "late"),
    [
        ("cancelled", "active", True),
        ("entered-in-error", "on-hold", True),
        ("cancelled", "completed", False),
        ("cancelled", "entered-in-error", False),
        ("active", "cancelled", False),
        ("on-hold", "active", False),
        ("completed", "active", False),
    ],
)
def test_only_what_was_taken_back_is_never_taken_up_again(held: str, arrived: str, late: bool) -> None:
    """A supply that was made is told all the same; and of what has a number of its sender alone the clock decides."""
    assert is_late(item(status=held), item(status=arrived)) == late
    own: dict[str, Any] = {"identifier": [{"system": "https://throughgate.example/id/rx", "value": "1"}]}
    assert not is_late(item(status=held, **own), item(status=arrived, **own))


async def test_no_letter_carries_the_signature_or_the_event_of_a_prescription(tmp_path: Path) -> None:
    """A copy that could be taken for an order would be a supply that nobody authorised."""
    async with running(tmp_path) as line:
        await line.play(sent(order()), sent(cancellation()))
        bodies = [got.body.decode() for got in line.neighbours["pharmacy"].effects]
        assert len(bodies) == 2
        for body in bodies:
            assert SIGNATURE not in body
            assert "prescription-order" not in body.replace("prescription-order-item-number", "").replace(
                "prescription-order-number", ""
            )
            assert "not a prescription" in body
        assert all(ITEMS[1] not in body for body in bodies[1:])
        check_world(line)
