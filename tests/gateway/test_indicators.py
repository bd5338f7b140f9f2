"""The table for commissioners: people of a whole quarter, closed before anybody sees it."""

import json
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from consent.aggregates import Rules
from gateway.__main__ import app
from gateway.steps.indicators import QuarterError, handovers
from gateway.store.schema import message
from tests.builders import adt_a03, synthetic_person
from tests.line import running


async def test_people_of_a_quarter_that_is_over(tmp_path: Path) -> None:
    """Nine people are released, one of them twice, and one who lives where nobody serves: he is small, so nothing can be subtracted."""
    async with running(tmp_path) as line:
        for number in range(9):
            await line.send(adt_a03(synthetic_person(number), message_id=f"OUT-{number}"))
        await line.send(adt_a03(synthetic_person(0), message_id="AGAIN", at="20260116120000+0000"))
        await line.settle(60)
        with pytest.raises(QuarterError, match="not over"):
            handovers(line.gateway, "2026-Q1", Rules())
        line.clock.advance(days=80)
        made = handovers(line.gateway, "2026-Q1", Rules())
        assert made.rows == ("ZFG", "total")
        assert {place: made.shown[place] for place in made.shown if place[1] == "total"} == {
            ("ZFG", "total"): "10",
            ("total", "total"): "10",
        }
        assert set(handovers(line.gateway, "2025-Q4", Rules()).shown.values()) == {"0"}
        assert handovers(line.gateway, "2026-Q1", Rules(small=9)).shown["ZFG", "total"] == "*"
        config = line.config
    said = CliRunner().invoke(app, ["aggregate", "2025-Q4", "--json", "--config", str(config)])
    assert said.exit_code == 0, said.output
    assert json.loads(said.output)["handovers"][0] == {
        "establishment": "ZFG",
        "confirmed": "0",
        "delivered": "0",
        "not delivered": "0",
        "total": "0",
    }
    assert CliRunner().invoke(app, ["aggregate", "2099-Q1", "--config", str(config)]).exit_code == 2
    for weaker in (["--small", "6"], ["--base", "4"]):
        assert CliRunner().invoke(app, ["aggregate", "2025-Q4", *weaker, "--config", str(config)]).exit_code == 2
    assert CliRunner().invoke(app, ["aggregate", "2026-01", "--config", str(config)]).exit_code == 2


async def test_who_is_handed_over_from_two_prisons_is_one_person(tmp_path: Path) -> None:
    """Ten people, each released once more from another prison: counted there, and ten in all. Twice each would be twenty."""
    async with running(tmp_path) as line:
        for number in range(10):
            person = synthetic_person(number)
            await line.send(adt_a03(person, message_id=f"OUT-{number}"))
            await line.settle(60)
            await line.send(adt_a03(person, message_id=f"AGAIN-{number}", at="20260215120000+0000"))
            await line.settle(60)
        line.gateway.establishments = {**line.gateway.establishments, "ZXX": "HMP Elsewhere (example)"}
        again = [row.id for row in line.messages() if row.sequence % 2 == 0]
        moved = update(message).where(message.c.id.in_(again)).values(establishment="ZXX")
        line.gateway.store.write(lambda c: c.execute(moved))
        line.clock.advance(days=80)
        shown = handovers(line.gateway, "2026-Q1", Rules(small=1, base=1)).shown
        assert (shown["ZXX", "total"], shown["ZFG", "total"], shown["total", "total"]) == ("10", "0", "10")
