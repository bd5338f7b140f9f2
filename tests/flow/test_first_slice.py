"""The whole line once: MLLP-shaped arrivals in, a handover over HTTP out, the ledger verified."""

from pathlib import Path

from tests.builders import adt_a01, adt_a03, care_plan, fhir_message, rde_o11
from tests.line import running
from tests.world import check_world


async def test_reception_prescription_release(tmp_path: Path) -> None:
    """A01, RDE, A03: the community provider gets one handover, the pharmacy one copy."""
    async with running(tmp_path) as line:
        plan = care_plan(start="2026-01-02", description="Reduce slowly")
        await line.play(adt_a01(), fhir_message(resources=[plan]), rde_o11(), adt_a03())
        assert [row.state for row in line.messages()] == ["released"] * 4
        assert [(row.letter, row.recipient, row.state) for row in line.deliveries()] == [
            ("prescription-copy", "pharmacy", "delivered"),
            ("handover", "northfell", "delivered"),
        ]
        assert len(line.neighbours["northfell"].effects) == 1
        check_world(line)
