"""What retention has taken is named as gone: the way of a message is still told, with its outcomes."""

from pathlib import Path

from gateway import whole_way
from gateway.store.retention import sweep_ended
from gateway.store.schema import sealed
from tests.builders import adt_a03
from tests.line import Line, running


def ways(line: Line) -> list[whole_way.DecisionWay]:
    with line.gateway.store.read() as c:
        way = whole_way.message_way(c, line.gateway, line.messages()[0].id)
    assert way is not None
    return list(way.decisions)


async def test_a_decision_whose_inputs_are_gone_is_still_told(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.play(adt_a03())
        (before,) = ways(line)
        assert (before.outcome, before.gone) == ("release", False)
        assert before.reasons
        line.gateway.store.write(lambda c: c.execute(sealed.update().values(ends_at=line.gateway.now())))
        line.clock.advance(seconds=1)
        assert line.gateway.store.write(lambda c: sweep_ended(c, line.gateway.now()))
        (after,) = ways(line)
        assert (after.outcome, after.gone, after.reasons) == ("release", True, ())
