"""Answers that come later, on both modes; what they say and when they are sent again is in tests/gateway/deliver."""

from pathlib import Path

from gateway.store.schema import owed_answer
from tests.builders import adt_a03
from tests.gateway.deliver.test_later_answers import answered, ask, enhanced, plan
from tests.world import check_world


async def test_later_answers_reach_both_listeners(tmp_path: Path) -> None:
    """One over MLLP and one over HTTP, beside the letter of the same message."""
    async with answered(tmp_path) as (line, ehr, sender):
        await line.send(enhanced(adt_a03(message_id="D-1"), "AL", "AL"))
        await ask(line, plan("M-1"))
        await line.settle()
        assert ehr.said() == [("AA", "D-1")]
        assert len(sender.effects) == 1
        assert [row.state for row in line.rows(owed_answer)] == ["delivered", "delivered"]
        assert [row.state for row in line.deliveries()] == ["delivered"]
        check_world(line)
