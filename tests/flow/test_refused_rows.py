"""Who sends junk gets an answer to each, and fills neither the disk nor the ledger: of one client a declared number of rows a day."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from gateway.steps.refused import enter_refusals
from gateway.store.schema import ledger_entry
from tests.builders import adt_a01
from tests.line import CLINICAL, Line, running
from tests.world import check_world

LIMIT = 5
JUNK = b"MSH|^~\\&|X|Y|||20260115||ADT^A03|R-%d|P|2.4\r"


def limited(line: Line) -> None:
    limits = line.gateway.settings.limits.model_copy(update={"rejected_per_client_day": LIMIT})
    line.gateway.settings = line.gateway.settings.model_copy(update={"limits": limits})


def entries(line: Line) -> list[dict[str, Any]]:
    with line.gateway.store.read() as c:
        return [json.loads(body) for body in c.execute(select(ledger_entry.c.body)).scalars()]


def number(line: Line) -> int:
    with line.gateway.store.read() as c:
        return c.execute(select(func.count()).select_from(ledger_entry)).scalar_one()


async def test_beyond_the_limit_a_refusal_is_answered_and_counted_and_leaves_no_row(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        limited(line)
        answers = [await line.send(JUNK % n) for n in range(12)]
        assert not [each for each in answers if line.is_accepted(each)]
        codes = [next(part for part in each.body.split(b"\r") if part.startswith(b"MSA"))[:6] for each in answers]
        assert set(codes) == {codes[0]}
        assert Counter(row.state for row in line.messages()) == {"rejected": LIMIT}
        before = number(line)
        enter_refusals(line.gateway)
        assert number(line) == before + 1
        (said,) = [entry["facts"] for entry in entries(line) if entry["event"] == "access-refused"]
        assert (said["what"], said["client"], said["count"]) == ("message", "fellgate-ehr", 12 - LIMIT)
        check_world(line)


async def test_one_clients_junk_is_not_anothers(tmp_path: Path) -> None:
    """Another client's refusal is kept; so is the next day's; and what is no junk is taken as ever."""
    async with running(tmp_path) as line:
        limited(line)
        for n in range(8):
            await line.send(JUNK % n)
        await line.send(b'{"resourceType": "Bundle"}', client=CLINICAL)
        await line.play(adt_a01())
        kept = Counter((row.client, row.state) for row in line.messages())
        assert kept == {
            ("fellgate-ehr", "rejected"): LIMIT,
            (CLINICAL, "rejected"): 1,
            ("fellgate-ehr", "released"): 1,
        }
        line.clock.advance(days=1)
        await line.send(JUNK % 9)
        assert len(line.messages(state="rejected")) == LIMIT + 2
        check_world(line)


async def test_a_restart_does_not_begin_the_day_again(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        limited(line)
        for n in range(3):
            await line.send(JUNK % n)
        await line.restart()
        limited(line)
        for n in range(9):
            await line.send(JUNK % n)
        assert len(line.messages(state="rejected")) == LIMIT
