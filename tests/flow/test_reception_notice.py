"""A person who is known to be in treatment comes into custody: who had them in care is told and asked for the record, and nobody else."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_profiles.systems import LOCAL_CODE, ODS
from tests.builders import METHADONE, adt_a01, adt_a03, fhir_message, medication_request, synthetic_person
from tests.line import RECIPIENTS, Line, RecipientOfTests, running
from tests.world import check_world

NOTICE = {"reception-notice": "fhir-message"}
ASKED: dict[str, RecipientOfTests] = {
    "northfell": (*RECIPIENTS["northfell"][:3], {**RECIPIENTS["northfell"][3], **NOTICE}),
    "westfell": ("community-provider", "ZZC03", 'postcode_areas = ["ZA"]', NOTICE),
    "pharmacy": (*RECIPIENTS["pharmacy"][:3], {**RECIPIENTS["pharmacy"][3], **NOTICE}),
    "surgery": ("gp", "ZZG01", 'ods = ["ZZG01"]', NOTICE),
}


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path, recipients=ASKED) as made:
        yield made


def asked(line: Line) -> list[str]:
    return sorted(row.recipient or "" for row in line.deliveries(letter="reception-notice"))


def outside(person: Any, message_id: str) -> bytes:
    """A prescription for supply by a named pharmacy, and a team that names who treats the person."""
    request = medication_request(METHADONE, resource_id="rx", authored="2026-01-10", text="40 mg", category="discharge")
    request["dispenseRequest"] = {"performer": {"identifier": {"system": ODS, "value": "ZZP01"}}}
    role = {"coding": [{"system": LOCAL_CODE + "care-role", "code": "treatment-provider"}]}
    provider = {"identifier": {"system": ODS, "value": "ZZC03"}, "display": "Westfell"}
    team = {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "participant": [{"role": [role], "member": provider}],
    }
    return fhir_message(person, resources=[request, team], message_id=message_id)


async def test_who_is_known_to_have_the_person_in_care_is_asked_once_and_nobody_else(line: Line) -> None:
    """INVARIANT: nobody is told of custody by a guess: not the provider of the address, not a nominated pharmacy, not the practice of a stranger."""
    stranger, known, handed = (synthetic_person(number) for number in (1, 2, 3))
    await line.play(adt_a01(stranger, message_id="S"))
    assert asked(line) == []
    await line.play(outside(known, "RX"), adt_a01(known, message_id="K"))
    assert asked(line) == ["pharmacy", "surgery", "westfell"]
    bodies = {name: each.effects[-1].body.decode() for name, each in line.neighbours.items() if name in asked(line)}
    for body in bodies.values():
        assert "came into custody" in body
        assert "Do not end a prescription" in body
        assert known.nhs_number in body
        assert known.prison_number not in body
        assert "MedicationRequest" not in {each["resource"]["resourceType"] for each in json.loads(body)["entry"]}
    await line.play(adt_a01(known, message_id="K-AGAIN"))
    assert len(asked(line)) == 3, "another word of the same reception"
    line.clock.advance(days=1)
    await line.play(adt_a01(handed, message_id="H1"), adt_a03(handed, message_id="H2", at="20260116120000+0000"))
    line.clock.advance(days=20)
    await line.play(adt_a01(handed, message_id="H3", at="20260205120000+0000"))
    assert asked(line).count("northfell") == 1, "who got the handover has the person"
    assert line.told_codes().count("no-recipient") == 0
    check_world(line)
