"""The parts that intake needs, for tests: a real store, real keys, a clock that is set, seeded ids, and registered clients."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, select

from adapters.contract import Arrival
from gateway.clients import add_client
from gateway.keys import Keys
from gateway.keys.identifiers import SeededIds
from gateway.parts import Parts
from gateway.settings import Settings
from gateway.steps.receive import Received, receive
from gateway.store import MemoryStore, Store
from gateway.store.schema import ledger_entry, message, person, sealed

HL7_CHANNEL = "ehr"
FHIR_CHANNEL = "http-fhir"
BARS_CHANNEL = "referrals"


class SetClock:
    """Noon of 15 January 2026, until it is moved."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 15, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.instant

    def pass_seconds(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


class PartsOfTests(Parts):
    """Parts with a clock that a test moves."""

    clock: SetClock


def settings(**channel: Any) -> Settings:
    return Settings.model_validate(
        {
            "gateway": {"installation": "test", "store_url": "sqlite://"},
            "sender": {"ods": "ZZT01", "name": "Test", "endpoint": "https://throughgate.example/fhir"},
            "establishments": [{"id": "ZFG", "name": "HMP Fellgate (example)"}],
            "channels": [
                {"name": HL7_CHANNEL, "adapter": "mllp", "port": 2575, "client": "zfg-ehr", **channel},
                {"name": BARS_CHANNEL, "adapter": "http", "format": "fhir", "client": "referrer", "dialect": "bars"},
            ],
            "limits": {"http_read_seconds": 0.5, "max_body_bytes": 200_000, "process_seconds": 1},
        }
    )


def make_parts(
    store: Store | None = None, *, register_checked: bool = True, dry_run: bool = False, **channel: Any
) -> PartsOfTests:
    """Parts with a client `zfg-ehr` (everything, ZFG), `referrer` (in the dialect of BaRS), `two-prisons` (everything, ZFG and ZNF),
    `tests-only` (ORU^R01) and `pharmacy` (a mailbox).
    """
    ids = SeededIds("intake")
    parts = PartsOfTests(
        settings=settings(**channel),
        store=store or MemoryStore.create(),
        bus=cast("Any", None),
        keys=Keys.in_memory(SeededIds("keys")),
        ledger=cast("Any", None),
        clock=SetClock(),
        ids=ids,
        recipients={},
        agreements={},
        establishments={"ZFG": "HMP Fellgate (example)"},
        outbounds={},
        register_checked=register_checked,
        dry_run=dry_run,
    )
    everything = ("ADT^*", "ORU^R01", "RDE^O11", "fhir-message", "fhir-bundle", "fhir-resource", "hmpps-event")
    add_client(parts, name="zfg-ehr", kinds=everything, establishments=("ZFG",))
    add_client(parts, name="referrer", kinds=everything, establishments=("ZFG",))
    add_client(parts, name="two-prisons", kinds=everything, establishments=("ZFG", "ZNF"))
    add_client(parts, name="elsewhere", kinds=everything, establishments=("ZNF",))
    add_client(parts, name="tests-only", kinds=("ORU^R01",), establishments=("ZFG",))
    add_client(parts, name="authority", kinds=everything, establishments=("ZFG",), consent_authority=True)
    add_client(parts, name="audit-store", audit_reader=True)
    add_client(parts, name="pharmacy", recipient="exampleton-pharmacy")
    return parts


def arrival(body: bytes, *, channel: str = HL7_CHANNEL, client: str = "zfg-ehr", truncated: bool = False) -> Arrival:
    return Arrival(channel=channel, client=client, body=body, content_type="x", truncated=truncated)


async def at_once(parts: Parts, *arrivals: Arrival) -> list[Received]:
    """All of them wait behind one work that holds the writer, so that they are taken in one."""
    inside, go = threading.Event(), threading.Event()

    def holds(c: Connection) -> None:
        inside.set()
        assert go.wait(20)

    first = asyncio.create_task(parts.store.write_async(holds))
    await asyncio.to_thread(inside.wait, 20)
    tasks = [asyncio.create_task(receive(parts, each)) for each in arrivals]
    await asyncio.sleep(0)
    go.set()
    await first
    return await asyncio.gather(*tasks)


def rows(parts: Parts) -> list[Any]:
    with parts.store.read() as c:
        return list(c.execute(select(message).order_by(message.c.sequence)))


def entries(parts: Parts, chain: str) -> list[bytes]:
    with parts.store.read() as c:
        return [row.body for row in c.execute(select(ledger_entry).where(ledger_entry.c.chain == chain))]


def count(parts: Parts, table: str) -> int:
    tables = {"sealed": sealed, "person": person, "message": message, "ledger": ledger_entry}
    with parts.store.read() as c:
        return len(c.execute(select(tables[table])).all())


def segments(ack: bytes) -> dict[str, list[str]]:
    """An acknowledgement by segment: `MSA` -> its fields; MSH is numbered as the standard does (MSH-9 is [9])."""
    found = {line[:3]: line.split("|") for line in ack.decode().split("\r") if line}
    found["MSH"].insert(1, "|")
    return found
