"""The demo is a test: it plays on the real thing, every invariant holds, and every invariant can fail."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select, update

from gateway import wiring
from gateway.demo import invariants, play, story
from gateway.demo.invariants import Invariant
from gateway.demo.neighbours import Got
from gateway.demo.play import Played
from gateway.demo.stage import Stage, set_up
from gateway.settings import read_settings
from gateway.steps.rederive import rederive
from gateway.store.schema import decision

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_the_demo_holds_and_says_so_in_json(tmp_path: Path) -> None:
    """`throughgate demo --json --keep DIR`: exit 0, the shape of DESIGN section 6, and a folder that the other commands can read."""
    keep = tmp_path / "kept"
    command = [sys.executable, "-m", "gateway", "demo", "--json", "--keep", str(keep)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    found = json.loads(done.stdout)
    assert set(found) >= {"messages", "deliveries", "ledger", "invariants"}
    assert all(one["held"] for one in found["invariants"])
    assert found["ledger"]["verified"] is True
    assert not [one["differences"] for one in found["messages"] if one["differences"]]
    verify = [sys.executable, "-m", "gateway", "ledger", "verify", "--json", "--config", str(keep / "throughgate.toml")]
    verified = json.loads(subprocess.run(verify, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert verified["entries"] == found["ledger"]["entries"]
    assert verified["root"] == found["ledger"]["root"]
    with wiring.open_parts(read_settings(keep / "throughgate.toml")) as gateway:
        with gateway.store.read() as c:
            decisions = list(c.execute(select(decision.c.id)).scalars())
        again = [rederive(gateway, each) for each in decisions]
    assert len(again) > 15
    assert not [one for one in again if not one.same]


def test_the_demo_never_plays_over_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("mine", "utf-8")
    command = [sys.executable, "-m", "gateway", "demo", "--keep", str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 2
    assert [file.name for file in tmp_path.iterdir()] == ["something"]


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage on which the part about Alex and Casey was played, without the month."""
    async with set_up(tmp_path / "stage", story.START) as made:
        yield made


async def some_acts(stage: Stage) -> list[Played]:
    wanted = [act for act in story.acts() if not act.background and act.then_release is None]
    return [await play.play_act(stage, number, act) for number, act in enumerate(wanted, start=1)]


def broken(found: tuple[Invariant, ...]) -> set[str]:
    return {one.name for one in found if not one.held}


@pytest.mark.slow
async def test_each_invariant_can_fail(stage: Stage) -> None:
    """Sabotage of what is looked at, one thing at a time: each must break the invariant that is about it."""
    played = await some_acts(stage)
    await play.close_month(stage)
    verified = stage.gateway.ledger.verify()
    northfell, pharmacy, security = (
        stage.servers[name].got for name in (story.NORTHFELL, story.PHARMACY, story.SECURITY)
    )
    # The month was not played: only what says that its cells are right may be broken now.
    base = broken(invariants.check(stage, played, verified, ""))
    assert base <= {"a cell is shown only where it may be"}

    def now_broken(log: str = "") -> set[str]:
        return broken(invariants.check(stage, played, verified, log)) - base

    handover = northfell[-1]
    northfell.append(replace(handover, repeat=True))
    assert "every letter arrived exactly once" in now_broken()
    northfell[-1:] = []

    northfell[-1] = replace(handover, body=handover.body.replace(b"mg", b"g", 1))
    assert "every letter arrived byte for byte as it was decided" in now_broken()
    northfell[-1] = handover

    lost = northfell.pop()
    assert "what the gateway calls delivered is what the neighbours hold" in now_broken()
    pharmacy.append(lost)
    assert {
        "every letter arrived at its own recipient",
        "the pharmacy got prescriptions and no result, plan or risk",
    } <= now_broken()
    northfell.append(pharmacy.pop())

    casey = story.Cast().casey
    withheld = next(d.id for one in played if one.way for d in one.way.deliveries if d.state == "withheld")
    northfell.append(Got(delivery_id=withheld, content_type="", body=casey.family.encode(), repeat=False))
    assert {
        "nothing that was withheld, held or recalled left",
        "nothing about Casey, who said no, reached anybody",
    } <= now_broken()
    northfell.pop()

    report = security[0]
    security[0] = replace(report, body=report.body.replace(b"not shown", story.Cast().alex.nhs_number.encode(), 1))
    assert "nobody can be found in what security got" in now_broken()
    security[0] = report

    delivery = northfell[-1].delivery_id
    parts = stage.gateway
    way = next(d for one in played if one.way for d in one.way.deliveries if d.id == delivery)
    parts.store.write(
        lambda c: c.execute(update(decision).where(decision.c.id == way.decision).values(outcome="withhold"))
    )
    assert "every letter that left has a decision that let it" in now_broken()
    parts.store.write(
        lambda c: c.execute(update(decision).where(decision.c.id == way.decision).values(outcome="release"))
    )

    stage.pager.told.append(casey.family)
    assert "what the person on duty heard names nobody" in now_broken()
    stage.pager.told.pop()
    assert "the log names nobody" in now_broken(log=casey.prison_number)
    assert now_broken() == set()


async def test_an_act_that_comes_out_otherwise_is_named(stage: Stage) -> None:
    """Sabotage of the story: what it expects and what happened are compared, not assumed."""
    act = replace(next(story.acts()), answer=("AR",), expect=(("handover", "northfell-recovery", "delivered"),))
    differences = (await play.play_act(stage, 1, act)).differences
    assert any("answered AA" in one for one in differences)
    assert any("handover" in one for one in differences)


def test_everybody_in_the_story_is_made_up() -> None:
    """NHS numbers of the 999 range, which is never issued; prison numbers of a letter that is not in use."""
    people = story.Cast().everybody()
    assert len({person.nhs_number for person in people}) == len(people)
    assert all(person.nhs_number.startswith("999") for person in people)
    assert all(person.family.endswith("-Test") for person in people)
