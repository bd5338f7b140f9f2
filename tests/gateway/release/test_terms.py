"""No letter leaves without what its recipient must know: a consent that keeps the notice back, which says so, keeps back no word of the agreement."""

import json
from pathlib import Path
from typing import Any

from gateway.steps.rederive import rederive
from tests.builders import METHADONE, adt_a01, consent, fhir_message, medication_request
from tests.line import running
from tests.world import check_world

Json = dict[str, Any]
TYPES = "http://hl7.org/fhir/resource-types"


def no_word_about_it() -> Json:
    """A Consent that lets no Communication go, and everything else."""
    made = consent(resource_id="quiet", at="2026-01-02T09:00:00+00:00", decision="permit")
    silence = {"type": "deny", "class": [{"system": TYPES, "code": "Communication"}]}
    return {**made, "provision": {**made.get("provision", {}), "provision": [silence]}}


async def test_what_the_recipient_must_know_leaves_where_the_notice_does_not(tmp_path: Path) -> None:
    script = medication_request(
        METHADONE, resource_id="rx", authored="2026-01-15", text="60 mg daily", category="community"
    )
    async with running(tmp_path) as line:
        quiet = fhir_message(resources=[no_word_about_it()], message_id="QUIET", event="consent")
        await line.play(adt_a01(), quiet, fhir_message(resources=[script], message_id="RX"))
        (row,) = line.deliveries(letter="prescription-copy")
        assert row.state == "delivered"
        held = [each["resource"] for each in json.loads(line.neighbours[row.recipient].effects[-1].body)["entry"]]
        assert "MedicationRequest" in {each["resourceType"] for each in held}
        words = line.gateway.agreements["prescription-copy"].text["caveats"]
        (said,) = (each for each in held if each["resourceType"] == "Communication")
        assert said["payload"] == [{"contentString": words}], "the terms, and no word of the notice"
        assert rederive(line.gateway, row.decision_id).same
        check_world(line)
