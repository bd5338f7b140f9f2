"""The ledger may say more than happened, never less: that something is sent is committed before its bytes leave, wherever we die then."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gateway.failpoints import hooked
from gateway.ledger.entry import decode
from gateway.store.schema import ledger_entry
from tests.builders import adt_a01, adt_a03, rde_o11, synthetic_person
from tests.faults.test_boundaries import Death
from tests.faults.test_deaths import DyingOnce
from tests.line import Line, running

BOXED = synthetic_person(2, postcode="ZB1 1AA")
DEATHS = {
    "door.before-commit": 0,
    "door.after-commit": 0,
    "send.before": 0,
    "send.after": 1,
    "receipt.before-commit": 1,
}
"""Where the process dies while the handover is sent, and how often the recipient has it by then."""


def sendings(line: Line, delivery_id: str) -> list[dict[str, Any]]:
    """The facts of each `sending` of a delivery, as a reader of the database sees what is committed at this moment."""
    with line.gateway.store.read() as c:
        bodies = c.scalars(select(ledger_entry.c.body).where(ledger_entry.c.chain == delivery_id))
        entries = sorted(map(decode, bodies), key=lambda entry: int(entry["step"]))
    return [entry["facts"] for entry in entries if entry["event"] == "sending"]


async def test_that_it_is_sent_is_committed_when_the_bytes_arrive(tmp_path: Path) -> None:
    """Pushed, pushed again after a refusal to take it now, and collected: at the instant at which the other side has the bytes."""
    async with running(tmp_path) as line:
        server, told = line.neighbours["northfell"], []
        server.answers = [503]
        server.before_answer = lambda: told.append(len(sendings(line, server.got[-1].key)))
        await line.play(adt_a01(), rde_o11(), adt_a03())
        line.clock.advance(minutes=1)
        await line.settle()
        assert told == [1, 2]
        (pushed,) = {each.key for each in server.got}
        assert all(len(str(facts["mark"])) == 64 for facts in sendings(line, pushed))
        await line.play(adt_a03(BOXED, message_id="BOXED"))
        (item,) = await line.gateway.mailbox_list(line.box_client())
        for attempt in (1, 2):
            letter = await line.gateway.mailbox_open(line.box_client(), item.id)
            assert letter is not None
            assert len(sendings(line, item.id)) == attempt


async def test_wherever_it_dies_the_ledger_says_no_less_than_the_recipient_has(tmp_path: Path) -> None:
    """It says more where it died before the bytes left; after a restart the letter goes again, and each passage is said."""
    async with running(tmp_path) as line:
        server = line.neighbours["northfell"]
        for number, (point, arrived) in enumerate(DEATHS.items(), 1):
            who, before = synthetic_person(10 + number), len(server.got)
            dying = DyingOnce({point})
            with hooked(dying):
                await line.send(adt_a03(who, message_id=f"OUT{number}"))
                for _ in range(3_000):
                    if dying.at:
                        break
                    await asyncio.sleep(0.01)
                assert dying.at == point
                with suppress(Death):
                    await line.gateway.abandon()
            (row,) = [each for each in line.deliveries(letter="handover") if each.message_id == line.messages()[-1].id]
            assert len(server.got) - before == arrived
            said = len(sendings(line, row.id))
            assert said == (0 if point == "door.before-commit" else 1) >= arrived
            await line.restart()
            for _ in range(3):  # what was on its way is unclear first, and then goes again
                line.clock.advance(minutes=2)
                await line.settle()
            passed = [each.key for each in server.got[before:]]
            assert passed.count(row.id) >= 1
            assert len(sendings(line, row.id)) >= len(passed)
            assert line.deliveries(id=row.id)[0].state == "delivered"
        line.gateway.ledger.advance()
        assert line.gateway.ledger.verify().verified
