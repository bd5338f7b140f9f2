"""A referral from outside, in the style of Booking and Referral: new, changed, cancelled, in whatever order it arrives. It starts nothing by itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.clients import add_client
from gateway.journeys.file import read_file
from tests.builders import synthetic_person
from tests.fhir_profiles.fhir_message.golden_pairs import FOLDER
from tests.line import Line, running
from tests.world import check_world

PERSON = synthetic_person(1)
OUTSIDE = "northfell-system"
NEW = ("new", "active", "2026-01-15T10:00:00Z", "Wing B")
CHANGED = ("update", "active", "2026-01-15T10:20:00Z", "Wing C")
CANCELLED = ("update", "revoked", "2026-01-15T10:40:00Z", "Wing C")
DELETED = ("delete", "entered-in-error", "2026-01-15T10:50:00Z", "Wing C")


def referral(word: tuple[str, str, str, str]) -> bytes:
    """The golden referral, said at that time with that reason, status and note."""
    reason, status, moment, note = word
    message: dict[str, Any] = json.loads((FOLDER / "referral.message.json").read_text("utf-8"))
    message["id"] = f"{reason}-{status}-{moment[11:16].replace(':', '')}"
    message["timestamp"] = moment
    for entry in message["entry"]:
        entry["resource"]["meta"]["lastUpdated"] = moment
    header, request, patient = (message["entry"][place]["resource"] for place in range(3))
    header["id"] = "h-" + message["id"]
    header["reason"]["coding"][0]["code"] = reason
    request |= {"status": status, "note": [{"text": note}]}
    patient["identifier"][0]["value"] = PERSON.nhs_number
    return json.dumps(message).encode()


def requests_of(line: Line) -> list[tuple[str, str]]:
    """(status, note) of each referral on file."""
    (person,) = {row.person_id for row in line.messages()}
    with line.gateway.store.read() as c:
        file = read_file(c, line.gateway, person)
    found = [each for each in file.resources if each["resourceType"] == "ServiceRequest"]
    return [(each["status"], each["note"][0]["text"]) for each in found]


@pytest.mark.parametrize(
    ("words", "stands"),
    [
        ((NEW,), ("active", "Wing B")),
        ((NEW, CHANGED), ("active", "Wing C")),
        ((CHANGED, NEW), ("active", "Wing C")),
        ((NEW, CHANGED, CANCELLED), ("revoked", "Wing C")),
        ((CANCELLED, NEW, CHANGED), ("revoked", "Wing C")),
        ((CHANGED, CANCELLED, NEW, DELETED), ("entered-in-error", "Wing C")),
    ],
)
async def test_the_newest_word_stands_in_whatever_order_it_comes(
    tmp_path: Path, words: tuple[tuple[str, str, str, str], ...], stands: tuple[str, str]
) -> None:
    async with running(tmp_path) as line:
        add_client(line.gateway, name=OUTSIDE, kinds=("fhir-message",), establishments=("ZFG",))
        await line.play(*(referral(word) for word in words), client=OUTSIDE)
        assert [row.state for row in line.messages()] == ["released"] * len(words)
        assert requests_of(line) == [stands]
        codes = [each.code for each in line.tasks()]
        assert set(codes) == {"referral-received" if word[1] == "active" else "referral-withdrawn" for word in words}
        assert line.deliveries() == [], "a referral starts no letter by itself"
        check_world(line)
