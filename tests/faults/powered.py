"""The process whose power is cut: one gateway that takes, releases and delivers messages while every write to its disk is logged.

`python -m tests.faults.powered FOLDER PEOPLE off|full`. What the outside world knows (an acknowledgement that a sender heard, a letter that a
recipient took) it writes into FOLDER/marks, so that the log has it between the writes to the disk. `off` is the sabotaged build.
"""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

from adapters.contract import Arrival, Outcome, Outgoing, Receipt
from gateway import wiring
from gateway.pipeline import Gateway
from gateway.settings import read_settings
from gateway.store import sqlite
from tests.faults.simulation import bodies_of
from tests.line import CLINICAL, EHR, Line, register_clients

CHECKPOINT_BYTES = 150_000
"""Small, so that checkpoints and truncations of the log are among what is cut."""


class Marks:
    """What others know, in the order in which they learn it."""

    def __init__(self, folder: Path) -> None:
        self.descriptor = os.open(folder / "marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, text: str) -> None:
        os.write(self.descriptor, f"{text}\n".encode())


class Recipient:
    """Takes everything."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks

    async def send(self, letter: Outgoing) -> Receipt:
        self.marks.add(f"took {letter.delivery_id} {hashlib.sha256(letter.body).hexdigest()}")
        return Receipt(outcome=Outcome.DELIVERED, code="http-200")

    async def close(self) -> None:
        """Nothing is open."""


async def sender(gateway: Gateway, marks: Marks, person: int) -> None:
    """One person's messages."""
    for body in bodies_of(person, 2):
        fhir = body.startswith(b"{")
        name = CLINICAL if fhir else EHR
        channel = gateway.settings.http_channel(name, "fhir").name if fhir else "fellgate-ehr"
        kind = "application/fhir+json" if fhir else "text/plain"
        answer = await gateway.accept(Arrival(channel=channel, client=name, body=body, content_type=kind))
        assert Line.is_accepted(answer)
        marks.add(f"acked {hashlib.sha256(body).hexdigest()}")


async def work(folder: Path, people: int) -> None:
    """Everybody's messages, four people at once."""
    gateway = wiring.build(read_settings(folder / "throughgate.toml"))
    register_clients(gateway)
    marks = Marks(folder)
    gateway.outbounds = {name: Recipient(marks) for name in gateway.outbounds}
    await gateway.start()
    for first in range(1, people + 1, 4):
        await asyncio.gather(*(sender(gateway, marks, person) for person in range(first, min(first + 4, people + 1))))
        await gateway.settle(60)
    await gateway.stop()


if __name__ == "__main__":
    sqlite.WAL_LIMIT_BYTES = CHECKPOINT_BYTES
    if sys.argv[3] == "off":
        sqlite._PRAGMAS["synchronous"] = 0
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
