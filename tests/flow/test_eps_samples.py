"""The published examples of the Electronic Prescription Service through `try`: none crashes, and what becomes of each is a table."""

import json
from collections import Counter
from typing import Any

import pytest

from gateway.trying import try_message
from tests.samples import samples_folder

Json = dict[str, Any]
OUTCOMES = {
    ("Claim", "rejected"): 12,
    ("MedicationDispense", "held"): 1,
    ("MedicationRequest", "held"): 2,
    ("MedicationRequest", "released"): 1,
    ("OperationOutcome", "rejected"): 14,
    ("Parameters", "rejected"): 37,
    ("Task", "rejected"): 13,
    ("searchset", "rejected"): 5,
    ("transaction", "rejected"): 1,
    ("dispense-notification", "held"): 1,
    ("dispense-notification", "released"): 15,
    ("prescription-order", "released"): 67,
    ("prescription-order-response", "released"): 9,
    ("prescription-order-update", "held"): 1,
    ("prescription-order-update", "released"): 13,
}
"""Held: a body that is not valid R4, contained people who are nobody in the message, examples without a person or with an invalid number."""
FLOOR = 0.85
EVENTS = ("prescription-order", "prescription-order-response", "prescription-order-update", "dispense-notification")


def name_of(content: Json) -> str:
    if content["resourceType"] != "Bundle":
        return str(content["resourceType"])
    if content["type"] != "message":
        return str(content["type"])
    return str(content["entry"][0]["resource"]["eventCoding"]["code"])


@pytest.mark.samples
def test_every_example_comes_to_what_the_table_says() -> None:
    outcomes: Counter[tuple[str, str]] = Counter()
    fates: dict[str, Counter[str]] = {event: Counter() for event in EVENTS}
    for file in sorted((samples_folder() / "examples" / "eps-examples").rglob("*.json")):
        body = file.read_bytes()
        found, name = try_message(body), name_of(json.loads(body))
        outcomes[name, found["message"]["outcome"]] += 1
        assert "exception" not in {issue["code"] for issue in found["message"]["issues"]}, file.name
        if name in fates and found["message"]["outcome"] == "released":
            fates[name].update(field["fate"] for field in found["fields"])
    assert dict(outcomes) == OUTCOMES
    for event in EVENTS:
        carried = fates[event]["mapped"] + fates[event]["minimised"]
        assert carried / fates[event].total() >= FLOOR, event


@pytest.mark.samples
def test_a_cancellation_cancels_the_line_of_its_order() -> None:
    """With the order as history the person's file has the line once, cancelled; the copy says so."""
    folder = (
        samples_folder() / "examples" / "eps-examples" / "api-repo" / "primary-care" / "acute" / "nominated-pharmacy"
    )
    pair = folder / "medical-prescriber" / "cancellations"
    ordered = (pair / "1-Process-Request-Send-200_OK.json").read_bytes()
    cancelled = (pair / "1-Process-Request-Cancel-200_OK.json").read_bytes()
    lines = [
        entry["resource"]
        for body in (ordered, cancelled)
        for entry in try_message(body)["bundle"]["entry"]
        if entry["resource"]["resourceType"] == "MedicationRequest"
    ]
    numbers = {line["identifier"][0]["value"] for line in lines}
    last = lines[-1]
    assert last["status"] == "cancelled"
    assert last["id"] in {line["id"] for line in lines[:-1]} or len(numbers) == len(lines)
