"""A letter that cannot be written is held and told, and stops no other letter of its message (docs/hazards.md, H03)."""

from pathlib import Path

import pytest

from fhir_profiles.render import render
from fhir_profiles.shapes import Heading, Json, Rendered
from gateway import desk
from gateway.steps import release
from gateway.steps.rederive import rederive
from tests.builders import METHADONE, adt_a01, adt_a03, fhir_message, medication_request
from tests.gateway.release.test_terms import no_word_about_it
from tests.line import WITH_PRACTICE_AND_RECORD, running
from tests.world import check_world

ON_PAPER = {
    **WITH_PRACTICE_AND_RECORD,
    "pharmacy": ("pharmacy", "ZZP01", 'ods = ["ZZP01"]', {"prescription-copy": "pdf"}),
}
SCRIPT = medication_request(
    METHADONE, resource_id="rx", authored="2026-01-15", text="60 mg daily", category="community"
)


async def test_a_copy_on_paper_leaves_without_its_notice_as_every_other_does(tmp_path: Path) -> None:
    async with running(tmp_path, recipients=ON_PAPER) as line:
        quiet = fhir_message(resources=[no_word_about_it()], message_id="QUIET", event="consent")
        await line.play(adt_a01(), quiet, fhir_message(resources=[SCRIPT], message_id="RX"))
        rows = line.deliveries()
        assert {(row.recipient, row.state) for row in rows} == {("pharmacy", "delivered"), ("surgery", "delivered")}
        (paper,) = (each.body for each in line.neighbours["pharmacy"].effects)
        assert paper.startswith(b"%PDF")
        check_world(line)


async def test_one_that_cannot_be_written_waits_and_the_others_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def no_paper(bundle: Json, wire: str, heading: Heading) -> Rendered:
        if wire == "pdf":
            raise KeyError("a fault of this program")
        return render(bundle, wire, heading)

    async with running(tmp_path, recipients=ON_PAPER) as line:
        monkeypatch.setattr(release, "render", no_paper)
        await line.play(adt_a01(), fhir_message(resources=[SCRIPT], message_id="RX"), adt_a03())
        (paper,) = (row for row in line.deliveries() if row.recipient == "pharmacy")
        assert (paper.state, paper.reason, paper.digest) == ("held", "not-written", None)
        others = [row for row in line.deliveries() if row.id != paper.id]
        assert {row.letter for row in others} == {"prescription-copy", "handover", "gp-copy"}
        assert {row.state for row in others} == {"delivered"}
        assert {row.state for row in line.messages()} == {"released"}
        assert {"not-written", "letter-not-written"} <= set(line.told_codes())
        assert line.neighbours["pharmacy"].got == []
        assert rederive(line.gateway, paper.decision_id).same
        assert desk.release_held(line.gateway, paper.id, reason="mended?", by="operator-1") == "held"
        monkeypatch.setattr(release, "render", render)
        assert desk.release_held(line.gateway, paper.id, reason="mended", by="operator-1") == "queued"
        await line.settle()
        assert len(line.neighbours["pharmacy"].effects) == 1
        check_world(line)
