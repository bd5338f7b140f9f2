"""The person's own copy goes to the desk that prints it, is taken back when there was no release, and every letter says what its agreement says."""

import io
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest

from gateway import shipped
from gateway.steps.rederive import rederive
from tests.builders import (
    METHADONE,
    adt_a01,
    adt_a03,
    adt_a13,
    consent,
    fhir_message,
    medication_request,
    synthetic_person,
)
from tests.line import RECIPIENTS, Line, running
from tests.world import check_world

DESK = ("care-team", "ZZD01", 'establishments = ["ZFG"]', {"persons-handover": "pdf", "correction": "pdf"})
LONG_AGO = "2026-01-02T09:00:00+00:00"


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with running(tmp_path, recipients={**RECIPIENTS, "desk": DESK}) as made:
        yield made


def sent(line: Line) -> list[tuple[str, str, str]]:
    return sorted((row.letter, row.recipient or "", row.state) for row in line.deliveries())


def paper(line: Line, number: int = -1) -> str:
    """The words of what the desk got, on one line."""
    body = line.neighbours["desk"].effects[number].body
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages).split())


def caveats(name: str) -> str:
    return str(tomllib.loads((shipped.agreements() / f"{name}.toml").read_text("utf-8"))["words"]["caveats"])


async def test_a_release_has_a_paper_for_the_person_and_each_letter_says_what_its_own_agreement_says(
    line: Line,
) -> None:
    rx = medication_request(
        METHADONE, resource_id="rx", authored="2026-01-15", text="40 mg daily", category="discharge"
    )
    await line.play(adt_a01(), fhir_message(resources=[rx], message_id="RX"), adt_a03())
    assert sent(line) == [
        ("handover", "northfell", "delivered"),
        ("persons-handover", "desk", "delivered"),
        ("prescription-copy", "pharmacy", "delivered"),
    ]
    said = {
        "handover": line.neighbours["northfell"].effects[-1].body.decode(),
        "prescription-copy": line.neighbours["pharmacy"].effects[-1].body.decode(),
        "persons-handover": paper(line),
    }
    assert "Your paper for leaving prison" in said["persons-handover"]
    assert "How to take it: 40 mg daily" in said["persons-handover"]
    assert "Information only: not a prescription" in said["persons-handover"]
    for name, text in said.items():
        assert f"What you must know: {caveats(name)}" in text, name
        # a document says it in its narrative too
        assert text.count("What you must know: ") == (2 if name == "handover" else 1), name
        assert not [other for other in said.keys() - {name} if caveats(other) in text], name
    for row in line.deliveries():
        assert rederive(line.gateway, row.decision_id).same, row.letter

    await line.play(adt_a13())
    assert ("correction", "desk", "delivered") in sent(line)
    assert line.deliveries(letter="persons-handover")[0].id in paper(line), "it names the paper that is taken back"
    assert caveats("persons-correction") in paper(line)

    # who refuses the treatment provider has refused nothing of their own paper
    other = synthetic_person(2)
    no = consent(resource_id="no", at=LONG_AGO, decision="deny", recipient_ods="ZZC01")
    await line.play(
        fhir_message(other, resources=[no], message_id="NO", event="consent"), adt_a03(other, message_id="OUT-2")
    )
    assert [row.state for row in line.deliveries(letter="handover")] == ["delivered", "withheld"]
    assert [row.state for row in line.deliveries(letter="persons-handover")] == ["delivered", "delivered"]
    check_world(line)


async def test_a_prison_where_nobody_prints_has_no_letter_that_waits_for_a_desk(line: Line) -> None:
    """Another prison of the same installation has one, or has none any more."""
    desk = line.gateway.recipients["desk"]
    line.gateway.recipients = {**line.gateway.recipients, "desk": replace(desk, serves_establishments=("ZZZ",))}
    await line.play(adt_a01(), adt_a03())
    assert line.deliveries(letter="persons-handover") == []
    assert [row.state for row in line.deliveries(letter="handover")] == ["delivered"]
    check_world(line)
